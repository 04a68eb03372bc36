//! Users who are missing in the tenant, and those who are there.

use futures_util::future::join_all;
use qlik_embed_bff::demo::Refusal::Status;
use qlik_embed_bff::demo::{Times, User};

use super::*;

impl Stage {
    async fn that_makes_users() -> Self {
        Self::with(|_| {}, &PROVISION).await
    }

    fn user(&self, subject: &str) -> Option<User> {
        self.control().users().into_iter().find(|user| user.subject == subject)
    }

    /// Calls that may change a user: method and status.
    fn changes(&self) -> Vec<(String, u16)> {
        let requests = self.control().requests().into_iter();
        let changes = requests.filter(|request| request.path.starts_with("/api/v1/users") && request.method != "GET");
        changes.map(|request| (request.method, request.status)).collect()
    }
}

#[tokio::test]
async fn a_user_who_is_missing_is_made_active() {
    let stage = Stage::that_makes_users().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK);
    let user = stage.user("password|ada").expect("a user");
    assert_eq!(
        (user.name.as_str(), user.email.as_deref(), user.status),
        ("Ada Lovelace", Some("ada@example.com"), "active")
    );
    assert!(user.roles.is_empty());
    assert_eq!(stage.changes(), [("POST".to_owned(), 201)]);

    // The right to make users is used for nothing else: the token is of the other client, for her.
    let grants = stage.control().tokens_given(demo::CLIENT_CREDENTIALS);
    assert_eq!((grants, stage.control().tokens_given(demo::IMPERSONATION)), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_at_once_make_one_user() {
    let stage = Stage::that_makes_users().await;
    let other = stage.portal.beside().await;
    let (one, two) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&other, "ada").await);
    // Both look before either makes her.
    stage.control().delay("/api/v1/users", std::time::Duration::from_millis(200));
    let tokens = join_all([one.granted(&stage.portal), two.granted(&other)]).await;
    assert!(tokens.iter().all(Result::is_ok), "{tokens:?}");
    assert_eq!(stage.control().users().iter().filter(|user| user.subject == "password|ada").count(), 1);
    let mut statuses: Vec<_> = stage.changes().into_iter().map(|(_, status)| status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "one was slower");
}

#[tokio::test]
async fn a_new_name_is_taken_over_and_nothing_else() {
    let stage = Stage::that_makes_users().await;
    stage.control().add_user("password|ada", "other@example.com", "active");
    stage.control().make_admin("password|ada");
    let before = stage.user("password|ada").expect("a user");
    let ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
    let after = stage.user("password|ada").expect("a user");
    assert_eq!(after, User { name: "Ada Lovelace".into(), ..before });
    assert_eq!(stage.changes(), [("PATCH".to_owned(), 204)]);

    // Once it is the same, nothing is sent any more.
    let again = Guest::arrive(&stage.portal, "ada").await;
    again.token(&stage.portal).await;
    assert_eq!(stage.changes().len(), 1);
}

/// A name that the tenant does not take keeps nobody out.
#[tokio::test]
async fn a_name_that_is_refused_does_no_harm() {
    let stage = Stage::that_makes_users().await;
    stage.control().add_user("password|ada", "ada@example.com", "active");
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse_after(0, Some("PATCH"), "/api/v1/users", Status(400), Times::Always);
    ada.token(&stage.portal).await;
    assert_eq!(stage.changes(), [("PATCH".to_owned(), 400)]);
}

#[tokio::test]
async fn without_leave_to_make_users_the_visitor_is_told() {
    let stage = Stage::with(|_| {}, &[("QLIK_API_KEY", API_KEY)]).await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let answer = ada.post(&[]).await;
    assert_eq!(failure(&answer), (StatusCode::FORBIDDEN, "no_user".into()));
    assert_eq!(answer.json()["message"], "You have no user in Qlik Cloud yet.");
    assert_eq!((stage.changes(), stage.asked()), (vec![], vec![]), "the tenant is not even asked for a token");
    stage.control().add_user("password|ada", "ada@example.com", "active");
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK, "at once");
    assert_eq!(stage.changes(), [], "not even the name is touched");
}

/// Then the impersonation tells, which needs the user too.
#[tokio::test]
async fn a_look_up_that_fails_keeps_nobody_out() {
    let stage = Stage::that_makes_users().await;
    stage.control().add_user("password|ada", "ada@example.com", "active");
    stage.control().refuse("/api/v1/users", Status(500), Times::Always);
    let ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
}

/// A subject that differs in case is another one.
#[tokio::test]
async fn nobody_becomes_somebody_else_by_case() {
    let stage = Stage::with(|_| {}, &[("QLIK_API_KEY", API_KEY)]).await;
    stage.control().add_user("PASSWORD|ADA", "other@example.com", "active");
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    assert_eq!(failure(&ada.post(&[]).await), (StatusCode::FORBIDDEN, "no_user".into()));
}

/// Then it is the making that failed, and not the impersonation, which is not even asked for.
#[tokio::test]
async fn a_user_who_cannot_be_made_is_said_to_be() {
    let stage = Stage::that_makes_users().await;
    stage.control().refuse_after(0, Some("POST"), "/api/v1/users", Status(403), Times::Always);
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let answer = ada.post(&[]).await;
    assert_eq!(failure(&answer), (StatusCode::BAD_GATEWAY, "tenant_refused".into()));
    assert_eq!((answer.json()["advice"].clone(), stage.asked()), ("admin-forbidden".into(), vec![]));
}

/// Where several visitors may be one user, they do not take turns in naming it.
#[tokio::test]
async fn a_user_of_several_visitors_keeps_its_name() {
    let shared = [("SUBJECT_SHARED", "allow")];
    let stage = Stage::with(|_| {}, &[&PROVISION[..], &shared].concat()).await;
    stage.control().add_user("password|ada", "all@example.com", "active");
    let before = stage.user("password|ada").expect("a user");
    Guest::arrive(&stage.portal, "ada").await.token(&stage.portal).await;
    assert_eq!((stage.user("password|ada"), stage.changes()), (Some(before), vec![]));
}
