//! The provider as its discovery document describes it, and its keys: fetched when first needed, kept, fetched again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGenderClaim, CoreGrantType,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AdditionalProviderMetadata, AsyncHttpClient, AuthType, ClientSecret, DiscoveryError,
    EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl,
    ProviderMetadata, SubjectIdentifier, UserInfoClaims, UserInfoError, http,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use tokio::sync::{Mutex, OwnedMutexGuard, RwLock};
use tracing::Instrument;

use super::{Error, Settings, printable, with_causes};
use crate::advice::Advice;
use crate::clock::Clock;
use crate::origin::Origin;

/// How long the discovery document and the keys are used without looking again: a key that the provider has withdrawn is
/// good for this much longer.
const KEPT: Duration = Duration::HOUR;
/// How soon they are fetched again when somebody shows a token that does not fit the keys that are known. Anybody can send such tokens;
/// providers publish a new key well before they sign with it.
const ANEW: Duration = Duration::minutes(1);
/// How long the provider is left alone after it did not answer. Whoever waits for the same answer gets it, too.
const PAUSE: Duration = Duration::seconds(5);
/// How long one call may take: a sign-in has about four, and must be done before the visitor's own request ends.
const CALL: StdDuration = StdDuration::from_secs(7);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

pub(super) type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What the document says beyond OpenID Connect Discovery 1.0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct More {
    /// RP-Initiated Logout 1.0, section 2.1.
    pub end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 9207, section 3.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

/// A client that knows where to send visitors, and perhaps where to redeem codes and ask about people.
pub(super) type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// The client of these settings at the provider of this document.
pub(super) fn client(metadata: &Metadata, settings: &Settings) -> Client {
    let secret = settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
    CoreClient::from_provider_metadata(metadata.clone(), settings.client_id.clone(), secret)
        .set_auth_type(authentication(metadata))
        .set_redirect_uri(settings.redirect.clone())
}

/// `client_secret_basic` unless the provider takes only `client_secret_post` (OpenID Connect Discovery 1.0, section 3).
/// Without a secret, the name is all that is sent.
fn authentication(metadata: &Metadata) -> AuthType {
    let takes = |method| metadata.token_endpoint_auth_methods_supported().is_some_and(|all| all.contains(&method));
    let post = CoreClientAuthMethod::ClientSecretPost;
    if takes(post) && !takes(CoreClientAuthMethod::ClientSecretBasic) {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

/// Asks the provider, and remembers.
pub(super) struct Provider {
    issuer: IssuerUrl,
    http: Http,
    /// Fetching takes seconds when something is wrong: when it ended is another time than when its visitor came.
    clock: Clock,
    known: RwLock<Option<Known>>,
    /// Held by whoever is fetching.
    fetching: Arc<Mutex<LastFailure>>,
}

/// When fetching last ended without success, and how.
type LastFailure = Option<(OffsetDateTime, Failure)>;

struct Known {
    metadata: Arc<Metadata>,
    since: OffsetDateTime,
}

#[derive(Clone)]
enum Failure {
    Unavailable(String),
    Unusable(String),
}

impl Provider {
    pub(super) fn new(issuer: IssuerUrl, client: reqwest::Client, clock: Clock) -> Self {
        Self { issuer, http: Http(client), clock, known: RwLock::default(), fetching: Arc::default() }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// The document and the keys, as fresh as they need to be; while somebody else is fetching them, as they are.
    ///
    /// # Errors
    /// When they were never fetched and cannot be now.
    pub(super) async fn metadata(self: &Arc<Self>) -> Result<Arc<Metadata>, Error> {
        if let Some(fresh) = self.known(KEPT).await {
            return Ok(fresh);
        }
        match (Arc::clone(&self.fetching).try_lock_owned(), self.known_at_all().await) {
            (Ok(turn), _) => self.refresh(KEPT, turn).await,
            (Err(_), Some(old)) => Ok(old),
            (Err(_), None) => self.refresh(KEPT, Arc::clone(&self.fetching).lock_owned().await).await,
        }
    }

    /// The same, because a key may be missing.
    ///
    /// # Errors
    /// As for [`Provider::metadata`].
    pub(super) async fn metadata_anew(self: &Arc<Self>) -> Result<Arc<Metadata>, Error> {
        match self.known(ANEW).await {
            Some(fresh) => Ok(fresh),
            None => self.refresh(ANEW, Arc::clone(&self.fetching).lock_owned().await).await,
        }
    }

    /// What was fetched last, however long ago.
    pub(super) async fn known_at_all(&self) -> Option<Arc<Metadata>> {
        self.known.read().await.as_ref().map(|known| known.metadata.clone())
    }

    async fn known(&self, age: Duration) -> Option<Arc<Metadata>> {
        let known = self.known.read().await;
        known.as_ref().filter(|known| self.clock.now() - known.since < age).map(|known| known.metadata.clone())
    }

    /// Fetches, unless somebody else did while this one waited for their turn, or failed to.
    async fn refresh(
        self: &Arc<Self>,
        age: Duration,
        turn: OwnedMutexGuard<LastFailure>,
    ) -> Result<Arc<Metadata>, Error> {
        if let Some(fresh) = self.known(age).await {
            return Ok(fresh);
        }
        let failure = match turn.as_ref().filter(|(at, _)| self.clock.now() - *at < PAUSE) {
            Some((_, failure)) => failure.clone(),
            // A task of its own: a visitor who goes away, or whose request takes too long, ends it for nobody else.
            None => match tokio::spawn(Arc::clone(self).fetch_and_keep(turn).in_current_span()).await {
                Ok(Ok(metadata)) => return Ok(metadata),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Unavailable("asking it broke off".to_owned()),
            },
        };
        // What was good an hour ago is better than nothing.
        self.known_at_all().await.ok_or_else(|| failure.into())
    }

    async fn fetch_and_keep(self: Arc<Self>, mut turn: OwnedMutexGuard<LastFailure>) -> Result<Arc<Metadata>, Failure> {
        let fetched = self.fetch().await;
        let now = self.clock.now();
        match fetched {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *self.known.write().await = Some(Known { metadata: metadata.clone(), since: now });
                *turn = None;
                Ok(metadata)
            }
            Err(failure) => {
                let problem = Error::from(failure.clone());
                let advice = problem.advice();
                tracing::warn!(
                    issuer = self.issuer.as_str(),
                    %problem,
                    advice = advice.map(|advice| advice.id),
                    remedy = advice.map(Advice::in_short),
                    "no answer from the OpenID provider's discovery"
                );
                *turn = Some((now, failure.clone()));
                Err(failure)
            }
        }
    }

    async fn fetch(&self) -> Result<Metadata, Failure> {
        let metadata = Metadata::discover_async(self.issuer.clone(), &self.http).await.map_err(discovery_failure)?;
        check_endpoints(&metadata).map_err(Failure::Unusable)?;
        tracing::debug!(issuer = self.issuer.as_str(), keys = metadata.jwks().keys().len(), "discovered");
        Ok(metadata)
    }

    /// Adds what the UserInfo endpoint says about this subject and the ID token does not (OpenID Connect Core 1.0,
    /// section 5.3). The ID token has the last word.
    ///
    /// # Errors
    /// When the endpoint does not answer, or speaks of somebody else. A sign-in with half of what is known about
    /// somebody could be another person to the mapping.
    pub(super) async fn add_user_info(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: SubjectIdentifier,
        claims: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        let Ok(request) = client.user_info(token.clone(), Some(subject)) else { return Ok(()) };
        let info: UserInfoClaims<Rest, CoreGenderClaim> =
            request.request_async(&self.http).await.map_err(user_info_problem)?;
        if let Ok(Value::Object(info)) = serde_json::to_value(info) {
            for (name, value) in info {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(())
    }
}

/// Claims that OpenID Connect has no name for.
#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl AdditionalClaims for Rest {}

/// Codes, secrets and tokens travel to these addresses.
fn check_endpoints(metadata: &Metadata) -> Result<(), String> {
    let more = metadata.additional_metadata();
    let endpoints = [
        ("authorization_endpoint", Some(metadata.authorization_endpoint().url())),
        ("token_endpoint", metadata.token_endpoint().map(|url| url.url())),
        ("userinfo_endpoint", metadata.userinfo_endpoint().map(|url| url.url())),
        ("jwks_uri", Some(metadata.jwks_uri().url())),
        ("end_session_endpoint", more.end_session_endpoint.as_ref().map(|url| url.url())),
    ];
    for (name, url) in endpoints {
        if let Some(Err(problem)) = url.map(|url| Origin::parse_secure(&url.origin().ascii_serialization())) {
            return Err(format!("its {name} {problem}"));
        }
    }
    Ok(())
}

fn discovery_failure(problem: DiscoveryError<HttpError>) -> Failure {
    match problem {
        DiscoveryError::Request(problem) => Failure::Unavailable(with_causes(&problem)),
        DiscoveryError::Response(status, _, _) if status.is_server_error() => {
            Failure::Unavailable(format!("it answered with status {}", status.as_u16()))
        }
        DiscoveryError::Response(_, _, problem) => Failure::Unusable(printable(&problem)),
        other => Failure::Unusable(with_causes(&other)),
    }
}

fn user_info_problem(problem: UserInfoError<HttpError>) -> Error {
    match problem {
        UserInfoError::Request(problem) => problem.into(),
        UserInfoError::Response(status, _, _) if status.is_server_error() => {
            Error::Unavailable(format!("the userinfo endpoint answered with status {}", status.as_u16()))
        }
        UserInfoError::Response(status, _, _) => {
            Error::Unusable(format!("the userinfo endpoint answered with status {}", status.as_u16()))
        }
        UserInfoError::ClaimsVerification(problem) => Error::Unverified(with_causes(&problem)),
        _ => Error::Unusable("the userinfo endpoint's answer cannot be read".into()),
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(said) => Self::Unavailable(said),
            Failure::Unusable(said) => Self::Unusable(said),
        }
    }
}

/// Our HTTP client, as openidconnect calls it.
pub(super) struct Http(reqwest::Client);

/// Why a call to the provider brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection, no answer in time, or one that broke off.
    #[error("it does not answer")]
    Silent(#[source] reqwest::Error),
    /// More than a provider has to say.
    #[error("its answer is longer than {LARGEST} bytes")]
    TooLong,
}

impl From<reqwest::Error> for HttpError {
    fn from(problem: reqwest::Error) -> Self {
        Self::Silent(problem.without_url())
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut request = reqwest::Request::try_from(request)?;
            *request.timeout_mut() = Some(CALL);
            let mut response = self.0.execute(request).await?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                if body.len() + chunk.len() > LARGEST {
                    return Err(HttpError::TooLong);
                }
                body.extend_from_slice(&chunk);
            }
            let mut answer = http::Response::new(body);
            *answer.status_mut() = response.status();
            *answer.headers_mut() = std::mem::take(response.headers_mut());
            Ok(answer)
        })
    }
}
