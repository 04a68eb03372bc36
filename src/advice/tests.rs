use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tables::{CLOSES, CLOSES_WHEN_OPEN, CODES, DETAILS, ERRORS, PROVIDER_CODES, STATES, STATUSES};
use super::*;

mod made;

fn http<'a>(at: At, status: u16, code: &'a str, detail: &'a str) -> Answer<'a> {
    Answer::Http { at, status, code: Some(code).filter(|code| !code.is_empty()), detail, html: false }
}

fn html(at: At, status: u16) -> Answer<'static> {
    Answer::Http { at, status, code: None, detail: "A title", html: true }
}

fn close(code: u16) -> Answer<'static> {
    Answer::Close { code, open: true }
}

/// The ids of the entries for these answers, in their order.
fn ids<'a>(answers: impl IntoIterator<Item = Answer<'a>>) -> Vec<&'static str> {
    answers.into_iter().map(|answer| of(&answer).id).collect()
}

/// "Qlik Cloud facts", sections B.2 and I.
#[test]
fn each_answer_to_a_login_has_its_entry() {
    let missing = "JWT_LOGIN_VALIDATIONS Missing required claim: nbf";
    let told = [
        (http(At::Login, 400, "INTERNAL-TOKEN-1", missing), "token-incomplete"),
        (http(At::Login, 400, "", ""), "token-incomplete"),
        (http(At::Login, 401, "", "Unauthorized"), "token-refused"),
        (http(At::Login, 401, "LOGIN-1", "Unauthorized"), "token-refused"),
        (http(At::Login, 401, "LOGIN-2", "No authentication configured for this hostname"), "unknown-host"),
        (http(At::Login, 401, "LOGIN-10", "returnto not included in web integration whitelist"), "return-not-listed"),
        (http(At::Login, 400, "LOGIN-12", "multiple active users detected"), "same-email"),
        (http(At::Login, 403, "USER_INVITE_EXPIRED", "Invitation has expired"), "invitation-expired"),
        (http(At::Login, 403, "AUTH-5", ""), "not-a-member"),
        (http(At::Login, 403, "AUTH-6", "User is disabled"), "login-forbidden"),
        (html(At::Login, 406), "not-acceptable"),
        (http(At::Login, 406, "", ""), "not-acceptable"),
        (http(At::Login, 429, "HTTP-429", "You need to wait 13 seconds"), "too-many-requests"),
        (html(At::Login, 429), "too-many-requests"),
        (html(At::Login, 503), "tenant-trouble"),
        (html(At::Login, 403), "answered-in-html"),
        (http(At::Login, 418, "", ""), "login-refused"),
        // The status counts before the code, and a title counts for nothing.
        (http(At::Login, 503, "LOGIN-2", ""), "tenant-trouble"),
        (http(At::Login, 429, "AUTH-5", ""), "too-many-requests"),
        (http(At::Login, 403, "", "AUTH-5"), "login-forbidden"),
    ];
    assert_eq!(ids(told.map(|(answer, _)| answer)), told.map(|(_, id)| id));
}

