//! What a ticket says, once its signature is proven. Pure.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Identity, LONGEST_LIFE, Origin, Refused, SKEW, Source};
use crate::identity::{PROTOCOL_CLAIMS, is_false};

/// All that a ticket says.
pub type Claims = Map<String, Value>;

/// Longest `sub` and `jti`, in bytes: what OpenID Connect allows a `sub` (Core 1.0, section 2).
const LONGEST_NAME: usize = 255;

/// One part of a JWT: base64url without padding, and in it JSON.
pub(super) fn part<T: DeserializeOwned>(part: &str, otherwise: &'static str) -> Result<T, Refused> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed(otherwise))?;
    serde_json::from_slice(&json).map_err(|_| Refused::Malformed(otherwise))
}

/// From whom, and for whom.
pub(super) fn check(claims: &Claims, issuer: &str, audience: &Origin) -> Result<(), Refused> {
    if text(claims, "iss")?.ok_or(Refused::NoClaim("iss"))? != issuer {
        return Err(Refused::Issuer);
    }
    // A ticket for several could be redeemed here by any of the others, so a list has but one entry.
    let named = match claims.get("aud") {
        Some(Value::Array(list)) => match &list[..] {
            [one] => one.as_str(),
            _ => return Err(Refused::BadClaim("aud", "names several, or nobody")),
        },
        Some(value) => value.as_str(),
        None => return Err(Refused::NoClaim("aud")),
    };
    // A slash at the end makes no other address (RFC 3986, section 6.2.3), and programs that hold addresses as URLs write it.
    let ours = named.is_some_and(|named| named.strip_suffix('/').unwrap_or(named) == audience.as_str());
    if ours { Ok(()) } else { Err(Refused::Audience) }
}

/// From when until when. The end is our own: skew included.
pub(super) fn check_times(claims: &Claims, now: OffsetDateTime) -> Result<OffsetDateTime, Refused> {
    let end = moment(claims, "exp")?.ok_or(Refused::NoClaim("exp"))?;
    if now >= end + SKEW {
        return Err(Refused::Expired);
    }
    if end > now + LONGEST_LIFE + SKEW {
        return Err(Refused::TooLongLived);
    }
    for name in ["iat", "nbf"] {
        if moment(claims, name)?.is_some_and(|start| start > now + SKEW) {
            return Err(Refused::FromTheFuture(name));
        }
    }
    Ok(end + SKEW)
}

