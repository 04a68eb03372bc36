//! The tenant's users: the one look-up that is made there, by e-mail address.
//!
//! A subject is never guessed. What is not a clear answer is an error, and after an error the tenant is left alone for
//! as long as it asks for, or for a few seconds: visitors who come meanwhile are told to try again.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::session;
use crate::client::Authorities;
use crate::origin::Origin;

/// How long a look-up may take in all; a visitor waits for it.
const LONGEST: Duration = Duration::from_secs(8);
/// The tenant is left alone for so long after a failure that names no time.
const REST: Duration = Duration::from_secs(3);
/// ... and no longer than this, whatever it asks for.
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// How many pages of an answer are read. One address has one user, or a few; this many pages are no answer to a filter.
const PAGES: usize = 10;
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;
/// An access token is renewed so long before it expires.
const EARLY: time::Duration = time::Duration::seconds(60);

/// By what right the tenant is asked.
#[derive(Clone)]
pub enum Access {
    /// An API key of a user who may list users.
    Key(SecretString),
    /// An OAuth client for machines (Qlik Cloud facts, section H).
    Client {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key([REDACTED])"),
            Self::Client { id, .. } => write!(f, "Client({id})"),
        }
    }
}

/// Why the tenant gave no clear answer. Messages have no address: errors of the client lose the URL, which has one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It did not answer.
    #[error("the tenant did not answer the look-up of a user")]
    Unreachable(#[source] reqwest::Error),
    /// It took longer than a visitor can wait.
    #[error("the tenant did not answer the look-up of a user within {} s", LONGEST.as_secs())]
    TooSlow,
    /// It answered, and refused.
    #[error("the tenant refused the look-up of a user with status {status}: {words}{}", remedy(*status))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, if anything.
        words: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It failed a moment ago, and is not asked.
    #[error("the tenant is not asked for users for another {} s: it failed, or asked for a pause", .0.as_secs())]
    Resting(Duration),
    /// The answer is not what its documentation describes.
    #[error("the tenant's answer to the look-up of a user cannot be used: {0}")]
    Unreadable(&'static str),
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 => " (check QLIK_API_KEY, or QLIK_ADMIN_CLIENT_ID and QLIK_ADMIN_CLIENT_SECRET)",
        403 => " (whoever QLIK_API_KEY or QLIK_ADMIN_CLIENT_ID stands for may not list users)",
        _ => "",
    }
}

impl Error {
    /// When another try makes sense.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Resting(rest) => *rest,
            Self::Refused { retry_after: Some(after), .. } => (*after).clamp(Duration::from_secs(1), LONGEST_REST),
            _ => REST,
        }
    }

    /// Whether everybody's look-up would fail, and not only this address's.
    fn is_the_tenants(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow => true,
            Self::Refused { status, .. } => !matches!(status, 400 | 414),
            Self::Resting(_) | Self::Unreadable(_) => false,
        }
    }

    fn unreachable(problem: reqwest::Error) -> Self {
        Self::Unreachable(problem.without_url())
    }
}

