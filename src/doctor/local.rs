//! What can be seen without asking anybody: settings, key, certificate, database, our own address and cookies.

use std::fs::OpenOptions;
use std::path::Path;

use super::finding::{Check, Finding, Look, Outcome};
use super::{Doctor, Tell, Who};
use crate::advice::{self, Sign};
use crate::config::{EXPIRES_SOON, Problem, Problems};
use crate::qlik::key::KeyError;
use crate::store::{self, Condition, Database};

pub(super) async fn examine(doctor: &Doctor, hints: &[String], who: &Who, tell: Tell<'_>) {
    settings(hints).into_iter().for_each(&mut *tell);
    tell(key(doctor));
    tell(certificate(doctor));
    tell(token(doctor, who));
    tell(selections(doctor));
    tell(store(doctor).await);
    tell(session_store(doctor).await);
    tell(public_address(doctor));
    tell(own_cookies(doctor));
}

/// Settings that can be used, each with a remark of its own.
fn settings(hints: &[String]) -> Vec<Finding> {
    let look = || Look::new(Check::Configuration, "environment, .env and CONFIG_FILE");
    if hints.is_empty() {
        return vec![look().pass("all of them can be used")];
    }
    let remark = |hint: &String| look().warn(hint, "see .env.example, the manual of all settings");
    hints.iter().map(remark).collect()
}

/// Settings that cannot be used: a finding for each problem.
pub fn of_problems(problems: &Problems) -> Vec<Finding> {
    let mut findings: Vec<_> = problems.problems.iter().map(of_problem).collect();
    if !problems.hints.is_empty() {
        findings.extend(settings(&problems.hints));
    }
    findings
}

fn of_problem(problem: &Problem) -> Finding {
    let Problem { variable, reason, remedy } = problem;
    let is_of_key = variable.starts_with("QLIK_JWT_PRIVATE_KEY");
    let (check, id) = match () {
        () if is_of_key && reason.contains(&KeyError::NoMatch.to_string()) => {
            (Check::Certificate, Some("key-mismatch"))
        }
        () if is_of_key && reason.contains("expired on") => (Check::Certificate, Some("certificate-expired")),
        () if is_of_key && reason.contains("certificate") => (Check::Certificate, Some("certificate-broken")),
        () if is_of_key => (Check::SigningKey, None),
        () if variable == "QLIK_JWT_LIFETIME" => (Check::Token, Some("token-lifetime")),
        () if variable == "SUBJECT_TEMPLATE" && reason.contains("change") => (Check::Subject, Some("subject-changes")),
        () => (Check::Configuration, None),
    };
    let finding = Look::new(check, variable).fail(format!("{variable} {reason}"), remedy);
    Finding { advice: id.and_then(advice::named), ..finding }
}

/// It cannot be told who somebody is to Qlik.
pub fn unknown(why: &str) -> Finding {
    let remedy = "correct what is said there; `qlik-embed-bff identity explain` tells who somebody is to Qlik, and why";
    Look::new(Check::Subject, "--as").fail(why, remedy)
}

/// Why nothing is to be said of tokens.
pub(super) const NO_TOKENS: &str = "none is set: every page takes access tokens";

fn key(doctor: &Doctor) -> Finding {
    let look = Look::new(Check::SigningKey, "QLIK_JWT_PRIVATE_KEY");
    let Some(token) = &doctor.config.token else { return look.skip(NO_TOKENS) };
    let key = token.key();
    look.pass(format!("RSA, {} bits, SHA-256 of the public key {}", key.bits(), key.fingerprint()))
}

fn certificate(doctor: &Doctor) -> Finding {
    if doctor.config.token.is_none() {
        return Look::new(Check::Certificate, "QLIK_JWT_PRIVATE_KEY").skip(NO_TOKENS);
    }
    let Some(certificate) = &doctor.config.certificate else {
        let why = "none lies beside the key, so its end is not known";
        return Look::new(Check::Certificate, "the folder of the private key").skip(why);
    };
    let look = Look::new(Check::Certificate, certificate.file.display().to_string());
    let (end, left) = (certificate.not_after.date(), certificate.not_after - doctor.now());
    if left >= EXPIRES_SOON {
        return look.pass(format!("of this key, valid until {end}"));
    }
    let found = format!("of this key, and valid for another {} days only, until {end}", left.whole_days().max(0));
    look.sign(Outcome::Warning, found, Sign::CertificateExpired)
}

fn token(doctor: &Doctor, who: &Who) -> Finding {
    let look = Look::new(Check::Token, "QLIK_JWT_ISSUER, QLIK_JWT_KEY_ID, mapping");
    let Some(settings) = &doctor.config.token else { return look.skip(NO_TOKENS) };
    let Who::Subject(subject) = who else {
        return look.pass(format!(
            "issuer {}, key ID {}; nobody to make one for",
            settings.issuer(),
            settings.key_id()
        ));
    };
    let empty: Vec<_> = [("sub", &subject.id), ("name", &subject.name), ("email", &subject.email)]
        .into_iter()
        .filter_map(|(claim, value)| value.trim().is_empty().then_some(claim))
        .collect();
    if !empty.is_empty() {
        let found = format!("{} would be empty", empty.join(" and "));
        let finding = look.fail(found, "give the person a name and an e-mail address, or change the mapping");
        return Finding { advice: advice::named("token-incomplete"), ..finding };
    }
    look.pass(format!("issuer {}, key ID {}, subject {}", settings.issuer(), settings.key_id(), subject.id))
}