/// Sections D, E, H and I.
#[test]
fn each_answer_to_other_calls_has_its_entry() {
    let told = [
        (http(At::UsersMe, 401, "", ""), "session-ended-there"),
        (http(At::UsersMe, 403, "", ""), "login-forbidden"),
        (html(At::UsersMe, 404), "wrong-address"),
        (http(At::Csrf, 401, "", ""), "session-ended-there"),
        (http(At::Csrf, 400, "", ""), "no-csrf-token"),
        (http(At::Rest, 403, "CSRF-TOKEN-2", ""), "csrf-refused"),
        (http(At::Rest, 409, "", ""), "exists-already"),
        (http(At::Rest, 404, "USERS-7", ""), "not-found"),
        (http(At::Admin, 404, "GROUPS-7", ""), "not-found"),
        (http(At::Admin, 404, "TENANTS-8", ""), "not-found"),
        (http(At::Admin, 401, "", ""), "admin-unauthorized"),
        (http(At::Admin, 403, "", ""), "admin-forbidden"),
        (html(At::Admin, 200), "answered-in-html"),
        (http(At::OauthToken, 400, "", ""), "oauth-request"),
        (http(At::OauthToken, 401, "", ""), "oauth-client"),
        (http(At::OauthToken, 403, "", ""), "oauth-forbidden"),
        (http(At::Handshake, 403, "", ""), "handshake-refused"),
        (http(At::Handshake, 404, "", ""), "no-app"),
        (http(At::Preflight, 403, "", "Origin has not been granted access"), "origin-not-listed"),
        (html(At::Single, 302), "frame-leads-to-login"),
        (http(At::WellKnown, 404, "", ""), "unknown-host"),
        (http(At::Rest, 302, "", ""), "led-elsewhere"),
        (http(At::Rest, 422, "NEW-1", "Something new"), "request-refused"),
        (http(At::Rest, 100, "", ""), "unexpected-answer"),
        (http(At::Provider, 401, "invalid_client", ""), "provider-client"),
        (http(At::Provider, 400, "invalid_grant", ""), "provider-grant"),
        (http(At::Provider, 400, "invalid_scope", ""), "provider-scope"),
        (http(At::Provider, 400, "access_denied", ""), "provider-refused"),
        (http(At::Provider, 503, "", ""), "provider-unavailable"),
        (html(At::Provider, 404), "provider-unusable"),
    ];
    assert_eq!(ids(told.map(|(answer, _)| answer)), told.map(|(_, id)| id));
    let silences = Silent::ALL.map(|why| Answer::Unreachable { at: At::Login, why });
    assert_eq!(
        ids(silences),
        ["name-unknown", "connection-refused", "no-way-out", "tls-failed", "no-answer-in-time", "connection-broken"]
    );
    assert_eq!(ids(Silent::ALL.map(|why| Answer::Unreachable { at: At::Provider, why })), ["provider-unavailable"; 6]);
}

/// Section F.4. What a client should do is the last column of its table: 4003, 4004 and 4007 are to be carried on.
#[test]
fn each_close_code_has_its_entry_and_its_reaction() {
    let told = [
        (1000, "session-closed", Retry::No),
        (4000, "suspended-by-client", Retry::No),
        (4001, "engine-idle", Retry::Once),
        (4002, "licence-renewal", Retry::Once),
        (4003, "engine-terminating", Retry::Reconnect),
        (4004, "app-moved", Retry::Reconnect),
        (4005, "session-limit", Retry::Once),
        (4006, "signed-out-there", Retry::Once),
        (4007, "app-mode-changed", Retry::Reconnect),
        (4200, "engine-unavailable", Retry::Once),
        (4201, "connection-timed-out", Retry::Reconnect),
        (4202, "bad-engine-request", Retry::No),
        (4203, "no-permission", Retry::Soon),
        (4204, "no-app", Retry::No),
        (4205, "too-many-requests", Retry::Later),
        (4206, "network-trouble", Retry::Reconnect),
        (4210, "engine-unavailable", Retry::Once),
        (4211, "engine-unavailable", Retry::Once),
        (4220, "engine-unavailable", Retry::Once),
        (4222, "engine-unavailable", Retry::Once),
        (4230, "no-licence", Retry::No),
        (4240, "no-engine", Retry::Once),
        (4401, "signed-out-here", Retry::No),
        (1001, "connection-lost", Retry::Reconnect),
        (1006, "connection-lost", Retry::Reconnect),
        (1009, "message-too-large", Retry::No),
        (1011, "connection-lost", Retry::Reconnect),
        (1012, "connection-lost", Retry::Reconnect),
        (4999, "connection-lost", Retry::Reconnect),
    ];
    let found = told.map(|(code, ..)| (code, of(&close(code)).id, of(&close(code)).retry));
    assert_eq!(found, told);
    // Before the app is open, an end without a code of the engine may be anything.
    for code in [1000, 1001, 1006, 1009, 1011, 4999] {
        assert_eq!(of(&Answer::Close { code, open: false }).id, "closed-early", "{code}");
    }
    assert_eq!(of(&Answer::Close { code: 4203, open: false }).id, "no-permission");
}

