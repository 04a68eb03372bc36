//! The tenant's users: the one look-up that is made there, by e-mail address.
//!
//! A subject is never guessed. What is not a clear answer is an error, and after an error the tenant is left alone for
//! as long as it asks for, or for a few seconds: visitors who come meanwhile are told to try again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use url::form_urlencoded;

use super::Tenant;
use super::api::{self, Access, Api};
use super::session::Refusal;
use crate::advice::{self, Advice, Answer, At, Silent};
use crate::client;

/// How long a look-up may take in all; a visitor waits for it.
const LONGEST: Duration = Duration::from_secs(8);
/// The tenant is left alone for so long after a failure that names no time.
const REST: Duration = Duration::from_secs(3);
/// ... and no longer than this, whatever it asks for.
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// How many pages of an answer are read. One address has one user, or a few; this many pages are no answer to a filter.
const PAGES: usize = 10;

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
    #[error("the tenant refused the look-up of a user with {} ({})", .0.told, .0.advice().in_short())]
    Refused(Refusal),
    /// It failed a moment ago, and is not asked.
    #[error("the tenant is not asked for users for another {} s: it failed, or asked for a pause", .0.as_secs())]
    Resting(Duration),
    /// The answer is not what its documentation describes.
    #[error("the tenant's answer to the look-up of a user cannot be used: {0}")]
    Unreadable(&'static str),
}

impl Error {
    /// When another try makes sense.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Resting(rest) => *rest,
            Self::Refused(Refusal { retry_after: Some(after), .. }) => {
                (*after).clamp(Duration::from_secs(1), LONGEST_REST)
            }
            _ => REST,
        }
    }

    /// What it means, and what to do; nothing when the tenant was not asked.
    pub fn advice(&self) -> Option<&'static Advice> {
        let answer = match self {
            Self::Refused(refusal) => return Some(refusal.advice()),
            Self::Resting(_) => return None,
            Self::Unreachable(problem) => Answer::Unreachable { at: At::Admin, why: Silent::of(problem) },
            Self::TooSlow => Answer::Unreachable { at: At::Admin, why: Silent::TimedOut },
            Self::Unreadable(_) => Answer::Http { at: At::Admin, status: 200, code: None, detail: "", html: false },
        };
        Some(advice::of(&answer))
    }

    /// Whether everybody's look-up would fail, and not only this address's.
    fn is_the_tenants(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow => true,
            Self::Refused(refusal) => !matches!(refusal.status(), 400 | 414),
            Self::Resting(_) | Self::Unreadable(_) => false,
        }
    }
}

impl From<api::Error> for Error {
    fn from(problem: api::Error) -> Self {
        match problem {
            api::Error::Unreachable(problem) => Self::Unreachable(problem),
            api::Error::Refused(refusal) => Self::Refused(refusal),
            api::Error::Unreadable(why) => Self::Unreadable(why),
        }
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

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What finds the active users with this address.
    pub fn filter(&self) -> String {
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
    api: Api,
    /// When the tenant may be asked again.
    rests_until: Mutex<Option<OffsetDateTime>>,
}

impl Users {
    /// Asks this tenant by this right.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn new(tenant: Tenant, access: Access) -> Result<Self, client::Error> {
        Ok(Self { api: Api::new(tenant.client()?, tenant.origin, access), rests_until: Mutex::default() })
    }

    /// From now on, it is asked by this right.
    pub fn follow(&self, access: Access) {
        self.api.follow(access);
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
        let filter: String = form_urlencoded::byte_serialize(email.filter().as_bytes()).collect();
        let users = self.api.list(&format!("/api/v1/users?filter={filter}&limit=100"), PAGES, now).await?;
        let mut found = Matches::None;
        for user in &users {
            found = match (matching(user, email)?, found) {
                (None, found) => found,
                (Some(subject), Matches::None) => Matches::One(subject),
                (Some(_), _) => return Ok(Matches::Several),
            };
        }
        Ok(found)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
}
