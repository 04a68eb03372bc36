//! What commands need that need not everything.

use time::OffsetDateTime;

use super::file::Sources;
use super::reader::Reader;
use super::{Env, Log, OwnAddress, Problems, log, mapping, page, server, signing, stores, subject};
use crate::mapping::Mapping;
use crate::qlik::{Tenant, token};
use crate::{store, subjects};

/// What `read` makes of this environment, and of the file that it names. It gives nothing only after a problem.
fn part<T>(env: &Env, read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, Problems> {
    let sources = Sources::of(env);
    let mut reader = Reader::new(&sources);
    let found = read(&mut reader);
    reader.finish()?;
    Ok(found.expect("what could not be read was reported as a problem"))
}

/// Reads what the commands about accounts need: the store.
///
/// # Errors
/// All problems in one report.
pub fn load_store(env: &Env) -> Result<store::Settings, Problems> {
    part(env, stores::read)
}

/// Reads what the commands about the list of subjects need: the store, and whether subjects may be shared.
///
/// # Errors
/// All problems in one report.
pub fn load_list(env: &Env) -> Result<(store::Settings, bool), Problems> {
    part(env, |reader| {
        let (store, shared) = (stores::read(reader), mapping::shared(reader));
        store.zip(shared)
    })
}

/// What tells who somebody is to Qlik, for commands.
#[derive(Debug)]
pub struct ToFindSubjects {
    /// What is remembered.
    pub store: store::Settings,
    /// The rules.
    pub mapping: Mapping,
    /// How subjects are found and guarded.
    pub subjects: subjects::Settings,
}

/// Reads what `token` needs: the key, and what tells who somebody is to Qlik.
///
/// # Errors
/// All problems in one report.
pub fn load_token(env: &Env, now: OffsetDateTime) -> Result<(token::Settings, ToFindSubjects), Problems> {
    part(env, |reader| {
        let (token, found) = (signing::read(reader, now), to_find_subjects(reader));
        token.map(|(token, _)| token).zip(found)
    })
}

fn to_find_subjects(reader: &mut Reader) -> Option<ToFindSubjects> {
    let store = stores::read(reader);
    let shared = mapping::shared(reader);
    let mapping = mapping::read(reader, &[], shared == Some(true));
    let tenant = if subject::look_up_is_on(reader) { page::tenant(reader) } else { None };
    let access = subject::access(reader)?;
    let subjects = subject::read(reader, tenant.as_ref(), access.as_ref(), shared);
    Some(ToFindSubjects { store: store?, mapping: mapping?, subjects: subjects? })
}

/// Reads where the tenant is.
///
/// # Errors
/// All problems in one report.
pub fn load_tenant(env: &Env) -> Result<Tenant, Problems> {
    part(env, page::tenant)
}

/// Reads where on this machine the server itself is reached.
///
/// # Errors
/// All problems in one report.
pub fn load_own_address(env: &Env) -> Result<OwnAddress, Problems> {
    part(env, server::own_address)
}

/// Reads how to log.
///
/// # Errors
/// All problems in one report.
pub fn load_log(env: &Env) -> Result<Log, Problems> {
    part(env, log::read)
}
