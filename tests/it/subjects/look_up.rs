//! `SUBJECT_LOOKUP=email`, against the simulated tenant.

use std::time::Duration;

use axum::http::StatusCode;
use qlik_embed_bff::demo::{OauthClient, Refusal, Settings, Tenant, Times};
use qlik_embed_bff::identity::Source;
use qlik_embed_bff::mapping::Denied;
use qlik_embed_bff::subjects::Origin;

use super::{somebody, sub, subject};
use crate::portal::{Answer, Browser, Portal};

const KEY: &str = "an-api-key-that-nobody-guesses";
const USERS: &str = "/api/v1/users";

async fn tenant() -> Tenant {
    let settings = Settings {
        api_keys: vec![KEY.into()],
        clients: vec![OauthClient::admin("machine", "its-secret")],
        ..Settings::default()
    };
    Tenant::start(settings).await.expect("a tenant")
}

async fn portal(tenant: &Tenant, changes: &[(&str, &str)]) -> Portal {
    let mut all = vec![("QLIK_TENANT", tenant.origin()), ("SUBJECT_LOOKUP", "email"), ("QLIK_API_KEY", KEY)];
    all.extend(changes);
    Portal::with(&all).await
}

/// How often the tenant was asked for users.
fn asked(tenant: &Tenant) -> usize {
    tenant.control().requests().iter().filter(|request| request.path == USERS).count()
}

async fn refused(browser: &mut Browser, status: StatusCode, error: &str) -> Answer {
    let answer = browser.fetch("/token").await;
    assert_eq!((answer.status, &answer.json()["error"]), (status, &error.into()), "{}", answer.body);
    assert!(!answer.body.contains("ey") && !answer.body.contains(KEY), "{}", answer.body);
    answer
}