/// Sections F.2 and F.3.
#[test]
fn each_error_and_state_of_the_engine_has_its_entry() {
    let errors = [
        (2, "no-app"),
        (5, "no-permission"),
        (8, "engine-error"),
        (10, "engine-error"),
        (15, "engine-aborted"),
        (16, "engine-lost"),
        (19, "app-memory"),
        (21, "engine-unavailable"),
        (403, "no-permission"),
        (404, "no-app"),
        (429, "too-many-requests"),
        (503, "engine-unavailable"),
        (1002, "engine-error"),
        (1003, "no-app"),
        (1007, "app-damaged"),
        (1008, "engine-unavailable"),
        (1009, "app-open-otherwise"),
        (1015, "app-too-large"),
        (1017, "engine-error"),
        (1019, "no-app"),
        (6003, "dialog-open"),
        (-1, "engine-error"),
        (-32602, "engine-error"),
    ];
    assert_eq!(ids(errors.map(|(code, _)| Answer::Engine(code))), errors.map(|(_, id)| id));
    let states = [
        ("SESSION_ERROR_NO_LICENSE", "no-licence"),
        ("SESSION_ERROR_LICENSE_RENEW", "licence-renewal"),
        ("SESSION_ERROR_LIMIT_EXCEEDED", "session-limit"),
        ("SESSION_ERROR_SECURITY_HEADER_CHANGED", "signed-out-there"),
        ("SESSION_ACCESS_CONTROL_SETUP_FAILURE", "no-permission"),
        ("SESSION_ERROR_APP_ACCESS_DENIED", "no-permission"),
        ("SESSION_ERROR_APP_FAILURE", "app-failed"),
        ("SESSION_ERROR_OF_TOMORROW", "state-refused"),
    ];
    assert_eq!(ids(states.map(|(state, _)| Answer::State(state))), states.map(|(_, id)| id));
    assert_eq!(of(&Answer::Silence).id, "engine-silent");
}

/// Section L, and what was reported besides.
#[test]
fn each_of_the_31_pitfalls_has_its_entry() {
    use Sign as F;
    let found = Answer::Found;
    let missing = "JWT_LOGIN_VALIDATIONS Missing required claim: jti";
    let pitfalls: [(&[Answer], &str); 31] = [
        (&[html(At::Login, 406)], "not-acceptable"),
        (&[http(At::Login, 400, "INTERNAL-TOKEN-1", missing)], "token-incomplete"),
        (&[found(F::TokenLifetime), http(At::Login, 400, "", "exp - nbf exceeds 3600 s")], "token-lifetime"),
        (&[found(F::ClockSkew), http(At::Login, 401, "", "Token is not yet valid (nbf)")], "clock-skew"),
        (&[http(At::Login, 401, "", "")], "token-refused"),
        (&[found(F::CertificateBroken), http(At::Login, 401, "", "Unable to decode JWT")], "certificate-broken"),
        (&[found(F::TokenReplayed), http(At::Login, 401, "", "jti was already used")], "token-replayed"),
        (&[http(At::Login, 401, "LOGIN-2", ""), http(At::WellKnown, 404, "", "")], "unknown-host"),
        (&[found(F::OriginNotListed), http(At::Preflight, 403, "", "")], "origin-not-listed"),
        (&[found(F::CookiesBlocked)], "cookies-blocked"),
        (&[found(F::FramesNotAllowed)], "frames-not-allowed"),
        (&[found(F::FrameLeadsToLogin), html(At::Single, 302), html(At::Single, 401)], "frame-leads-to-login"),
        (&[found(F::NoSpaceRole), close(4203), Answer::Engine(5)], "no-permission"),
        (&[found(F::AppMissing), close(4204), Answer::Engine(1003)], "no-app"),
        (&[found(F::NoLicence), close(4230), Answer::State("SESSION_ERROR_NO_LICENSE")], "no-licence"),
        (&[found(F::SubjectChanges)], "subject-changes"),
        (&[found(F::DuplicateUsers)], "duplicate-users"),
        (&[found(F::SameEmail), http(At::Login, 400, "LOGIN-12", "")], "same-email"),
        (&[found(F::GroupsNotCreated)], "groups-ignored"),
        (&[http(At::Handshake, 401, "", ""), http(At::Handshake, 403, "", "")], "handshake-refused"),
        (&[http(At::Rest, 403, "CSRF-TOKEN-2", "")], "csrf-refused"),
        (&[http(At::OauthToken, 401, "", "")], "oauth-client"),
        (&[found(F::EmbedAsksToAuthorize)], "embed-asks-to-authorize"),
        (&[found(F::ProductInfo)], "product-info"),
        (&[found(F::LinksLeave)], "links-leave"),
        (&[http(At::Login, 429, "HTTP-429", ""), http(At::OauthToken, 429, "", "")], "too-many-requests"),
        (&[found(F::SessionIdle)], "session-idle"),
        (&[found(F::SelectionsShared)], "selections-shared"),
        (&[found(F::NoTheme)], "no-theme"),
        (&[found(F::Http2)], "http2-websocket"),
        (&[found(F::CertificateExpired)], "certificate-expired"),
    ];
    for (number, (answers, id)) in (1..).zip(pitfalls) {
        assert_eq!(ids(answers.iter().copied()), vec![id; answers.len()], "pitfall {number}");
    }
}

