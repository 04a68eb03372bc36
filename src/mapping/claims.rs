//! Claims by their path.

use serde_json::{Map, Value};

/// The claim at a path such as `realm_access.roles`. Names may have dots themselves, as `https://acme.example/roles`
/// has: the longest name that is there counts. A claim that is `null` is as good as none.
pub fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let whole = claims.get(path).filter(|value| !value.is_null());
    whole.or_else(|| {
        path.rmatch_indices('.').find_map(|(dot, _)| find(claims.get(&path[..dot])?.as_object()?, &path[dot + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_objects_and_around_dots_in_names() {
        let claims = json!({
            "department": "sales",
            "gone": null,
            "realm_access": { "roles": ["a"], "x": { "y": 1 } },
            "https://acme.example/app": { "tier": 3, "a.b": true },
            "a": { "b": 1 }, "a.b": 2,
        });
        let claims = claims.as_object().expect("an object");
        for (path, expected) in [
            ("department", Some(json!("sales"))),
            ("gone", None),
            ("realm_access.roles", Some(json!(["a"]))),
            ("realm_access.x.y", Some(json!(1))),
            ("realm_access.x.z", None),
            ("department.x", None),
            ("https://acme.example/app.tier", Some(json!(3))),
            ("https://acme.example/app.a.b", Some(json!(true))),
            ("a.b", Some(json!(2))),
            ("", None),
            (".", None),
        ] {
            assert_eq!(find(claims, path), expected.as_ref(), "{path}");
        }
    }
}
