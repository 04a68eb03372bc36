//! A run that breaks off after any of its requests leaves nothing that the next one does not complete.

use qlik_embed_bff::demo::{Refusal, Times};

use super::Newcomer;

#[tokio::test(flavor = "multi_thread")]
async fn after_every_single_request_a_second_run_ends_as_one_run_does() {
    let whole = Newcomer::with_key(|_| {}).await;
    whole.set_up(&["--apply", "--yes", "--groups"]);
    let (requests, expected) = (whole.tenant.control().requests().len(), whole.administration());
    assert!(requests > 10, "{requests}");
    let mut settings = whole.settings();
    let requests = u32::try_from(requests).expect("few");
    // An answer that is lost makes a difference for what changes something, at the end.
    for (refusal, from) in [(Refusal::Unavailable, 0), (Refusal::AnswerLost, requests - 4)] {
        for after in from..requests {
            let newcomer = Newcomer::with_key(|_| {}).await;
            let control = newcomer.tenant.control();
            control.refuse_after(after, None, "/", refusal, Times::Always);
            let broken = newcomer.setup(&["--apply", "--yes", "--groups"]);
            assert_eq!(broken.code, Some(1), "{after}: {broken:?}");
            assert!(!newcomer.path().join(".env").exists(), "{after}: half written");
            control.mend();
            newcomer.set_up(&["--apply", "--yes", "--groups"]);
            assert_eq!(newcomer.administration(), expected, "{refusal:?} {after}");
            let mut now = newcomer.settings();
            for name in ["QLIK_TENANT", "QLIK_WEB_INTEGRATION_ID"] {
                settings.remove(name);
                assert!(now.remove(name).is_some(), "{name}");
            }
            assert_eq!(now, settings, "{refusal:?} {after}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_makes_meanwhile_is_taken() {
    for status in [400, 409] {
        let newcomer = Newcomer::with_key(|settings| {
            settings.switches.duplicate_provider_status = status;
            settings.switches.duplicate_csp_status = Some(status);
        })
        .await;
        newcomer.set_up(&["--apply", "--yes"]);
        let expected = newcomer.administration();
        let control = newcomer.tenant.control();
        control.forget();
        // The lists seem empty once, as they were a moment ago.
        let settings = control.settings();
        control.change(|now| {
            now.providers.clear();
            now.csp_origins.clear();
        });
        let late = tokio::spawn({
            let control = control.clone();
            async move {
                while !control.requests().iter().any(|request| request.path == "/api/v1/items") {
                    tokio::task::yield_now().await;
                }
                control.change(|now| {
                    now.providers = settings.providers;
                    now.csp_origins = settings.csp_origins;
                });
            }
        });
        std::fs::remove_file(newcomer.path().join(".env")).expect("it is there");
        newcomer.set_up(&["--apply", "--yes"]);
        late.await.expect("no panic");
        assert_eq!(newcomer.administration(), expected, "{status}");
        let refused: Vec<_> = newcomer.writes().into_iter().map(|(_, path, status)| (path, status)).collect();
        assert_eq!(
            refused,
            [("/api/v1/identity-providers".to_owned(), status), ("/api/v1/csp-origins".to_owned(), status)]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_no_faster_than_the_tenant_likes() {
    let newcomer = Newcomer::with_key(|_| {}).await;
    let control = newcomer.tenant.control();
    let limited = Refusal::RateLimited { retry_after: 1 };
    control.refuse("/api/v1/groups/settings", limited, Times::Next(1));
    control.refuse_after(0, Some("POST"), "/api/v1/identity-providers", limited, Times::Next(1));
    newcomer.set_up(&["--apply", "--yes"]);
    let statuses: Vec<_> = newcomer.writes().into_iter().map(|(_, _, status)| status).collect();
    assert_eq!(statuses, [429, 201, 201, 201]);
}
