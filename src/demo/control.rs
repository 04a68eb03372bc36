//! The hand behind the curtain: what a test, or the demo, may do to a running tenant, and what it may look at.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;

use super::{
    engine::{Order, Socket},
    listener::Listener,
    oauth, random_hex,
    refusal::{Refusal, Times},
    settings::{Assignment, CLIENT_CREDENTIALS, IMPERSONATION, NoAccess, Settings},
    state::{Login, Ordered, Request, State, held},
    tokens::AccessToken,
    users::{Group, TENANT_ADMIN, User},
};

/// A handle on a running tenant; cheap to clone, usable from any task.
#[derive(Clone)]
pub struct Control {
    pub(super) state: Arc<State>,
    pub(super) listener: Arc<Mutex<Listener>>,
}

impl Control {
    /// Changes settings while the tenant runs: `control.change(|s| s.switches.theme = Theme::Unset)`.
    pub fn change(&self, edit: impl FnOnce(&mut Settings)) {
        edit(&mut held(&self.state.settings));
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Settings {
        self.state.settings()
    }

    /// Refuses requests whose path begins so: `/login/jwt-session`, `/app/`, or `/` for all. Earlier orders go first.
    pub fn refuse(&self, path: &str, refusal: Refusal, times: Times) {
        self.refuse_after(0, None, path, refusal, times);
    }

    /// The same, for requests with this method, or with any; and only after so many of them have passed. An order that
    /// waits counts the requests that another one refuses as well.
    pub fn refuse_after(&self, after: u32, method: Option<&str>, path: &str, refusal: Refusal, times: Times) {
        if times != Times::Next(0) {
            let (method, path) = (method.map(str::to_owned), path.to_owned());
            held(&self.state.faults).refusals.push(Ordered { method, path, after, refusal, times });
        }
    }

    /// Answers requests whose path begins so only after a while.
    pub fn delay(&self, path: &str, by: Duration) {
        held(&self.state.faults).delays.push((path.to_owned(), by));
    }

    /// Takes back all refusals and delays.
    pub fn mend(&self) {
        *held(&self.state.faults) = Default::default();
    }

    /// Stops listening and drops every connection: from now on they are refused. Nothing is forgotten.
    pub async fn unplug(&self) {
        let ending = held(&self.listener).stop();
        self.drop_sockets();
        if let Some(task) = ending {
            // However it ended, nobody listens any more.
            let _ = task.await;
        }
    }

    /// Listens again on the same port.
    pub fn plug_in(&self) -> io::Result<()> {
        let mut listener = held(&self.listener);
        let socket = listener.rebind()?;
        listener.serve(socket, super::router(&self.state))
    }

    /// Moves the tenant's clock, which token checks, sessions and the `Date` header follow.
    pub fn shift_clock(&self, by: time::Duration) {
        self.state.shift_clock(by);
    }

    /// The tenant's time.
    pub fn now(&self) -> time::OffsetDateTime {
        self.state.now()
    }

    /// Ends all cookie sessions. Their sockets stay, unless a switch says otherwise.
    pub fn expire_sessions(&self) {
        let ended = held(&self.state.sessions).end_all();
        if held(&self.state.settings).switches.sockets_end_with_session {
            let engine = held(&self.state.engine);
            ended.iter().for_each(|session| engine.close_of(session));
        }
    }

    /// How many cookie sessions are open: begun, not ended, and not yet found to have expired.
    pub fn session_count(&self) -> usize {
        held(&self.state.sessions).count()
    }

    /// Makes every CSRF token that was given out stale.
    pub fn stale_csrf(&self) {
        held(&self.state.sessions).renew_csrf_secrets();
    }

    /// Disables a user: no login, no session.
    pub fn disable_user(&self, subject: &str) {
        held(&self.state.users).set_status(subject, "disabled");
    }

    /// Adds a user as an administrator does: with a subject, an address and a status such as `active` or `invited`.
    pub fn add_user(&self, subject: &str, email: &str, status: &'static str) {
        let user = User { status, email: Some(email.into()), ..User::new(subject, self.state.now()) };
        let mut users = held(&self.state.users);
        if users.by_subject(subject).is_some() {
            users.set_status(subject, status);
        } else {
            users.add(user);
        }
    }

    /// Adds a group of an identity provider, as if a member had been here; its id.
    pub fn add_group(&self, name: &str) -> String {
        let group = Group::new(name, "idp", self.state.now());
        let mut users = held(&self.state.users);
        users.add_group(group);
        let found = users.groups().find(|group| group.name == name);
        found.map(|group| group.id.clone()).unwrap_or_default()
    }

    /// Gives a user the role `TenantAdmin`, so that cookies have its rights too.
    pub fn make_admin(&self, subject: &str) {
        let mut users = held(&self.state.users);
        let id = users.by_subject(subject).map(|user| user.id.clone());
        if let Some(user) = id.and_then(|id| users.get_mut(&id)) {
            user.roles = vec![TENANT_ADMIN.into()];
        }
    }

    /// Assigns a user or a group, by id, to a space as `consumer`.
    pub fn assign(&self, space: &str, kind: &str, assignee: &str) {
        let assignment = Assignment {
            id: random_hex::<12>(),
            kind: kind.into(),
            assignee: assignee.into(),
            roles: vec!["consumer".into()],
        };
        let mut settings = held(&self.state.settings);
        if let Some(space) = settings.spaces.iter_mut().find(|known| known.id == space) {
            space.assignments.push(assignment);
        }
    }

    /// Lets a disabled user in again.
    pub fn enable_user(&self, subject: &str) {
        held(&self.state.users).set_status(subject, "active");
    }

    /// Takes away a subject's access to the app; it need not be a user yet.
    pub fn deny_app(&self, subject: &str, how: NoAccess) {
        held(&self.state.users).denied.insert(subject.to_owned(), how);
    }

    /// Gives the access back.
    pub fn grant_app(&self, subject: &str) {
        held(&self.state.users).denied.remove(subject);
    }

    /// Breaks all engine sockets off without a close frame.
    pub fn drop_sockets(&self) {
        held(&self.state.engine).order(|_| Order::Drop);
    }

    /// Closes all engine sockets with this code and reason.
    pub fn close_sockets(&self, code: u16, reason: &str) {
        held(&self.state.engine).order(|_| Order::Close(code, reason.to_owned()));
    }

    /// Leaves all engine sockets open and silent, or lets them speak again.
    pub fn freeze_sockets(&self, frozen: bool) {
        held(&self.state.engine).order(|_| Order::Freeze(frozen));
    }

    /// Sends a message to all engine sockets, of whatever size.
    pub fn push(&self, message: &Value) {
        held(&self.state.engine).order(|_| Order::Send(message.to_string()));
    }

    /// The logins so far, oldest first.
    pub fn logins(&self) -> Vec<Login> {
        held(&self.state.logins).iter().cloned().collect()
    }

    /// The requests answered so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        held(&self.state.requests).iter().cloned().collect()
    }

