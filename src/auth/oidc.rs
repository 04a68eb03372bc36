//! Signing in at an OpenID provider: code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636), the provider
//! found by discovery. Also both ways of signing out there (RP-Initiated Logout 1.0, Back-Channel Logout 1.0).
//!
//! A sign-in that has begun is kept in the store under its `state` until the browser comes back with an answer, so that
//! several tabs can be under way at once, and any instance can finish what another has begun.

use std::fmt;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use arc_swap::ArcSwap;
use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::url::Url;
use openidconnect::{
    AuthorizationCode, ClientId, CsrfToken, ErrorResponse, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse,
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::clock::Clock;
use crate::identity::{Identity, Source};
use crate::store::{Kind, SessionsOf, Store};

pub mod claims;
mod error;
mod id_token;
mod logout;
mod provider;

pub use error::Error;
use provider::{Metadata, Provider};

/// How long a visitor may take at the provider.
const PENDING: Duration = Duration::minutes(10);
/// How long somebody who signs out waits for the provider, when nothing is known of it yet.
const WAY_OUT: StdDuration = StdDuration::from_secs(2);
/// How far the provider's clock may be from ours. Synchronized clocks are within a second of each other; a minute leaves
/// room for a machine that was just woken, and is short beside the minutes for which an ID token is good.
const SKEW: Duration = Duration::minutes(1);
/// The largest ID token that is kept as a hint for signing out, in bytes: it travels in an address, and servers take
/// heads of 8 KiB or more.
const LARGEST_HINT: usize = 4096;

/// Which provider, and who we are to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The provider's issuer, letter for letter as its discovery document has it.
    pub issuer: IssuerUrl,
    /// Our name at the provider.
    pub client_id: ClientId,
    /// Our secret there; a public client has none.
    pub client_secret: Option<SecretString>,
    /// What is asked for, besides `openid`.
    pub scopes: Vec<String>,
    /// The claim with the groups: its name, or a path with dots.
    pub groups_claim: String,
    /// Whether the provider is first asked to sign in without showing anything.
    pub prompt_none: bool,
    /// Where the provider sends browsers with its answer.
    pub redirect: RedirectUrl,
    /// Where the provider sends browsers after signing out.
    pub after_logout: Url,
}

/// What the provider's answer says, as the browser brings it (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).
#[derive(Deserialize)]
pub struct Answer {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// A sign-in that has begun, as it is kept.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// What only the browser that began knows.
    browser: String,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    to: String,
    silent: bool,
}

/// Where an answer has led.
pub enum Finished {
    /// The visitor is known.
    SignedIn(Box<SignedIn>),
    /// The provider wants to ask the visitor something, and was told not to: begin again, and let it.
    Ask {
        /// Where the visitor wanted to go.
        to: String,
    },
}

/// Somebody whom the provider vouches for.
pub struct SignedIn {
    /// Who they are.
    pub identity: Identity,
    /// Where they wanted to go.
    pub to: String,
    /// Names their session at the provider among all providers' sessions, if it has a name.
    pub provider_session: Option<String>,
    /// The ID token, to sign out with; none when it is too large for that.
    pub id_token: Option<String>,
}

/// Sessions that a logout token has ended.
pub struct Ended {
    /// How many there were.
    pub count: u64,
    /// Whose, if the token says so: an [`Identity::key`].
    pub whose: Option<String>,
}

/// The way in through one provider.
pub struct Oidc {
    settings: ArcSwap<Settings>,
    provider: Arc<Provider>,
    store: Store,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Oidc").field(&self.settings.load().issuer).finish()
    }
}

impl Oidc {
    /// Asks nothing yet: the provider is looked up when it is first needed.
    pub fn new(settings: Settings, client: reqwest::Client, store: Store, clock: Clock) -> Self {
        let provider = Arc::new(Provider::new(settings.issuer.clone(), client, clock));
        Self { settings: ArcSwap::from_pointee(settings), provider, store }
    }