/// A claim that names something: `sub`, `jti`.
pub(super) fn name<'a>(claims: &'a Claims, claim: &'static str) -> Result<&'a str, Refused> {
    let name = text(claims, claim)?.ok_or(Refused::NoClaim(claim))?;
    // To mend it could make two people one: `ada`, and `ada` with a blank that the portal keeps.
    if claims.get(claim).and_then(Value::as_str) != Some(name) {
        return Err(Refused::BadClaim(claim, "begins or ends with white space"));
    }
    if name.len() > LONGEST_NAME {
        return Err(Refused::BadClaim(claim, "is longer than 255 bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err(Refused::BadClaim(claim, "has control characters"));
    }
    Ok(name)
}

/// Who this is, with all that is said about them.
///
/// # Errors
/// When there is no usable `sub`, or another claim is not what it has to be.
pub fn identity(mut claims: Claims) -> Result<Identity, Refused> {
    let id = name(&claims, "sub")?.to_owned();
    let name = text(&claims, "name")?.unwrap_or_default().to_owned();
    // An address that the portal says it has not verified may be anybody's.
    let unverified = is_false(claims.get("email_verified"));
    let email = text(&claims, "email")?.filter(|_| !unverified).map(str::to_owned);
    let groups = groups(&claims)?;
    claims.retain(|claim, _| {
        !PROTOCOL_CLAIMS.contains(&&**claim) && !["sub", "name", "email", "groups"].contains(&&**claim)
    });
    Ok(Identity { source: Source::Ticket, id, name, email, groups, claims })
}

fn groups(claims: &Claims) -> Result<Vec<String>, Refused> {
    let no_list = Refused::BadClaim("groups", "is no list of texts");
    match claims.get("groups") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            list.iter().map(|group| group.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or(no_list)
        }
        Some(_) => Err(no_list),
    }
}

/// `None` when it is not there, null, or empty.
fn text<'a>(claims: &'a Claims, name: &'static str) -> Result<Option<&'a str>, Refused> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(_) => Err(Refused::BadClaim(name, "is no text")),
    }
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519, section 2: NumericDate).
fn moment(claims: &Claims, name: &'static str) -> Result<Option<OffsetDateTime>, Refused> {
    let Some(value) = claims.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
    let moment = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    // Near the ends of time, nothing could be added any more.
    let usable = moment.filter(|moment| (1970..9000).contains(&moment.year()));
    usable.map(Some).ok_or(Refused::BadClaim(name, "is no time in seconds since 1970"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW).expect("a time")
    }

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).expect("an object")
    }

    fn verdict<T>(result: Result<T, Refused>) -> String {
        result.map_or_else(|refused| refused.to_string(), |_| "good".to_owned())
    }

    #[test]
    fn times_are_checked_against_now() {
        for (times, expected) in [
            (json!({ "exp": NOW + 60 }), "good"),
            (json!({ "exp": NOW as f64 + 60.5 }), "good"),
            (json!({ "exp": NOW - 29 }), "good"),
            (json!({ "exp": NOW - 30 }), "the ticket has expired"),
            (json!({ "exp": 0 }), "the ticket has expired"),
            (json!({ "exp": NOW + 330 }), "good"),
            (json!({ "exp": NOW + 331 }), "the ticket's exp is more than 5 minutes away"),
            (json!({ "exp": i64::MAX }), "the ticket's exp is no time in seconds since 1970"),
            (json!({ "exp": 1e300 }), "the ticket's exp is no time in seconds since 1970"),
            (json!({ "exp": -1 }), "the ticket's exp is no time in seconds since 1970"),
            (json!({ "exp": (NOW + 60).to_string() }), "the ticket's exp is no time in seconds since 1970"),
            (json!({ "exp": null }), "the ticket has no exp"),
            (json!({}), "the ticket has no exp"),
            (json!({ "exp": NOW + 60, "iat": NOW + 30, "nbf": NOW + 30 }), "good"),
            (json!({ "exp": NOW + 60, "iat": NOW + 31 }), "the ticket's iat is in the future"),
            (json!({ "exp": NOW + 60, "nbf": NOW + 31 }), "the ticket's nbf is in the future"),
        ] {
            assert_eq!(verdict(check_times(&claims(times.clone()), now())), expected, "{times}");
        }
        let end = check_times(&claims(json!({ "exp": NOW + 60 })), now()).expect("good");
        assert_eq!(end.unix_timestamp(), NOW + 90);
    }

    #[test]
    fn tickets_are_from_one_and_for_one() {
        let (issuer, ours) = ("https://intranet.example", Origin::parse("https://portal.example").expect("an origin"));
        for (aud, expected) in [
            (json!("https://portal.example"), "good"),
            (json!("https://portal.example/"), "good"),
            (json!(["https://portal.example"]), "good"),
            (json!("https://portal.example//"), "the ticket's aud is not PUBLIC_URL"),
            (json!("https://portal.example/login"), "the ticket's aud is not PUBLIC_URL"),
            (json!("https://PORTAL.example"), "the ticket's aud is not PUBLIC_URL"),
            (json!("http://portal.example"), "the ticket's aud is not PUBLIC_URL"),
            (json!("https://portal.example.evil.example"), "the ticket's aud is not PUBLIC_URL"),
            (json!(""), "the ticket's aud is not PUBLIC_URL"),
            (json!(7), "the ticket's aud is not PUBLIC_URL"),
            (json!(["https://portal.example", "https://other.example"]), "the ticket's aud names several, or nobody"),
            (json!([]), "the ticket's aud names several, or nobody"),
        ] {
            let claims = claims(json!({ "iss": issuer, "aud": aud }));
            assert_eq!(verdict(check(&claims, issuer, &ours)), expected, "{aud}");
        }
        for (iss, expected) in [
            (json!("https://intranet.example/"), "the ticket's iss is not TICKET_ISSUER"),
            (json!(["https://intranet.example"]), "the ticket's iss is no text"),
            (json!(null), "the ticket has no iss"),
        ] {
            let claims = claims(json!({ "iss": iss, "aud": ours }));
            assert_eq!(verdict(check(&claims, issuer, &ours)), expected, "{iss}");
        }
        assert_eq!(verdict(check(&claims(json!({ "iss": issuer })), issuer, &ours)), "the ticket has no aud");
    }

    #[test]
    fn the_person_is_what_the_portal_says_and_nothing_of_the_protocol() {
        let said = json!({
            "iss": "i", "aud": "a", "exp": 1, "nbf": 1, "iat": 1, "jti": "j", "nonce": "n", "azp": "z", "sid": "s", "acr": "1",
            "auth_time": 1, "amr": ["pwd"], "sub": "Ada", "name": " Ada Lovelace ", "email": "ada@acme.example",
            "groups": ["Sales", "All"], "department": { "id": 7 }, "email_verified": true,
        });
        let expected = Identity {
            source: Source::Ticket,
            id: "Ada".into(),
            name: "Ada Lovelace".into(),
            email: Some("ada@acme.example".into()),
            groups: vec!["Sales".into(), "All".into()],
            claims: claims(json!({ "department": { "id": 7 }, "email_verified": true })),
        };
        assert_eq!(identity(claims(said)).expect("a person"), expected);
        for (said, expected) in [
            (json!({ "sub": "ada" }), "good"),
            (json!({ "sub": "" }), "the ticket has no sub"),
            (json!({ "sub": "  " }), "the ticket has no sub"),
            (json!({ "sub": "ada\u{a0}" }), "the ticket's sub begins or ends with white space"),
            (json!({ "sub": 7 }), "the ticket's sub is no text"),
            (json!({ "sub": "a\nb" }), "the ticket's sub has control characters"),
            (json!({ "sub": "x".repeat(256) }), "the ticket's sub is longer than 255 bytes"),
            (json!({ "sub": "ada", "name": ["Ada"] }), "the ticket's name is no text"),
            (json!({ "sub": "ada", "groups": "Sales" }), "the ticket's groups is no list of texts"),
            (json!({ "sub": "ada", "groups": ["Sales", 7] }), "the ticket's groups is no list of texts"),
        ] {
            assert_eq!(verdict(identity(claims(said.clone()))), expected, "{said}");
        }
        for (verified, email) in [
            (json!(false), None),
            (json!("false"), None),
            (json!("true"), Some("bob@acme.example")),
            (json!(null), Some("bob@acme.example")),
        ] {
            let said = json!({ "sub": "ada", "email": "bob@acme.example", "email_verified": verified });
            assert_eq!(identity(claims(said)).expect("a person").email.as_deref(), email, "{verified}");
        }
    }
}