#[test]
fn every_entry_is_whole_and_can_be_reached() {
    let (mut seen, mut texts) = (BTreeSet::new(), String::new());
    for advice in all() {
        let Advice { id, symptom, meaning, remedy, .. } = advice;
        assert!(seen.insert(*id), "{id} is there twice");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{id}");
        assert!(!symptom.ends_with('.') && !symptom.contains(['[', ']', '\n']), "{id}: {symptom}");
        for text in [meaning, remedy] {
            assert!(text.ends_with('.') && !text.contains("  ") && !text.contains('\n'), "{id}: {text}");
        }
        assert!((9..160).contains(&advice.in_short().len()), "{id}: {}", advice.in_short());
        assert_eq!(named(id), Some(advice));
        texts.push_str(&format!("{advice:?}"));
    }
    for word in ["eyJ", "Bearer", "PRIVATE", "eas.sid", "TODO", "session of work"] {
        assert!(!texts.contains(word), "{word} is in the catalogue");
    }

    let statuses = (100..600).flat_map(|status| At::ALL.map(|at| http(at, status, "", "")));
    let pages = At::ALL.map(|at| html(at, 200));
    let codes = CODES.iter().map(|(code, _)| http(At::Rest, 400, code, ""));
    let provided = PROVIDER_CODES.iter().map(|(code, _)| http(At::Provider, 400, code, ""));
    let details = DETAILS.iter().map(|(words, _)| http(At::Login, 401, "", words));
    let silences = Silent::ALL.map(|why| Answer::Unreachable { at: At::Login, why });
    let closes = (1000..5000).flat_map(|code| [true, false].map(|open| Answer::Close { code, open }));
    let engine = (-40..7000).map(Answer::Engine).chain([Answer::State(""), Answer::Silence]);
    let states = STATES.iter().map(|(state, _)| Answer::State(state));
    let found = Sign::ALL.map(Answer::Found);
    let answers = statuses.chain(pages).chain(codes).chain(provided).chain(details).chain(silences).chain(closes);
    let reached: BTreeSet<_> = answers.chain(engine).chain(states).chain(found).map(|answer| of(&answer).id).collect();
    assert_eq!(seen.difference(&reached).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn no_row_of_a_table_hides_another() {
    fn twice<K: PartialEq + fmt::Debug>(table: &[(K, &'static Advice)]) {
        for (at, (key, _)) in table.iter().enumerate() {
            assert!(table[..at].iter().all(|(other, _)| other != key), "{key:?} is there twice");
        }
    }
    twice(&CODES);
    twice(&STATUSES);
    twice(&PROVIDER_CODES);
    twice(&CLOSES);
    twice(&CLOSES_WHEN_OPEN);
    twice(&ERRORS);
    twice(&STATES);
    twice(&DETAILS);
}

#[test]
fn what_was_said_is_kept() {
    let read = |status, body: &str| {
        let told = Told::read(status, false, body);
        (told.code.clone().unwrap_or_default(), told.to_string())
    };
    let told = |code: &str, words: &str| (code.to_owned(), words.to_owned());
    let envelope = r#"{"errors":[{"title":"Invalid token request","code":"INTERNAL-TOKEN-1","status":"400","detail":"Missing: nbf"}],"traceId":"x"}"#;
    let said = "status 400: INTERNAL-TOKEN-1, Invalid token request, Missing: nbf";
    assert_eq!(read(400, envelope), told("INTERNAL-TOKEN-1", said));
    let top = r#"{"code":"SPACES-1","title":"Denied"}"#;
    assert_eq!(read(403, top), told("SPACES-1", "status 403: SPACES-1, Denied"));
    let oauth = r#"{"error":"invalid_client","error_description":"Unknown client"}"#;
    assert_eq!(read(401, oauth), told("invalid_client", "status 401: invalid_client, Unknown client"));
    let odd = r#"{"errors":["no"],"code":{"a":1},"title":7}"#;
    assert_eq!(read(400, odd), told("", "status 400: 7"));
    assert_eq!(read(500, "{}"), told("", "status 500: no explanation"));
    assert_eq!(read(502, "upstream\ntimed out"), told("", "status 502: upstream timed out"));
    let page = "<html><title> 406 Not Acceptable </title></html>";
    for is_html in [true, false] {
        let told = Told::read(406, is_html, page);
        assert_eq!(
            (told.html, told.to_string(), told.advice(At::Login).id),
            (true, "status 406: 406 Not Acceptable".to_owned(), "not-acceptable")
        );
    }
    assert_eq!(Told::read(403, true, "<html>").to_string(), "status 403: no explanation");
}

#[test]
fn secrets_are_not_kept() {
    let secrets = [
        "eyJhbGciOi.eyJzdWIi.c2ln",
        "eas.sid=abcdefgh",
        "_csrfToken=8aGk2-x",
        "0123456789abcdef0123456789abcdef0123456789abcdef",
    ];
    for secret in secrets {
        for (body, is_html) in [
            (format!(r#"{{"errors":[{{"code":"X-1","detail":"bad value {secret} here"}}]}}"#), false),
            (format!(r#"{{"errors":[{{"code":"X-1","detail":"value=\"{secret}\", bad value here"}}]}}"#), false),
            (format!("bad value {secret} here X-1"), false),
            (format!("<title>X-1 bad value {secret} here</title>"), true),
        ] {
            let told = Told::read(400, is_html, &body).to_string();
            assert!(!told.contains(secret) && !told.contains(&secret[9..]), "{told}");
            assert!(told.contains("X-1") && told.contains("bad value") && told.contains("here"), "{told}");
        }
    }
    let kept =
        "user 65f0c2a1e4b0a7d3c8f9e012 trace 0f8fad5bd9cb469fa16570867728950e app 0d5f3c5a-6e0f-4d0b-9a53-6f1a6d7a2b11";
    assert_eq!(Told::read(400, false, kept).words, kept);
}

proptest! {
    /// There is advice for whatever is answered, and what was said is still there.
    #[test]
    fn nothing_is_without_advice_and_nothing_said_is_lost(
        status: u16, code in "[A-Z]{1,12}-[0-9]{1,3}", detail in "[ -~]{0,20}", is_html: bool, at in 0..At::ALL.len(),
        close: u16, open: bool, engine: i32, state in "\\PC{0,40}", body in "\\PC{0,400}",
    ) {
        let at = At::ALL[at];
        let answers = [
            Answer::Http { at, status, code: Some(&code), detail: &detail, html: is_html },
            Answer::Http { at, status, code: None, detail: &detail, html: is_html },
            Answer::Close { code: close, open },
            Answer::Engine(engine),
            Answer::State(&state),
        ];
        for answer in answers {
            prop_assert!(named(of(&answer).id).is_some());
        }
        let body_with_code = serde_json::json!({ "errors": [{ "code": code, "detail": detail }] }).to_string();
        let told = Told::read(status, false, &body_with_code);
        prop_assert_eq!(told.code.as_deref(), Some(&*code));
        prop_assert!(told.to_string().contains(&code) && told.to_string().contains(&detail), "{}", told);

        let told = Told::read(status, is_html, &body);
        prop_assert!(told.words.chars().count() <= 300);
        prop_assert!(!told.to_string().contains(char::is_control));
        prop_assert!(named(told.advice(at).id).is_some());
    }
}
