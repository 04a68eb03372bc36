//! Sends one request on.

use axum::body::Body;
use http::request;

use super::{Credentials, Error, Passed, Proxy, Target, Upgrade};

impl Proxy {
    /// Sends one request on, once. Both bodies are streamed.
    ///
    /// # Errors
    /// When the tenant cannot be reached or does not answer.
    pub async fn send(
        &self,
        _target: &Target,
        _head: &request::Parts,
        _body: Body,
        _credentials: &Credentials,
    ) -> Result<Passed, Error> {
        Err(Error::TimedOut)
    }

    /// Asks the tenant to speak another protocol on a connection of its own.
    ///
    /// # Errors
    /// When the tenant cannot be reached or does not answer.
    pub async fn upgrade(
        &self,
        _target: &Target,
        _head: &request::Parts,
        _credentials: &Credentials,
    ) -> Result<Upgrade, Error> {
        Err(Error::TimedOut)
    }
}
