//! Who an identity is to Qlik, and whether it may be: by the administrator's list, else by the tenant's own users when
//! `SUBJECT_LOOKUP` says so, else by the rules of the mapping. One function serves visitors and whoever asks about them.
//!
//! Then the guard. Two people with one subject would see each other's bookmarks, and a person with two subjects is two
//! Qlik users with two licences (Qlik Cloud facts, section A.4). So the store remembers whose a subject is: the first
//! one to come with it. Another one is denied, until an administrator gives the subject away.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use time::{Duration, OffsetDateTime};

use crate::advice::Advice;
use crate::client;
use crate::identity::{Identity, Subject};
use crate::mapping::{Decision, Denied, Mapping, Step};
use crate::qlik::Tenant;
use crate::qlik::api::Access;
use crate::qlik::users::{self, Address, Matches, Users};
use crate::store::subjects::{Claim, Found, Spelling, Standing, fold};
use crate::store::{self, Store};

pub mod explanation;

/// How long a look-up in vain is not repeated, when it denies.
const IN_VAIN: Duration = Duration::seconds(15);
/// How many identities' look-ups are remembered in memory; each is well below 1 KiB.
const LOOK_UPS: u64 = 10_000;

/// How subjects are found and guarded.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether several identities may have one subject.
    pub shared: bool,
    /// Whether, and how, the tenant is asked.
    pub look_up: Option<LookUp>,
}

/// How the tenant is asked for the user with a visitor's e-mail address.
#[derive(Clone, Debug)]
pub struct LookUp {
    /// The tenant.
    pub tenant: Tenant,
    /// By what right.
    pub access: Access,
    /// What holds when it does not have exactly one.
    pub otherwise: Otherwise,
}

/// What holds when no user, or not one alone, has the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The rules of the mapping.
    Rules,
    /// The visitor is denied.
    Deny,
}

/// Why it cannot be told at the moment who somebody is.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The tenant did not say who it is.
    #[error(transparent)]
    LookUp(#[from] users::Error),
}

impl Error {
    /// What it means, and what to do, where that is the tenant's answer or its silence.
    pub fn advice(&self) -> Option<&'static Advice> {
        if let Self::LookUp(problem) = self { problem.advice() } else { None }
    }
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The administrator's list.
    List,
    /// The tenant's users.
    LookUp,
    /// The rule of this name.
    Rule(String),
    /// No rule: `SUBJECT_TEMPLATE`, or `SUBJECT_UNMAPPED`.
    Template,
}

impl Origin {
    /// The word for it in the audit; a rule's own name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::List => "list",
            Self::LookUp => "look-up",
            Self::Rule(name) => name,
            Self::Template => "template",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a look-up did not name anybody, as the end of a line for an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InVain {
    /// There is nothing to look for.
    #[error("the tenant was not asked: there is no e-mail address")]
    NoAddress,
    /// The address cannot stand in a filter.
    #[error("the tenant was not asked: the e-mail address has characters that cannot be looked up")]
    UnusableAddress,
    /// Nobody has the address.
    #[error("no active user of the tenant has the e-mail address")]
    NoUser,
    /// Too many have it.
    #[error("several active users of the tenant have the e-mail address")]
    SeveralUsers,
    /// The rules have named somebody since, and that is not changed by a user who comes later.
    #[error("the tenant was not asked again: an earlier look-up did not find one user")]
    Before,
}

impl InVain {
    fn denied(self) -> Denied {
        match self {
            Self::NoAddress => Denied::NoEmail,
            Self::UnusableAddress => Denied::UnusableEmail,
            why => Denied::NotOneUser { why: why.to_string() },
        }
    }
}

/// Who somebody is to Qlik, and why.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// What decided.
    pub origin: Origin,
    /// The rules that were looked at, if any were.
    pub steps: Vec<Step>,
    /// What came out.
    pub result: Result<Subject, Denied>,
    /// Why the look-up, if one was due, did not name anybody.
    pub in_vain: Option<InVain>,
    /// What counts when the identity holds the subject in another case.
    spelling: Spelling,
}

impl Resolution {
    fn of(decision: Decision) -> Self {
        let Decision { steps, rule, explicit, result } = decision;
        let spelling = if explicit { Spelling::Claimed } else { Spelling::Held };
        Self { origin: rule.map_or(Origin::Template, Origin::Rule), steps, result, in_vain: None, spelling }
    }

    fn without_steps(origin: Origin, result: Result<Subject, Denied>) -> Self {
        Self { origin, steps: Vec::new(), result, in_vain: None, spelling: Spelling::Claimed }
    }
}