/// An e-mail address that may stand in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// `None` for what is no plain address: what RFC 5321, section 4.1.2, calls a dot-string, at a domain. All its
    /// characters stand for themselves in a filter, whose values are JSON texts (RFC 7644, section 3.4.2.2). How quotes
    /// and backslashes are escaped there is not known (Qlik Cloud facts, section E), so an address with one is never sent.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, domain) = text.split_once('@')?;
        let of_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`.{|}~".contains(c);
        let of_domain = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        let good = !name.is_empty()
            && name.chars().all(of_name)
            && domain.contains('.')
            && domain.chars().all(of_domain)
            && text.len() <= 254;
        good.then(|| Self(text.to_owned()))
    }

    fn filter(&self) -> String {
        format!("email eq \"{}\" and status eq \"active\"", self.0)
    }
}

/// Who has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matches {
    /// No active user.
    None,
    /// One active user, with this subject.
    One(String),
    /// Several active users.
    Several,
}

/// Asks the tenant for its users.
#[derive(Debug)]
pub struct Users {
    client: Client,
    tenant: Origin,
    access: Access,
    /// The access token of an OAuth client, and when to have another one.
    token: tokio::sync::Mutex<Option<(SecretString, OffsetDateTime)>>,
    /// When the tenant may be asked again.
    rests_until: Mutex<Option<OffsetDateTime>>,
}

/// A page of the list (Qlik Cloud facts, section E); what else is in it is of no interest.
#[derive(Deserialize)]
struct Page {
    data: Vec<Value>,
    #[serde(default)]
    links: Value,
}

impl Users {
    /// Asks this tenant by this right.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn new(tenant: Origin, access: Access, authorities: &Authorities) -> reqwest::Result<Self> {
        Ok(Self {
            client: authorities.client()?,
            tenant,
            access,
            token: tokio::sync::Mutex::default(),
            rests_until: Mutex::default(),
        })
    }

    /// The active users with this address.
    ///
    /// # Errors
    /// When there is no clear answer within 8 s, or the tenant has asked for a pause.
    pub async fn with_email(&self, email: &Address, now: OffsetDateTime) -> Result<Matches, Error> {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rest) = until.and_then(|until| Duration::try_from(until - now).ok()).filter(|rest| !rest.is_zero())
        {
            return Err(Error::Resting(Duration::from_secs(rest.as_secs() + 1)));
        }
        let begun = Instant::now();
        let matches = tokio::time::timeout(LONGEST, self.search(email, now)).await.unwrap_or(Err(Error::TooSlow));
        if let Err(problem) = &matches
            && problem.is_the_tenants()
        {
            let until = now + begun.elapsed() + problem.retry_after();
            let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
            *rests_until = Some(rests_until.map_or(until, |longer| longer.max(until)));
        }
        matches
    }

    async fn search(&self, email: &Address, now: OffsetDateTime) -> Result<Matches, Error> {
        let mut address = Url::parse(&format!("{}/api/v1/users", self.tenant))
            .map_err(|_| Error::Unreadable("its own address is none"))?;
        address.query_pairs_mut().append_pair("filter", &email.filter()).append_pair("limit", "100");
        let mut found = Matches::None;
        for _ in 0..PAGES {
            let page = self.page(&address, now).await?;
            for user in &page.data {
                found = match (matching(user, email)?, found) {
                    (None, found) => found,
                    (Some(subject), Matches::None) => Matches::One(subject),
                    (Some(_), _) => return Ok(Matches::Several),
                };
            }
            match self.next(&page.links, &address)? {
                Some(next) => address = next,
                None => return Ok(found),
            }
        }
        Err(Error::Unreadable("it has no end"))
    }

    async fn page(&self, address: &Url, now: OffsetDateTime) -> Result<Page, Error> {
        let ask = async |token: SecretString| {
            let request = self.client.get(address.clone()).bearer_auth(token.expose_secret());
            send(request).await
        };
        let token = self.token(now).await?;
        let body = match (ask(token).await, &self.access) {
            // The token was revoked before it expired: another one, once.
            (Err(Error::Refused { status: 401, .. }), Access::Client { .. }) => {
                *self.token.lock().await = None;
                ask(self.token(now).await?).await
            }
            (body, _) => body,
        };
        serde_json::from_slice(&body?).map_err(|_| Error::Unreadable("it is not a list of users"))
    }

    /// The next page. Links are absolute; one that leads elsewhere would take our credentials along.
    fn next(&self, links: &Value, from: &Url) -> Result<Option<Url>, Error> {
        let link = &links["next"];
        let link = link.as_str().or_else(|| link["href"].as_str()).filter(|link| !link.is_empty());
        let Some(link) = link else { return Ok(None) };
        let next = from.join(link).ok().filter(|next| next.origin() == from.origin() && next != from);
        next.map(Some).ok_or(Error::Unreadable("its next page is elsewhere"))
    }

    async fn token(&self, now: OffsetDateTime) -> Result<SecretString, Error> {
        let (id, secret) = match &self.access {
            Access::Key(key) => return Ok(key.clone()),
            Access::Client { id, secret } => (id, secret),
        };
        let mut kept = self.token.lock().await; // whoever comes meanwhile waits, and finds it
        if let Some((token, until)) = &*kept
            && *until > now
        {
            return Ok(token.clone());
        }
        let body = json!({
            "client_id": id, "client_secret": secret.expose_secret(), "grant_type": "client_credentials",
        });
        let request = self.client.post(format!("{}/oauth/token", self.tenant));
        let answer = send(request.header(CONTENT_TYPE, "application/json").body(body.to_string())).await?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|_| Error::Unreadable("it is not an access token"))?;
        let token = answer["access_token"].as_str().filter(|token| !token.is_empty());
        let token = SecretString::from(token.ok_or(Error::Unreadable("it has no access token"))?);
        let seconds = answer["expires_in"].as_i64().unwrap_or_default().clamp(0, 86_400);
        *kept = Some((token.clone(), now + time::Duration::seconds(seconds) - EARLY));
        Ok(token)
    }
}

/// The subject of a user who is active and has the address: the filter is not relied on. Qlik compares without regard
/// to case (Qlik Cloud facts, section E).
fn matching(user: &Value, email: &Address) -> Result<Option<String>, Error> {
    let has = |member: &str, value: &str| user[member].as_str().is_some_and(|own| own.eq_ignore_ascii_case(value));
    if !has("email", &email.0) || !has("status", "active") {
        return Ok(None);
    }
    let subject = user["subject"].as_str().filter(|subject| !subject.trim().is_empty());
    subject.map(|subject| Some(subject.to_owned())).ok_or(Error::Unreadable("a user has no subject"))
}

/// The body of an answer with status 200.
async fn send(request: RequestBuilder) -> Result<Vec<u8>, Error> {
    let mut response = request.send().await.map_err(Error::unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response).await);
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(Error::unreachable)? {
        body.extend_from_slice(&part);
        if body.len() > LARGEST {
            return Err(Error::Unreadable("it is too long"));
        }
    }
    Ok(body)
}

async fn refusal(response: Response) -> Error {
    let status = response.status().as_u16();
    let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.trim().parse().ok());
    Error::Refused { status, words: session::words(response).await, retry_after: after.map(Duration::from_secs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_enter_a_filter() {
        for good in
            ["ada@example.com", " Ada.Lovelace+x@mail.example.co.uk ", "o'neil@example.com", "a!#$%&'*-/=?^_`{|}~@b.c"]
        {
            let address = Address::parse(good).unwrap_or_else(|| panic!("{good}"));
            assert_eq!(address.filter(), format!("email eq \"{}\" and status eq \"active\"", good.trim()));
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "a da@example.com",
            "ada@exa mple.com",
            "ada@example.com\" or email co \"@",
            "\"ada\"@example.com",
            "ada\\@example.com",
            "ada@b@example.com",
            "ada@example.com\n",
            "ada\u{0}@example.com",
            "\u{e4}da@example.com",
            &long,
        ] {
            assert_eq!(Address::parse(bad.trim_matches(' ')).is_some(), bad == "ada@example.com\n", "{bad:?}");
        }
    }

    #[test]
    fn only_active_users_with_the_address_count() {
        let ada = Address::parse("ada@example.com").expect("an address");
        let user = |email: &str, status: &str| json!({ "subject": "a", "email": email, "status": status, "more": [1] });
        assert_eq!(matching(&user("ADA@example.com", "active"), &ada).ok(), Some(Some("a".into())));
        for other in [
            user("bob@example.com", "active"),
            user("ada@example.com", "disabled"),
            user("ada@example.com", "invited"),
            json!({ "subject": "a" }),
            json!(null),
        ] {
            assert_eq!(matching(&other, &ada).ok(), Some(None), "{other}");
        }
        let nameless = json!({ "email": "ada@example.com", "status": "active" });
        assert!(matching(&nameless, &ada).is_err());
    }

    #[test]
    fn credentials_are_in_no_debug_output() {
        let access =
            [Access::Key("very secret".into()), Access::Client { id: "me".into(), secret: "very secret".into() }];
        assert_eq!(format!("{access:?}"), "[Key([REDACTED]), Client(me)]");
    }
}