    /// From now on, we are who these settings say. The provider has to be the same. Whoever is on the way finishes with them, too.
    pub fn follow(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Looks the provider up ahead of the first visitor, so that the log tells early when something is wrong with it.
    pub async fn look_up(&self) {
        // What went wrong was logged, and is tried again when somebody signs in.
        let _ = self.provider.metadata().await;
    }

    /// Whether the provider is first asked without showing anything.
    pub fn begins_silently(&self) -> bool {
        self.settings.load().prompt_none
    }

    /// Begins a sign-in of the browser with this secret of its own; afterwards it shall go `to`. Says where at the
    /// provider to send it.
    ///
    /// # Errors
    /// When the provider is not available or cannot be used, or the store does not answer.
    pub async fn begin(&self, browser: &str, to: &str, silent: bool, now: OffsetDateTime) -> Result<Url, Error> {
        let metadata = self.provider.metadata().await?;
        let settings = self.settings.load_full();
        let client = provider::client(&metadata, &settings);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = settings.scopes.iter().cloned().map(Scope::new);
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut request = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        if silent {
            request = request.add_prompt(CoreAuthPrompt::None);
        }
        let (address, state, nonce) = request.url();
        let pending = Pending { browser: browser.to_owned(), nonce, verifier, to: to.to_owned(), silent };
        let value = serde_json::to_vec(&pending).expect("texts are JSON");
        if !self.store.keep(Kind::PendingLogin, state.secret(), value, now + PENDING).await? {
            return Err(Error::NotPending); // two random numbers of 128 bits were the same
        }
        Ok(address)
    }

    /// Finishes the sign-in that an answer belongs to. `browser` is the secret of the browser that brings it.
    ///
    /// # Errors
    /// See [`Error`]. The answer is used up in any case.
    pub async fn finish(&self, answer: Answer, browser: Option<&str>, now: OffsetDateTime) -> Result<Finished, Error> {
        let pending = self.pending(answer.state.as_deref(), browser, now).await?;
        let metadata = self.provider.metadata().await?;
        let settings = self.settings.load_full();
        check_issuer(&settings, &metadata, answer.iss.as_deref())?;
        if let Some(code) = answer.error {
            return refusal(&code, answer.error_description.as_deref(), pending);
        }
        let code = answer.code.ok_or_else(|| Error::Unusable("its answer has neither a code nor an error".into()))?;
        let client = provider::client(&metadata, &settings);
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| Error::Unusable("its discovery document names no token endpoint".into()))?
            .set_pkce_verifier(pending.verifier);
        let tokens = request.request_async(self.provider.http()).await.map_err(token_problem)?;
        let token = tokens.id_token().ok_or_else(|| Error::Unusable("it gave no ID token".into()))?;
        let access_token = tokens.access_token();
        let by = |metadata: &Metadata| id_token::verify(token, metadata, &settings, &pending.nonce, access_token, now);
        let verified = self.by_keys(&metadata, by).await?;

        let mut said = verified.claims;
        if claims::lack(&said, &settings) {
            self.provider.add_user_info(&client, access_token, verified.subject, &mut said).await?;
        }
        let provider_session = said.get("sid").and_then(|sid| sid.as_str()).map(|sid| self.provider_session(sid));
        let identity = claims::identity(said, &settings.groups_claim)?;
        let id_token = Some(token.to_string()).filter(|token| token.len() <= LARGEST_HINT);
        Ok(Finished::SignedIn(Box::new(SignedIn { identity, to: pending.to, provider_session, id_token })))
    }

    /// Takes the sign-in that is kept under this state, once. Whoever leads somebody else's browser here with an answer
    /// of their own would sign it in as themselves: hence the browser's secret (RFC 9700, section 4.7).
    async fn pending(&self, state: Option<&str>, browser: Option<&str>, now: OffsetDateTime) -> Result<Pending, Error> {
        let kept = self.store.take(Kind::PendingLogin, state.ok_or(Error::NotPending)?, now).await?;
        let pending: Option<Pending> = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        let pending = pending.ok_or(Error::NotPending)?;
        if browser == Some(pending.browser.as_str()) { Ok(pending) } else { Err(Error::OtherBrowser) }
    }

    /// Judges by the keys that are known; when they do not fit, by those that there are now.
    async fn by_keys<T>(
        &self,
        known: &Metadata,
        judge: impl Fn(&Metadata) -> Result<T, id_token::Problem>,
    ) -> Result<T, Error> {
        match judge(known) {
            Err(problem) if problem.is_of_keys() => Ok(judge(&*self.provider.metadata_anew().await?)?),
            other => Ok(other?),
        }
    }

    /// One text for each session at each provider. An issuer has no spaces.
    fn provider_session(&self, sid: &str) -> String {
        format!("{} {sid}", self.settings.load().issuer.as_str())
    }

    /// Where to send a browser that signs out, so that its session at the provider ends too (RP-Initiated Logout 1.0,
    /// section 2). `None` when the provider offers no such thing, or does not soon say where: we are signed out all the
    /// same.
    pub async fn logout_address(&self, id_token: Option<&str>) -> Option<Url> {
        let metadata = match self.provider.known_at_all().await {
            Some(known) => known,
            None => tokio::time::timeout(WAY_OUT, self.provider.metadata()).await.ok()?.ok()?,
        };
        let settings = self.settings.load();
        let mut address = metadata.additional_metadata().end_session_endpoint.as_ref()?.url().clone();
        address
            .query_pairs_mut()
            .append_pair("client_id", &settings.client_id)
            .append_pair("post_logout_redirect_uri", settings.after_logout.as_str())
            .extend_pairs(id_token.map(|token| ("id_token_hint", token)));
        Some(address)
    }