#[tokio::test]
async fn the_one_active_user_with_the_address_is_the_visitor_from_then_on() {
    let tenant = tenant().await;
    let control = tenant.control();
    control.add_user("ACME\\ada", "Ada@Example.com", "active");
    control.add_user("ada-of-before", "ada@example.com", "disabled");
    let portal = portal(&tenant, &[]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(ada.open("/embed/default").await.attributes("#embed")["data-subject"], "ACME\\ada");
    assert_eq!(sub(&ada.fetch("/token").await), "ACME\\ada");
    assert_eq!(asked(&tenant), 1, "asked once");
    // Remembered: neither another user with the address nor a tenant that is away changes it.
    control.add_user("another", "ada@example.com", "active");
    control.unplug().await;
    let portal = portal.restart_with(&[]).await;
    let ada = somebody(Source::Password, "ada", "ada@example.com");
    assert_eq!(subject(&portal.app, &ada).await, (Origin::LookUp, Ok("ACME\\ada".into())));
}

#[tokio::test]
async fn none_or_several_deny_until_that_is_mended() {
    let tenant = tenant().await;
    let portal = portal(&tenant, &[]).await;
    let mut ada = portal.signed_in("ada").await;
    refused(&mut ada, StatusCode::FORBIDDEN, "no_qlik_user").await;
    refused(&mut ada, StatusCode::FORBIDDEN, "no_qlik_user").await;
    assert_eq!(asked(&tenant), 1, "not asked again at once");
    let page = ada.open("/embed/default").await;
    assert_eq!(page.text(".lead"), "Qlik Cloud does not have exactly one user with your e-mail address.");
    tenant.control().add_user("one", "ada@example.com", "active");
    tenant.control().add_user("two", "ada@example.com", "active");
    portal.clock.advance(time::Duration::seconds(20));
    refused(&mut ada, StatusCode::FORBIDDEN, "no_qlik_user").await;
    tenant.control().disable_user("two");
    portal.clock.advance(time::Duration::seconds(20));
    assert_eq!(sub(&ada.fetch("/token").await), "one");
}

#[tokio::test]
async fn none_or_several_are_left_to_the_rules_for_good() {
    let tenant = tenant().await;
    let portal = portal(&tenant, &[("SUBJECT_LOOKUP_ELSE", "rules")]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(sub(&ada.fetch("/token").await), "password|ada");
    // A user who comes later does not make a visitor somebody else.
    tenant.control().add_user("late", "ada@example.com", "active");
    portal.clock.advance(time::Duration::minutes(5));
    let portal = portal.restart_with(&[]).await;
    let ada = somebody(Source::Password, "ada", "ada@example.com");
    assert_eq!(subject(&portal.app, &ada).await, (Origin::Template, Ok("password|ada".into())));
    assert_eq!(asked(&tenant), 1);
    portal.app.store.forget_identity("password:ada").await.expect("an answer");
    assert_eq!(subject(&portal.app, &ada).await, (Origin::LookUp, Ok("late".into())));
}

#[tokio::test]
async fn a_tenant_that_does_not_answer_lets_nobody_in() {
    let tenant = tenant().await;
    let control = tenant.control();
    control.add_user("ACME\\ada", "ada@example.com", "active");
    let portal = portal(&tenant, &[("SUBJECT_LOOKUP_ELSE", "rules")]).await;
    let mut ada = portal.signed_in("ada").await;
    for refusal in [Refusal::Unavailable, Refusal::Status(500), Refusal::Unauthorized, Refusal::NotAcceptablePage] {
        control.refuse(USERS, refusal, Times::Next(1));
        let answer = refused(&mut ada, StatusCode::SERVICE_UNAVAILABLE, "tenant_unavailable").await;
        assert_eq!(answer.header("retry-after"), "3");
        // Nobody else waits for it in vain meanwhile.
        let before = asked(&tenant);
        refused(&mut portal.signed_in("bob").await, StatusCode::SERVICE_UNAVAILABLE, "tenant_unavailable").await;
        assert_eq!(asked(&tenant), before);
        portal.clock.advance(time::Duration::seconds(15));
    }
    control.unplug().await;
    let page = ada.open("/embed/default").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text(".lead").starts_with("Qlik Cloud did not say who you are there."), "{}", page.body);
    control.plug_in().expect("the same port");
    portal.clock.advance(time::Duration::seconds(15));
    assert_eq!(sub(&ada.fetch("/token").await), "ACME\\ada");
}

#[tokio::test]
async fn what_the_tenant_cannot_read_of_one_is_no_pause_for_others() {
    let tenant = tenant().await;
    tenant.control().add_user("ACME\\bob", "bob@example.com", "active");
    let portal = portal(&tenant, &[]).await;
    let (mut ada, mut bob) = (portal.signed_in("ada").await, portal.signed_in("bob").await);
    tenant.control().refuse(USERS, Refusal::Status(400), Times::Next(1));
    refused(&mut ada, StatusCode::SERVICE_UNAVAILABLE, "tenant_unavailable").await;
    assert_eq!(sub(&bob.fetch("/token").await), "ACME\\bob");
}

#[tokio::test]
async fn a_pause_that_the_tenant_asks_for_is_kept() {
    let tenant = tenant().await;
    tenant.control().add_user("ACME\\ada", "ada@example.com", "active");
    tenant.control().refuse(USERS, Refusal::RateLimited { retry_after: 40 }, Times::Next(1));
    let portal = portal(&tenant, &[]).await;
    let mut ada = portal.signed_in("ada").await;
    let answer = refused(&mut ada, StatusCode::SERVICE_UNAVAILABLE, "tenant_unavailable").await;
    assert_eq!(answer.header("retry-after"), "40");
    portal.clock.advance(time::Duration::seconds(30));
    refused(&mut ada, StatusCode::SERVICE_UNAVAILABLE, "tenant_unavailable").await;
    assert_eq!(asked(&tenant), 1, "not asked during the pause");
    portal.clock.advance(time::Duration::seconds(30));
    assert_eq!(sub(&ada.fetch("/token").await), "ACME\\ada");
}

#[tokio::test]
async fn long_answers_come_in_pages() {
    for null_links in [false, true] {
        let tenant = tenant().await;
        tenant.control().change(|settings| {
            settings.switches.longest_page = 1;
            settings.switches.null_links = null_links;
        });
        tenant.control().add_user("one", "ada@example.com", "active");
        let portal = portal(&tenant, &[]).await;
        let ada = somebody(Source::Oidc, "a", "ada@example.com");
        assert_eq!(subject(&portal.app, &ada).await.1, Ok("one".into()));
        tenant.control().add_user("two", "ada@example.com", "active");
        let ada = somebody(Source::Oidc, "b", "ada@example.com");
        let several = "several active users of the tenant have the e-mail address".to_owned();
        assert_eq!(subject(&portal.app, &ada).await.1, Err(Denied::NotOneUser { why: several }));
    }
}

#[tokio::test]
async fn an_address_that_could_break_out_of_the_filter_is_never_sent() {
    let tenant = tenant().await;
    for escapes in [false, true] {
        tenant.control().change(|settings| settings.switches.filter_escapes = escapes);
        let portal = portal(&tenant, &[]).await;
        for address in ["\"ada\"@example.com", "a\\@example.com", "a\" or email co \"@example.com"] {
            let found = subject(&portal.app, &somebody(Source::Oidc, address, address)).await;
            assert_eq!(found, (Origin::LookUp, Err(Denied::UnusableEmail)), "{address}");
        }
        let nowhere = subject(&portal.app, &somebody(Source::Oidc, "x", " ")).await;
        assert_eq!(nowhere, (Origin::LookUp, Err(Denied::NoEmail)));
    }
    assert_eq!(asked(&tenant), 0);
}

#[tokio::test]
async fn every_plain_address_is_looked_up() {
    let tenant = tenant().await;
    let portal = portal(&tenant, &[]).await;
    for address in ["o'neil@example.com", "ada+qlik@example.com", "a`b&c=d#e%f@example.com"] {
        tenant.control().add_user(&format!("of {address}"), address, "active");
        let found = subject(&portal.app, &somebody(Source::Oidc, address, address)).await;
        assert_eq!(found, (Origin::LookUp, Ok(format!("of {address}"))));
    }
    assert_eq!(asked(&tenant), 3);
}

#[tokio::test]
async fn a_client_gets_its_token_once_and_again_when_it_is_revoked() {
    let tenant = tenant().await;
    let control = tenant.control();
    let portal = portal(
        &tenant,
        &[("QLIK_API_KEY", ""), ("QLIK_ADMIN_CLIENT_ID", "machine"), ("QLIK_ADMIN_CLIENT_SECRET", "its-secret")],
    )
    .await;
    let tokens = || control.requests().iter().filter(|request| request.path == "/oauth/token").count();
    for (id, expected) in [("a", 1), ("b", 1), ("c", 2), ("d", 3)] {
        match id {
            "c" => control.revoke_client_tokens(),
            "d" => {
                portal.clock.advance(time::Duration::hours(7));
                control.shift_clock(time::Duration::hours(7));
            }
            _ => {}
        }
        control.add_user(id, &format!("{id}@example.com"), "active");
        let found = subject(&portal.app, &somebody(Source::Oidc, id, &format!("{id}@example.com"))).await;
        assert_eq!((found.1, tokens()), (Ok(id.into()), expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_who_come_at_once_ask_once() {
    let tenant = tenant().await;
    tenant.control().add_user("ACME\\ada", "ada@example.com", "active");
    tenant.control().delay(USERS, Duration::from_millis(200));
    let portal = portal(&tenant, &[]).await;
    let ada = portal.signed_in("ada").await;
    let mut tabs = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut tab = ada.clone();
        tabs.spawn(async move { sub(&tab.fetch("/token").await) });
    }
    assert!(tabs.join_all().await.iter().all(|subject| subject == "ACME\\ada"));
    assert_eq!(asked(&tenant), 1);
}

/// Two visitors whom the tenant takes for one user: one of them is let in.
#[tokio::test]
async fn what_was_looked_up_is_guarded_too() {
    let tenant = tenant().await;
    tenant.control().add_user("ACME\\ada", "ada@example.com", "active");
    let portal = portal(&tenant, &[]).await;
    let (one, two) = (somebody(Source::Oidc, "1", "ada@example.com"), somebody(Source::Header, "2", "ada@example.com"));
    assert_eq!(subject(&portal.app, &one).await, (Origin::LookUp, Ok("ACME\\ada".into())));
    let taken = Denied::SubjectTaken { subject: "ACME\\ada".into(), by: "oidc:1".into() };
    assert_eq!(subject(&portal.app, &two).await, (Origin::LookUp, Err(taken)));
}
