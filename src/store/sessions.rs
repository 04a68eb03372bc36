//! The session layer's view of the store: its records, encrypted, by the hash of their id, on our clock.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};

use super::{Error, Marks, Place, SessionRef, Store, hash};
use crate::clock::Clock;

/// The entry of a session that names whose it is: an [`Identity::key`](crate::identity::Identity::key).
pub const OWNER: &str = "owner";
/// The entry of a session that names the session at the OpenID provider in which it began.
pub const PROVIDER_SESSION: &str = "provider_session";

/// The entries of a session.
type Data = HashMap<String, Value>;

/// Sessions in the store.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    clock: Clock,
}

impl Sessions {
    /// Sessions that expire by this clock.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }
}

/// For what knows a session by its reference only.
impl Sessions {
    /// One entry of a session.
    ///
    /// # Errors
    /// When the store does not answer, or what it has cannot be read.
    pub async fn entry(&self, session: SessionRef, name: &str) -> session_store::Result<Option<Value>> {
        let record = self.store.session_record(session, self.clock.now()).await.map_err(backend)?;
        let Some((_, value)) = record else { return Ok(None) };
        Ok(decode(&value)?.remove(name))
    }

    /// The next sessions of people who are signed in, behind this place, and one entry of each; `None` where there is none, or
    /// it cannot be read.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(
        &self,
        name: &str,
        behind: Option<Place>,
        most: u32,
    ) -> session_store::Result<Vec<(Place, Option<Value>)>> {
        let sealed = self.store.sealed_sessions(behind, most, self.clock.now()).await.map_err(backend)?;
        let entry = |value: Option<Vec<u8>>| decode(&value?).ok()?.remove(name);
        Ok(sealed.into_iter().map(|sealed| (sealed.place, entry(sealed.value))).collect())
    }

    /// Replaces one entry, and says anew when the session ends. A session that has ended stays so.
    ///
    /// # Errors
    /// When the store does not answer, or what it has cannot be read.
    pub async fn set_entry(
        &self,
        session: SessionRef,
        name: &str,
        value: Value,
        until: OffsetDateTime,
    ) -> session_store::Result<()> {
        let record = self.store.session_record_anew(session, self.clock.now()).await.map_err(backend)?;
        let Some(data) = record else { return Ok(()) };
        let mut data = decode(&data)?;
        data.insert(name.to_owned(), value);
        let (marks, data) = (marks(&data), encode(&data)?);
        self.store.update_session(session, marks, data, until).await.map_err(backend)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        loop {
            let value = encode(&record.data)?;
            let created =
                self.store.insert_record(&name(&record.id), marks(&record.data), value, record.expiry_date).await;
            if created.map_err(backend)? {
                return Ok(());
            }
            record.id = Id::default();
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let value = encode(&record.data)?;
        let saved = self.store.update_record(&name(&record.id), marks(&record.data), value, record.expiry_date).await;
        saved.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let record = self.store.session_record(SessionRef::of(*id), self.clock.now()).await;
        let Some((expiry_date, value)) = record.map_err(backend)? else { return Ok(None) };
        Ok(Some(Record { id: *id, data: decode(&value)?, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.store.delete_record(&name(id)).await.map_err(backend)
    }
}

/// The id stays out of the value: whoever opens a row still cannot take the session over.
fn encode(data: &Data) -> session_store::Result<Vec<u8>> {
    serde_json::to_vec(data).map_err(|problem| session_store::Error::Encode(problem.to_string()))
}

fn decode(value: &[u8]) -> session_store::Result<Data> {
    serde_json::from_slice(value).map_err(|problem| session_store::Error::Decode(problem.to_string()))
}

/// What the id of a session's record is the hash of.
pub(super) fn name(id: &Id) -> [u8; 16] {
    id.0.to_le_bytes()
}

fn marks(data: &Data) -> Marks {
    let entry = |name| data.get(name).and_then(Value::as_str).map(|text| hash(text.as_bytes()));
    Marks { owner: entry(OWNER), provider_session: entry(PROVIDER_SESSION) }
}

fn backend(problem: Error) -> session_store::Error {
    session_store::Error::Backend(problem.to_string())
}
