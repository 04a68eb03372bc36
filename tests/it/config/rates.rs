//! The settings of limits.

use qlik_embed_bff::limits::Settings;

use super::{good, load, problem};

#[test]
fn limits_are_numbers_a_minute_or_off() {
    let base = Settings { sign_in: Some(3000), token: None, access_token: None, proxy: None };
    assert_eq!(good(&[]).0.limits, base);
    let changes = [
        ("RATE_LIMIT_SIGN_IN", "off"),
        ("RATE_LIMIT_TOKEN", "1"),
        ("RATE_LIMIT_ACCESS_TOKEN", "off"),
        ("RATE_LIMIT_PROXY", "1000000"),
    ];
    let other = Settings { sign_in: None, token: Some(1), access_token: None, proxy: Some(1_000_000) };
    assert_eq!(good(&changes).0.limits, other);
}

#[test]
fn every_limit_that_is_none_is_a_problem() {
    let names = ["RATE_LIMIT_SIGN_IN", "RATE_LIMIT_TOKEN", "RATE_LIMIT_ACCESS_TOKEN", "RATE_LIMIT_PROXY"];
    for name in names {
        for value in ["0", "-1", "1000001", "60/m", "none", "OFF"] {
            assert_eq!(problem(&[(name, value)]), (name.to_owned(), "is neither such a number nor off".to_owned()));
        }
    }
    let problems = load(&names.map(|name| (name, "0"))).expect_err("problems").problems;
    assert_eq!(problems.iter().map(|problem| &*problem.variable).collect::<Vec<_>>(), names, "all at once");
    let (_, hints) = good(&[("RATE_LIMIT_SIGNIN", "5")]);
    assert_eq!(hints, ["RATE_LIMIT_SIGNIN is not known and has no effect; did you mean RATE_LIMIT_SIGN_IN?"]);
}
