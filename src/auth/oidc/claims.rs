//! From what the provider says to who somebody is. Pure.

use serde_json::{Map, Value};

use super::{Error, Settings};
use crate::identity::{Identity, PROTOCOL_CLAIMS, Source, is_false};

/// What an identity may take in a session, in bytes of JSON: it is read with every request.
const LARGEST: usize = 16 * 1024;

/// Whether something is missing that the scopes have asked for: then the UserInfo endpoint has to say it. Many providers
/// put all into the ID token; calling it every time would only make each sign-in slower.
pub(super) fn lack(claims: &Map<String, Value>, settings: &Settings) -> bool {
    let asked = |scope: &str| settings.scopes.iter().any(|asked| asked == scope);
    (asked("email") && !claims.contains_key("email"))
        || (asked("profile") && !claims.contains_key("name"))
        || at(claims, &settings.groups_claim).is_none()
}

/// The identity; what it has no field for stays in its claims.
///
/// # Errors
/// When there is no subject, or too much besides.
pub fn identity(mut claims: Map<String, Value>, groups_claim: &str) -> Result<Identity, Error> {
    // Byte for byte: providers compare it so (OpenID Connect Core 1.0, section 2), and blanks may tell two people apart.
    let id = claims.get("sub").and_then(Value::as_str).filter(|id| !id.trim().is_empty()).map(str::to_owned);
    let id = id.ok_or_else(|| Error::Unverified("the subject is empty".into()))?;
    let name = name(&claims);
    let email = text(&claims, "email").filter(|_| !is_false(claims.get("email_verified")));
    let groups = at(&claims, groups_claim).map(names).unwrap_or_default();
    let of_identity = ["sub", "name", "email", groups_claim];
    for name in PROTOCOL_CLAIMS.iter().chain(&of_identity) {
        claims.remove(*name);
    }
    let identity = Identity { source: Source::Oidc, id, name, email, groups, claims };
    let size = serde_json::to_vec(&identity).map_or(usize::MAX, |json| json.len());
    if size > LARGEST {
        return Err(Error::TooMuch { id: identity.id, size, limit: LARGEST });
    }
    Ok(identity)
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The name to show, from what providers give instead when there is no `name`.
fn name(claims: &Map<String, Value>) -> String {
    let parts: Vec<_> = ["given_name", "family_name"].iter().filter_map(|part| text(claims, part)).collect();
    let of_parts = || Some(parts.join(" ")).filter(|name| !name.is_empty());
    text(claims, "name").or_else(of_parts).or_else(|| text(claims, "preferred_username")).unwrap_or_default()
}

/// The value at a path of names with dots between them. A name may have dots of its own, as names that are addresses do:
/// the longest name that is there wins.
fn at<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let dots = path.rmatch_indices('.').map(|(place, _)| place);
    dots.into_iter().find_map(|dot| at(claims.get(&path[..dot])?.as_object()?, &path[dot + 1..]))
}

/// Names of groups: a list of texts, or one text.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn groups_are_found_by_path_and_by_names_with_dots() {
        let claims = map(json!({
            "groups": ["a", 1, "b"],
            "role": "one",
            "realm_access": { "roles": ["c"] },
            "https://acme.example/groups": ["d"],
            "resource_access": { "my.portal": { "roles": ["e"] } },
            "x": { "y.z": ["short"] },
            "x.y": { "z": ["long"] },
        }));
        for (path, expected) in [
            ("groups", vec!["a", "b"]),
            ("role", vec!["one"]),
            ("realm_access.roles", vec!["c"]),
            ("https://acme.example/groups", vec!["d"]),
            ("resource_access.my.portal.roles", vec!["e"]),
            ("x.y.z", vec!["long"]),
        ] {
            assert_eq!(at(&claims, path).map(names), Some(expected.into_iter().map(str::to_owned).collect()), "{path}");
        }
        for path in ["", "realm_access.", ".roles", "realm_access.roles.c", "realm_access.role", "groups.0"] {
            assert_eq!(at(&claims, path), None, "{path}");
        }
    }

    #[test]
    fn what_the_provider_says_becomes_an_identity_without_the_protocol() {
        let said = json!({
            "iss": "i", "aud": "a", "exp": 1, "iat": 1, "nonce": "n", "at_hash": "h", "sid": "s", "auth_time": 1,
            "acr": "0", "amr": ["pwd"], "azp": "a",
            "sub": " 4711 ", "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true,
            "groups": ["sales"], "department": "engines",
        });
        let identity = identity(map(said), "groups").expect("an identity");
        assert_eq!(
            identity,
            Identity {
                source: Source::Oidc,
                id: " 4711 ".into(),
                name: "Ada Lovelace".into(),
                email: Some("ada@example.com".into()),
                groups: vec!["sales".into()],
                claims: map(json!({ "email_verified": true, "department": "engines" })),
            }
        );
    }

    #[test]
    fn an_address_that_is_not_verified_is_none() {
        for (verified, expected) in [
            (json!({}), true),
            (json!({ "email_verified": true }), true),
            (json!({ "email_verified": "true" }), true),
            (json!({ "email_verified": false }), false),
            (json!({ "email_verified": "false" }), false),
        ] {
            let mut claims = map(verified);
            claims.extend(map(json!({ "sub": "a", "email": "a@example.com" })));
            assert_eq!(identity(claims.clone(), "groups").expect("good").email.is_some(), expected, "{claims:?}");
        }
    }

    #[test]
    fn names_are_taken_from_what_there_is() {
        for (claims, expected) in [
            (json!({ "name": "A", "given_name": "B" }), "A"),
            (json!({ "name": " ", "given_name": "B", "family_name": "C" }), "B C"),
            (json!({ "family_name": "C", "preferred_username": "d" }), "C"),
            (json!({ "preferred_username": "d" }), "d"),
            (json!({}), ""),
        ] {
            assert_eq!(name(&map(claims)), expected);
        }
    }

    #[test]
    fn without_a_subject_or_with_too_much_nobody_signs_in() {
        for sub in [json!({}), json!({ "sub": "" }), json!({ "sub": " " }), json!({ "sub": 7 })] {
            assert!(matches!(identity(map(sub), "groups"), Err(Error::Unverified(_))));
        }
        for name in ["x", "name", "email", "groups"] {
            let with = |length: usize| {
                let text = json!("y".repeat(length));
                let value = if name == "groups" { json!([text]) } else { text };
                identity(map(json!({ "sub": "a", name: value })), "groups")
            };
            let other = serde_json::to_vec(&with(1).expect("small")).expect("JSON").len() - 1;
            assert!(with(LARGEST - other).is_ok(), "{name}");
            assert!(
                matches!(with(LARGEST - other + 1), Err(Error::TooMuch { size, .. }) if size == LARGEST + 1),
                "{name}"
            );
        }
    }
}