    /// Ends the sessions that a logout token of the provider names.
    ///
    /// # Errors
    /// [`Error::Unverified`] for a token that is not the provider's, not for us, not of now, or used before.
    pub async fn end_sessions(&self, token: &str, now: OffsetDateTime) -> Result<Ended, Error> {
        let settings = self.settings.load_full();
        let by = |metadata: &Metadata| logout::verify(token, metadata, &settings.client_id, now);
        let logout::Token { id, until, session, subject } = self.by_keys(&*self.provider.metadata().await?, by).await?;
        let name = format!("{} {id}", settings.issuer.as_str());
        if self.store.keeps(Kind::UsedLogoutToken, &name, now).await? {
            return Err(Error::Unverified("the logout token was used before".into()));
        }
        let whose = subject.map(|sub| Identity::key_of(Source::Oidc, &sub));
        // First the sessions: a token that was marked before them, and then not carried out, could not be sent again.
        let count = self.end(session.as_deref(), whose.as_deref()).await?;
        self.store.keep(Kind::UsedLogoutToken, &name, Vec::new(), until).await?;
        Ok(Ended { count, whose })
    }

    async fn end(&self, session: Option<&str>, owner: Option<&str>) -> Result<u64, Error> {
        let Some(sid) = session else {
            let Some(owner) = owner else { return Ok(0) };
            return Ok(self.store.end_sessions(SessionsOf::Owner(owner)).await?);
        };
        let ended = self.store.end_sessions(SessionsOf::ProviderSession(&self.provider_session(sid))).await?;
        // A session that does not know its name there may be this one: rather one too many than one too few.
        let Some(owner) = owner else { return Ok(ended) };
        Ok(ended + self.store.end_sessions(SessionsOf::OwnerUnmarked(owner)).await?)
    }
}

/// An answer of another provider must not be taken to this one (RFC 9207, section 2.4).
fn check_issuer(settings: &Settings, metadata: &Metadata, said: Option<&str>) -> Result<(), Error> {
    match said {
        Some(issuer) if issuer == settings.issuer.as_str() => Ok(()),
        None if !metadata.additional_metadata().authorization_response_iss_parameter_supported => Ok(()),
        Some(_) => Err(Error::Unverified("the answer is from another issuer".into())),
        None => Err(Error::Unverified("the answer does not say from which issuer it is".into())),
    }
}

/// What the provider says when it would have to show something, and was asked not to (OpenID Connect Core 1.0, section
/// 3.1.2.6).
const WOULD_ASK: [&str; 4] =
    ["login_required", "interaction_required", "consent_required", "account_selection_required"];
/// What it says when it is its own fault (RFC 6749, section 4.1.2.1).
const NOT_NOW: [&str; 2] = ["server_error", "temporarily_unavailable"];

fn refusal(code: &str, description: Option<&str>, pending: Pending) -> Result<Finished, Error> {
    if pending.silent && WOULD_ASK.contains(&code) {
        return Ok(Finished::Ask { to: pending.to });
    }
    let said = format!("{} {}", printable(code), printable(description.unwrap_or_default()));
    let said = said.trim().to_owned();
    if NOT_NOW.contains(&code) { Err(Error::Unavailable(said)) } else { Err(Error::Refused(said)) }
}

/// The token endpoint's refusal, without what was sent to it.
fn token_problem<E>(problem: RequestTokenError<provider::HttpError, E>) -> Error
where
    E: ErrorResponse + 'static,
{
    match problem {
        RequestTokenError::Request(problem) => problem.into(),
        RequestTokenError::ServerResponse(said) => {
            Error::Unusable(format!("the token endpoint said {}", printable(&said.to_string())))
        }
        // The answer itself has tokens.
        RequestTokenError::Parse(problem, _) => {
            Error::Unusable(format!("the token endpoint's answer cannot be read at {}", problem.path()))
        }
        RequestTokenError::Other(problem) => Error::Unusable(printable(&problem)),
    }
}

/// What another server says, fit for one line of a log.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// An error with what caused it.
fn with_causes(problem: &dyn std::error::Error) -> String {
    let mut said = problem.to_string();
    let mut cause = problem.source();
    while let Some(problem) = cause {
        said = format!("{said}: {problem}");
        cause = problem.source();
    }
    printable(&said)
}