/// With one name for all, the engine takes the sessions of one user for one (Qlik Cloud facts, section F.1).
fn selections(doctor: &Doctor) -> Finding {
    let look = Look::new(Check::Selections, "QLIK_IDENTITY, identity of pages");
    let shared: Vec<_> = doctor
        .config
        .pages
        .all()
        .iter()
        .filter_map(|page| Some(format!("{} ({})", page.slug, page.identity.as_ref()?)))
        .collect();
    if shared.is_empty() {
        return look.pass("the name of each session is its own");
    }
    let found = format!("one name for all sessions of a user: {}", shared.join(", "));
    look.sign(Outcome::Warning, found, Sign::SelectionsShared)
}

async fn store(doctor: &Doctor) -> Finding {
    let settings = &doctor.config.store;
    let look = Look::new(Check::Store, settings.database.to_string());
    let condition = match (store::condition(settings).await, &settings.database) {
        (Ok(condition), _) => condition,
        (Err(problem), Database::Sqlite(_)) => {
            let remedy =
                "look at the file and its folder, and whose they are; restore it from a backup if it is damaged";
            return look.fail(problem.to_string(), remedy);
        }
        (Err(problem), Database::Postgres(_)) => {
            let remedy =
                "see that the server runs and is reached from here, and that user, password and database are right";
            return look.fail(problem.to_string(), remedy);
        }
    };
    match (condition, &settings.database) {
        (Condition::Nothing, Database::Sqlite(file)) => beside_nothing(look, file),
        (Condition::Nothing, Database::Postgres(_)) => look.pass("it has no tables yet: the first start makes them"),
        (Condition::Current, Database::Sqlite(file)) => match OpenOptions::new().append(true).open(file) {
            Ok(_) => look.pass("it can be opened and written, and has the tables of this version"),
            Err(problem) => look.fail(
                format!("it cannot be written ({problem})"),
                "give the file and its folder to the user that runs this server",
            ),
        },
        (Condition::Current, Database::Postgres(_)) => look.pass("it answers, and has the tables of this version"),
        (Condition::Behind(steps), _) => {
            look.warn(format!("{steps} steps behind this version"), "back it up; the next start brings it up to date")
        }
        (Condition::Newer, _) => look.fail(
            "it belongs to a newer version of qlik-embed-bff",
            "install that version, or name another database in DATABASE_URL",
        ),
    }
}

async fn session_store(doctor: &Doctor) -> Finding {
    let Some(sessions) = &doctor.config.store.sessions else {
        return Look::new(Check::SessionStore, "settings").skip("sessions are in the database");
    };
    let look = Look::new(Check::SessionStore, sessions.shown.clone());
    match store::try_session_store(sessions).await {
        Ok(0) => look.pass("it answers, and has the time of this machine"),
        Ok(seconds) => look.warn(
            format!("it answers, and its clock is {seconds} s ahead of this machine's"),
            "let both keep the time by NTP",
        ),
        Err(problem) => look.fail(
            problem.to_string(),
            "see that the server runs and is reached from here, and that its password and TLS are as the settings say",
        ),
    }
}

fn beside_nothing(look: Look, file: &Path) -> Finding {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder)
            if !folder.exists()
                && !folder.parent().is_some_and(|above| above.as_os_str().is_empty() || above.is_dir()) =>
        {
            let remedy = format!("create {}, or name another file in DATABASE_URL", folder.display());
            look.fail("there is none, and no folder for it", remedy)
        }
        _ => look.pass("there is none yet: the first start makes it"),
    }
}

fn public_address(doctor: &Doctor) -> Finding {
    let server = &doctor.config.server;
    let look = Look::new(Check::PublicAddress, format!("PUBLIC_URL {}", server.public_url));
    match (server.public_url.is_https(), server.tls.is_some()) {
        (false, true) => look.fail(
            "it is http, and this server speaks TLS",
            "write https in PUBLIC_URL, or remove TLS_CERT_FILE and TLS_KEY_FILE",
        ),
        (false, false) => look.pass("plain http, for this machine only"),
        (true, true) => look.pass("https, which this server speaks itself"),
        (true, false) if server.trusted_proxies.is_empty() => look.warn(
            "https is made by something before this server, and TRUSTED_PROXIES names nothing: every visitor seems to have its address",
            "list the networks of the proxy before this server in TRUSTED_PROXIES",
        ),
        (true, false) => look.pass("https, made by a proxy that TRUSTED_PROXIES lists"),
    }
}

/// What RFC 6265bis lets a browser keep: `SameSite=None` and the prefix `__Host-` are for https alone.
fn own_cookies(doctor: &Doctor) -> Finding {
    let server = &doctor.config.server;
    let look = Look::new(Check::OwnCookies, "PUBLIC_URL, PROXY_URL, FRAME_ANCESTORS");
    let https = server.public_url.is_https();
    if server.framed_by_other_sites && !https {
        return look.fail(
            "pages of other sites may frame ours, and over http browsers keep no cookie there",
            "serve PUBLIC_URL over https, or leave other sites out of FRAME_ANCESTORS",
        );
    }
    match &server.proxy_url {
        Some(proxy) => look.pass(format!("first-party at {} and {proxy}", server.public_url)),
        None => look.pass(format!("first-party at {}", server.public_url)),
    }
}
