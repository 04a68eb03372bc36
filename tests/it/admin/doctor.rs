//! The diagnosis on demand, and the instance.

use qlik_embed_bff::demo::{IdentityProvider, Settings, Tenant};

use super::{ADMINS, all, kept};
use crate::portal::{KEY, Portal};
use crate::proxied::Proxied;

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";

async fn with_tenant() -> (Tenant, Portal) {
    let provider = IdentityProvider::new("https://portal.example", "key-1", &*KEY.certificate);
    let tenant = Tenant::start(Settings { providers: vec![provider], ..Settings::default() }).await.expect("a tenant");
    let portal = Portal::with(&[ADMINS, ("QLIK_TENANT", tenant.origin()), ("PUBLIC_URL", NOWHERE)]).await;
    (tenant, portal)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_signs_in_only_who_is_asked_for_and_its_findings_stay() {
    let (tenant, portal) = with_tenant().await;
    let mut ada = portal.signed_in("ada").await;
    let page = ada.open("/admin").await;
    assert!(page.text("#doctor").contains("Nobody has had it look"), "{}", page.text("#doctor"));
    for (form, subject) in
        [("as=nobody", None), ("", None), ("as=me", Some("password|ada")), ("as=probe", Some("qlik-embed-bff-probe"))]
    {
        let before = tenant.control().logins().len();
        let answer = ada.post("/admin/doctor", form).await;
        assert_eq!(answer.location(), "/admin#doctor", "{}", answer.body);
        let logins: Vec<_> = tenant.control().logins().split_off(before);
        let subjects: Vec<_> = logins.iter().filter_map(|login| login.claims["sub"].as_str()).collect();
        assert_eq!(subjects, subject.into_iter().collect::<Vec<_>>(), "{form}");
        let event = kept(&portal).into_iter().next().expect("an event");
        assert_eq!(event.what, "doctor run");
        let mut fields = vec![("by", "password:ada".to_owned())];
        fields.extend(subject.map(|subject| ("subject", subject.to_owned())));
        assert_eq!(event.fields, fields);

        let page = ada.open("/admin").await;
        let told = page.text("#doctor .fine:not(form *)");
        assert!(told.starts_with("Begun by password:ada "), "{told}");
        let signed_in = subject.map_or("signing nobody in".to_owned(), |id| format!("signed in at the tenant as {id}"));
        assert!(told.contains(&signed_in), "{told}");
        let (bad, rest) = (all(&page, "#doctor > .findings > li", None), all(&page, ".rest li", None));
        assert!(bad.iter().all(|found| found.starts_with("failure ") || found.starts_with("warning ")), "{bad:?}");
        assert!(rest.iter().all(|found| found.starts_with("pass ") || found.starts_with("skipped ")), "{rest:?}");
        let with = |list: &[String], start: &str| list.iter().any(|found| found.starts_with(start));
        // The tenant has no web integration.
        assert!(with(&bad, "failure Calls from the browser"), "{bad:?}");
        assert_eq!(with(&rest, "skipped Login"), subject.is_none(), "{rest:?}");
        assert_eq!(with(&rest, "pass Login status 200 for"), subject.is_some(), "{rest:?}");
        let counts = page.text("#doctor [role=status]");
        assert!(counts.ends_with(" skipped."), "{counts}");
    }
    // Its sessions at the tenant are not left behind.
    assert_eq!(tenant.control().session_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_at_a_time_and_who_has_no_patience_sees_what_there_is() {
    let (tenant, portal) = with_tenant().await;
    tenant.control().delay("/login/jwt-session", std::time::Duration::from_secs(4));
    let ada = portal.signed_in("ada").await;
    let (mut one, mut two, mut three) = (ada.clone(), ada.clone(), ada.clone());
    let meanwhile = async {
        let desk = portal.app.admin.as_ref().expect("there are administrators");
        crate::proxied::until(async || desk.rounds.last().is_some_and(|round| round.findings.len() > 3)).await;
        let answer = two.post("/admin/doctor", "as=me").await;
        assert_eq!(answer.location(), "/admin#doctor", "at once");
        let page = three.open("/admin").await;
        assert!(page.text("#doctor [role=status]").starts_with("Still looking. So far: "), "{}", page.body);
    };
    let (first, ()) = futures_util::future::join(one.post("/admin/doctor", "as=probe"), meanwhile).await;
    assert_eq!(first.location(), "/admin#doctor");
    let subjects: Vec<_> = tenant.control().logins().iter().map(|login| login.claims["sub"].clone()).collect();
    assert_eq!(subjects, ["qlik-embed-bff-probe"], "the second one did not begin");
    assert_eq!(kept(&portal).iter().filter(|event| event.what == "doctor run").count(), 1);
}

#[tokio::test]
async fn the_overview_tells_what_is_left_of_the_logins() {
    let proxied = Proxied::with(&[ADMINS, ("QLIK_LOGIN_BUDGET", "2")], |_| {}).await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let logins = |page: &crate::portal::Answer| {
        let facts: Vec<_> = all(page, "dl.panel dt", None).into_iter().zip(all(page, "dl.panel dd", None)).collect();
        facts.into_iter().find_map(|(name, told)| (name == "Logins at the tenant").then_some(told)).expect("told")
    };
    assert_eq!(logins(&ada.open("/admin").await), "none in this minute, 2 left");
    assert_eq!(ada.fetch("/api/v1/features").await.status, 200);
    let told = logins(&ada.open("/admin").await);
    assert!(told.starts_with("1 of 2 used in this minute, 1 left; it ends in "), "{told}");
    for name in ["bob", "ada"] {
        proxied.portal.signed_in(name).await.fetch("/api/v1/features").await;
    }
    let told = logins(&ada.open("/admin").await);
    assert!(told.starts_with("2 of 2 used in this minute, 0 left; it ends in "), "{told}");
    assert!(told.contains(". The tenant is left alone; the next login is in "), "{told}");
    proxied.portal.clock.advance(time::Duration::minutes(2));
    assert_eq!(logins(&ada.open("/admin").await), "none in this minute, 2 left");

    let portal = Portal::with(&[ADMINS, ("QLIK_FLOW", "session")]).await;
    let page = portal.signed_in("ada").await.open("/admin").await;
    assert_eq!(logins(&page), "made by the visitors' browsers, and not counted here");
}