/// Finds subjects, and guards them.
#[derive(Debug)]
pub struct Subjects {
    mapping: ArcSwap<Mapping>,
    shared: bool,
    /// `None`: there is no database yet, so nobody is on a list and nobody holds anything.
    store: Option<Store>,
    look_up: Option<(Users, Otherwise)>,
    /// One look-up at a time for one identity: the others wait, and find what it remembered.
    flights: Cache<Box<str>, Arc<tokio::sync::Mutex<()>>>,
    /// Look-ups in vain, and until when they count.
    in_vain: Cache<Box<str>, (OffsetDateTime, InVain)>,
}

/// For whom a subject is sought.
struct Who<'a> {
    identity: &'a Identity,
    key: &'a str,
    now: OffsetDateTime,
    /// Whether what comes out is claimed and remembered.
    for_good: bool,
}

/// What a look-up came to.
enum Answer {
    One(String),
    NotOne(InVain),
}

impl Subjects {
    /// By these rules and settings, with what this store remembers.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read, which a look-up needs.
    pub fn new(settings: Settings, mapping: Mapping, store: Option<Store>) -> Result<Self, client::Error> {
        let look_up = match settings.look_up {
            Some(LookUp { tenant, access, otherwise }) => Some((Users::new(tenant, access)?, otherwise)),
            None => None,
        };
        let (flights, in_vain) = (Cache::new(LOOK_UPS), Cache::new(LOOK_UPS));
        let mapping = ArcSwap::from_pointee(mapping);
        Ok(Self { mapping, shared: settings.shared, store, look_up, flights, in_vain })
    }

    /// From now on, these are the rules, and the right by which the tenant is asked. Whose a subject is stays as it is.
    pub fn follow(&self, mapping: Mapping, settings: Settings) {
        self.mapping.store(Arc::new(mapping));
        if let (Some((users, _)), Some(look_up)) = (&self.look_up, settings.look_up) {
            users.follow(look_up.access);
        }
    }

    /// Who this identity is to Qlik. From now on it holds the subject, unless somebody else does.
    ///
    /// # Errors
    /// When the store, or the tenant if it has to be asked, does not answer: then nothing is known, and nobody let in.
    pub async fn resolve(&self, identity: &Identity, now: OffsetDateTime) -> Result<Resolution, Error> {
        self.find(identity, now, true).await
    }

    /// What [`Subjects::resolve`] would say. Nothing is claimed or remembered; the tenant may be asked.
    ///
    /// # Errors
    /// As there.
    pub async fn foresee(&self, identity: &Identity, now: OffsetDateTime) -> Result<Resolution, Error> {
        self.find(identity, now, false).await
    }

    async fn find(&self, identity: &Identity, now: OffsetDateTime, for_good: bool) -> Result<Resolution, Error> {
        let key = identity.key();
        let standing = match &self.store {
            Some(store) => store.standing(&key).await?,
            None => Arc::default(),
        };
        let who = Who { identity, key: &key, now, for_good };
        let mut resolution = self.name(&who, &standing).await?;
        if let (Some(store), Ok(subject)) = (&self.store, &mut resolution.result)
            && !self.shared
            && standing.held.as_deref() != Some(&subject.id)
        {
            match hold(store, &who, &standing, subject, &resolution.origin, resolution.spelling).await? {
                Ok(id) => subject.id = id,
                Err(by) => {
                    let subject = std::mem::take(&mut subject.id);
                    resolution.result = Err(Denied::SubjectTaken { subject, by });
                }
            }
        }
        Ok(resolution)
    }

    /// The subject by list, look-up or rules, whoever holds it.
    async fn name(&self, who: &Who<'_>, standing: &Standing) -> Result<Resolution, Error> {
        let mapping = self.mapping.load_full();
        if let Some(id) = &standing.listed {
            return Ok(Resolution::without_steps(Origin::List, mapping.complete(who.identity, id)));
        }
        let by_rules = mapping.decide(who.identity);
        let Some((users, otherwise)) = &self.look_up else { return Ok(Resolution::of(by_rules)) };
        // Whom a rule denies is not looked up: that the tenant knows somebody does not overrule it.
        if matches!(by_rules.result, Err(Denied::ByRule { .. })) {
            return Ok(Resolution::of(by_rules));
        }
        // "Nobody" is an answer for good where the rules name somebody in its stead.
        let rules_answer = *otherwise == Otherwise::Rules && by_rules.result.is_ok();
        let answer = match remembered(standing, rules_answer) {
            Some(answer) => answer,
            None => self.ask(users, who, rules_answer).await?,
        };
        Ok(match (answer, otherwise) {
            (Answer::One(id), _) => Resolution::without_steps(Origin::LookUp, mapping.complete(who.identity, &id)),
            (Answer::NotOne(why), Otherwise::Rules) => Resolution { in_vain: Some(why), ..Resolution::of(by_rules) },
            (Answer::NotOne(why), Otherwise::Deny) => {
                let denied = Resolution::without_steps(Origin::LookUp, Err(why.denied()));
                Resolution { in_vain: Some(why), ..denied }
            }
        })
    }

