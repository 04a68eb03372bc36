//! Settings of tickets: who signs them, how, and with what that is checked.

use url::Url;

use super::reader::{Reader, line};
use crate::auth::ticket::{Algorithm, Key, KeyProblem, Keys, Settings};
use crate::identity::Source;
use crate::origin::Origin;

const PUBLIC_KEY: &str = "TICKET_PUBLIC_KEY";
const SECRET: &str = "TICKET_SECRET";
const JWKS_URL: &str = "TICKET_JWKS_URL";

/// `None` after a problem; `Some(None)` when tickets are no way of signing in.
pub(super) fn read(
    reader: &mut Reader,
    open: Option<&[Source]>,
    audience: Option<&Origin>,
) -> Option<Option<Settings>> {
    if !open?.contains(&Source::Ticket) {
        for name in ["TICKET_ISSUER", "TICKET_ALGORITHM", PUBLIC_KEY, SECRET, JWKS_URL] {
            if reader.is_given(name) {
                reader.hint(format!("{name} has no effect: SIGN_IN does not list ticket"));
            }
        }
        return Some(None);
    }
    let issuer = reader.required("TICKET_ISSUER", "write what the portal writes as iss into its tickets", line);
    let wanted = wanted_algorithm(reader);
    let (keys, natural) = keys(reader)?;
    let algorithm = match (wanted?, natural) {
        (Some(wanted), Some(natural)) if wanted != natural => {
            let reason = format!("is {wanted}, and the key or secret that is set is for {natural}");
            reader.problem("TICKET_ALGORITHM", reason, "leave it out, or set what tickets are really signed with");
            return None;
        }
        // A set of keys is public, and a secret is not.
        (Some(Algorithm::Hs256), None) => {
            let remedy = "set RS256 or ES256, or TICKET_SECRET in place of TICKET_JWKS_URL";
            reader.problem("TICKET_ALGORITHM", "is HS256, whose secret is in no published key set", remedy);
            return None;
        }
        (Some(wanted), _) => wanted,
        (None, natural) => {
            let algorithm = natural.unwrap_or(Algorithm::Rs256);
            let from = if natural.is_some() { "the key" } else { "default" };
            reader.derived("TICKET_ALGORITHM", algorithm, from);
            algorithm
        }
    };
    Some(Some(Settings { issuer: issuer?, audience: audience?.clone(), algorithm, keys }))
}

/// `None` after a problem; `Some(None)` when it is not set.
fn wanted_algorithm(reader: &mut Reader) -> Option<Option<Algorithm>> {
    if !reader.is_set("TICKET_ALGORITHM") {
        return Some(None);
    }
    let parse = |text: &str| Algorithm::parse(text).ok_or("is no algorithm for tickets");
    reader.optional("TICKET_ALGORITHM", "write RS256, ES256 or HS256, or leave it out", parse).map(Some)
}

/// The keys, and the algorithm that they are for if that is certain.
fn keys(reader: &mut Reader) -> Option<(Keys, Option<Algorithm>)> {
    const REMEDY: &str = "set one of TICKET_PUBLIC_KEY, TICKET_SECRET and TICKET_JWKS_URL";
    let given: Vec<_> = [PUBLIC_KEY, SECRET, JWKS_URL].into_iter().filter(|name| reader.is_given(name)).collect();
    match given[..] {
        [JWKS_URL] => {
            let remedy = "write the https address of the portal's JWK set, without user name and password";
            let url = reader.optional(JWKS_URL, remedy, address)?;
            Some((Keys::At(url), None))
        }
        [name] => {
            let (text, file) = reader.secret(name, None)?;
            let key = if name == SECRET {
                Key::secret(&text)
            } else {
                Key::public(secrecy::ExposeSecret::expose_secret(&text))
            };
            let variable = if file.is_some() { format!("{name}_FILE") } else { name.to_owned() };
            let key = key.map_err(|problem| reader.problem(&variable, &problem, remedy(&problem))).ok()?;
            let algorithm = key.algorithm();
            Some((Keys::One(key), Some(algorithm)))
        }
        [] => {
            reader.problem(PUBLIC_KEY, "is not set, and neither are TICKET_SECRET and TICKET_JWKS_URL", REMEDY);
            None
        }
        [first, ..] => {
            reader.problem(first, format!("is set beside {}", given[1..].join(" and ")), REMEDY);
            None
        }
    }
}

fn remedy(problem: &KeyProblem) -> &'static str {
    match problem {
        KeyProblem::ShortSecret => "make one with `openssl rand -base64 48`, and give it to the portal",
        KeyProblem::NoSecret => "set TICKET_PUBLIC_KEY in its place",
        KeyProblem::Private => {
            "make its public half with `openssl pkey -in FILE -pubout`, and give the private key to nobody"
        }
        _ => "take what `openssl pkey -in FILE -pubout` prints of the portal's key, RSA or EC on P-256",
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is not an address")?;
    Origin::parse_secure(&url.origin().ascii_serialization()).map_err(|problem| problem.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or a password in it".to_owned());
    }
    Ok(url)
}