    /// The users of the tenant.
    pub fn users(&self) -> Vec<User> {
        held(&self.state.users).all().cloned().collect()
    }

    /// The groups of the tenant, by name.
    pub fn groups(&self) -> Vec<Group> {
        held(&self.state.users).groups().cloned().collect()
    }

    /// What administrators have set up, as the REST interface shows it: `identity-providers`, `web-integrations`,
    /// `csp-origins`, `spaces`, `oauth-clients`, `groups` (lists), `groups/settings` and `licenses/settings`. Typed, most of
    /// it is in [`Control::settings`].
    pub fn administration(&self) -> Value {
        super::admin::everything(&self.state)
    }

    /// The engine sockets that are open.
    pub fn sockets(&self) -> Vec<Socket> {
        held(&self.state.engine).sockets()
    }

    /// What is selected in an engine session: values by field. Empty when there is no such session.
    pub fn selections(&self, subject: &str, identity: Option<&str>) -> BTreeMap<String, Vec<String>> {
        held(&self.state.engine).selections(subject, identity)
    }

    /// Empties the lists of logins and requests.
    pub fn forget(&self) {
        held(&self.state.logins).clear();
        held(&self.state.requests).clear();
    }
}

/// Access tokens.
impl Control {
    /// An access token for an existing user, as OAuth would give out; it belongs to no client.
    pub fn access_token(&self, subject: &str) -> Option<String> {
        self.make_token(subject, None)
    }

    /// The same, given to a client.
    pub fn access_token_of(&self, client: &str, subject: &str) -> Option<String> {
        self.make_token(subject, Some(client))
    }

    fn make_token(&self, subject: &str, client: Option<&str>) -> Option<String> {
        let switches = self.settings().switches;
        let user = held(&self.state.users).by_subject(subject)?.id.clone();
        let now = self.state.now();
        let token = AccessToken::new(&user, IMPERSONATION, now, now + switches.access_token_lifetime);
        let token = AccessToken { client: client.map(str::to_owned), ..token };
        Some(held(&self.state.tokens).give(token, switches.tokens_look_like_jwt))
    }

    /// The good tokens of a user, exchanged ones too, oldest first. Not the tokens themselves: they are secrets.
    pub fn access_tokens(&self, subject: &str) -> Vec<AccessToken> {
        let Some(user) = held(&self.state.users).by_subject(subject).map(|user| user.id.clone()) else {
            return Vec::new();
        };
        let mut found: Vec<AccessToken> = held(&self.state.tokens).of(&user, self.state.now()).cloned().collect();
        found.sort_by_key(|token| token.created);
        found
    }

    /// How many tokens this grant has brought so far, such as [`IMPERSONATION`].
    pub fn tokens_given(&self, grant: &str) -> usize {
        held(&self.state.tokens).count(grant)
    }

    /// Makes one access token worthless, as `/oauth/revoke` does.
    pub fn revoke_token(&self, token: &str) {
        oauth::revoke_where(&self.state, |value, _| value == token);
    }

    /// Makes all access tokens of a user worthless; how many.
    pub fn revoke_tokens(&self, subject: &str) -> usize {
        let user = held(&self.state.users).by_subject(subject).map(|user| user.id.clone());
        oauth::revoke_where(&self.state, |_, token| Some(&token.user) == user.as_ref())
    }

    /// Makes all access tokens of clients that act for themselves worthless before their time.
    pub fn revoke_client_tokens(&self) {
        oauth::revoke_where(&self.state, |_, token| token.grant == CLIENT_CREDENTIALS);
    }

    /// Lets all access tokens be over now, without moving the clock.
    pub fn expire_tokens(&self) {
        held(&self.state.tokens).expire(self.state.now());
    }
}
