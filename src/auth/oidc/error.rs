//! Why somebody could not sign in.

use super::{id_token, provider, with_causes};
use crate::advice::{self, Advice, Answer, At, Sign};
use crate::identity::{Identity, Source};
use crate::store;

/// Why somebody could not sign in, or a logout token was refused. Messages are for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The provider does not answer, or says that it cannot at the moment.
    #[error("the OpenID provider is not available: {0}")]
    Unavailable(String),
    /// The provider's answer cannot be used, or it does not take us for its client.
    #[error("the OpenID provider cannot be used: {0}")]
    Unusable(String),
    /// No sign-in is under way with this `state`: it is too old, was finished already, or never began.
    #[error("no sign-in is under way with the state of this answer")]
    NotPending,
    /// The answer came to another browser than the one that began.
    #[error("the answer did not come to the browser that began the sign-in")]
    OtherBrowser,
    /// The provider did not let the visitor in.
    #[error("the OpenID provider refused the sign-in: {0}")]
    Refused(String),
    /// What the provider is said to have said could not be verified.
    #[error("not verified: {0}")]
    Unverified(String),
    /// More is said about this person than a session can hold.
    #[error(
        "what is said about {id} takes {size} bytes, and {limit} are kept at the most: let the provider send fewer"
    )]
    TooMuch {
        /// The subject at the provider.
        id: String,
        /// In bytes of JSON.
        size: usize,
        /// The same.
        limit: usize,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What it means, and what to do, where that is the provider's answer or its silence.
    pub fn advice(&self) -> Option<&'static Advice> {
        let (finding, said) = match self {
            Self::Unavailable(_) => (Sign::ProviderUnavailable, ""),
            Self::Unusable(said) => (Sign::ProviderUnusable, said.as_str()),
            Self::Refused(said) => (Sign::ProviderRefused, said.as_str()),
            Self::Unverified(_) => (Sign::ProviderUnverified, ""),
            Self::TooMuch { .. } => (Sign::ProviderTooMuch, ""),
            Self::NotPending | Self::OtherBrowser | Self::Store(_) => return None,
        };
        Some(by_code(said).unwrap_or_else(|| advice::of(&Answer::Found(finding))))
    }

    /// Whom the provider has vouched for all the same: an [`Identity::key`].
    pub fn whose(&self) -> Option<String> {
        if let Self::TooMuch { id, .. } = self { Some(Identity::key_of(Source::Oidc, id)) } else { None }
    }
}

impl From<provider::HttpError> for Error {
    fn from(problem: provider::HttpError) -> Self {
        Self::Unavailable(with_causes(&problem))
    }
}

impl From<id_token::Problem> for Error {
    fn from(problem: id_token::Problem) -> Self {
        Self::Unverified(with_causes(&problem))
    }
}

/// By the first code of OAuth in what the provider said.
fn by_code(said: &str) -> Option<&'static Advice> {
    let unknown = advice::of(&Answer::Found(Sign::ProviderUnusable));
    let words = said.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let answers =
        words.map(|code| Answer::Http { at: At::Provider, status: 400, code: Some(code), detail: "", html: false });
    answers.map(|answer| advice::of(&answer)).find(|known| *known != unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_the_provider_says_more_than_the_kind_of_failure() {
        let unusable = |said: &str| Error::Unusable(said.to_owned()).advice().map(|advice| advice.id);
        assert_eq!(unusable("the token endpoint said invalid_client: Unknown client."), Some("provider-client"));
        assert_eq!(unusable("the token endpoint said invalid_grant"), Some("provider-grant"));
        assert_eq!(unusable("unexpected issuer"), Some("provider-unusable"));
        let refused = |said: &str| Error::Refused(said.to_owned()).advice().map(|advice| advice.id);
        assert_eq!(refused("access_denied The user turned back"), Some("provider-refused"));
        assert_eq!(refused("invalid_scope"), Some("provider-scope"));
        assert_eq!(refused("something_new"), Some("provider-refused"));
        assert_eq!(
            Error::Unavailable("server_error".into()).advice().map(|advice| advice.id),
            Some("provider-unavailable")
        );
        assert_eq!(Error::NotPending.advice(), None);
    }
}