    /// Asks the tenant, once for all who wait for the same identity.
    async fn ask(&self, users: &Users, who: &Who<'_>, rules_answer: bool) -> Result<Answer, Error> {
        let flight = self.flights.get_with(who.key.into(), Arc::default);
        let _first = flight.lock().await;
        if let Some(store) = &self.store
            && let Some(answer) = remembered(&*store.standing(who.key).await?, rules_answer)
        {
            return Ok(answer);
        }
        if let Some((until, why)) = self.in_vain.get(who.key)
            && until > who.now
        {
            return Ok(Answer::NotOne(why));
        }
        let email = who.identity.email.as_deref().filter(|email| !email.trim().is_empty());
        let answer = match email.map(Address::parse) {
            None => Answer::NotOne(InVain::NoAddress),
            Some(None) => Answer::NotOne(InVain::UnusableAddress),
            Some(Some(email)) => match users.with_email(&email, who.now).await? {
                Matches::One(subject) => Answer::One(subject),
                Matches::None => Answer::NotOne(InVain::NoUser),
                Matches::Several => Answer::NotOne(InVain::SeveralUsers),
            },
        };
        if who.for_good { self.remember(who, answer, rules_answer).await } else { Ok(answer) }
    }

    /// What the tenant said once counts from then on, so that a person stays the same user when addresses change there.
    /// A denial is to be mended, and the tenant asked again.
    async fn remember(&self, who: &Who<'_>, answer: Answer, rules_answer: bool) -> Result<Answer, Error> {
        let found = match &answer {
            Answer::One(subject) => Found::One(subject.clone()),
            Answer::NotOne(_) if rules_answer => Found::NotOne,
            Answer::NotOne(why) => {
                self.in_vain.insert(who.key.into(), (who.now + IN_VAIN, *why));
                return Ok(answer);
            }
        };
        let Some(store) = &self.store else { return Ok(answer) };
        Ok(match store.remember(who.key, &found).await? {
            Found::One(subject) => Answer::One(subject),
            Found::NotOne => Answer::NotOne(InVain::Before),
        })
    }
}

/// What an earlier look-up found.
fn remembered(standing: &Standing, rules_answer: bool) -> Option<Answer> {
    match &standing.found {
        Some(Found::One(subject)) => Some(Answer::One(subject.clone())),
        Some(Found::NotOne) if rules_answer => Some(Answer::NotOne(InVain::Before)),
        _ => None,
    }
}

/// Lets somebody hold the subject. Gives the spelling to send, or the key of whoever has the subject.
///
/// A way of signing in may report `Ada@example.com` one day and `ada@example.com` the next; how Qlik compares subjects is
/// not known (Qlik Cloud facts, section A.4). So what rules make keeps the spelling in which it came first.
async fn hold(
    store: &Store,
    who: &Who<'_>,
    standing: &Standing,
    subject: &Subject,
    origin: &Origin,
    spelling: Spelling,
) -> Result<Result<String, String>, store::Error> {
    if spelling == Spelling::Held
        && let Some(held) = standing.held.as_deref().filter(|held| fold(held) == fold(&subject.id))
    {
        return Ok(Ok(held.to_owned()));
    }
    if !who.for_good {
        return Ok(match store.holder(&subject.id).await? {
            Some(held) if held.identity != who.key => Err(held.identity),
            Some(held) if spelling == Spelling::Held => Ok(held.subject),
            _ => Ok(subject.id.clone()),
        });
    }
    match store.claim(who.key, &subject.id, spelling, who.now).await? {
        Claim::Taken { by } => Ok(Err(by)),
        Claim::Held { subject, from } => {
            if let Some(from) = from {
                tracing::warn!(
                    identity = who.key, from, to = subject, rule = %origin,
                    "this identity has another subject than before: to the tenant it is another user, with a licence of \
                     its own and without the bookmarks of before. If that was not meant, take back what changed: the \
                     rules, SUBJECT_TEMPLATE, or what they are made from. The old subject stays this identity's until it \
                     is released"
                );
            }
            Ok(Ok(subject))
        }
    }
}
