//! The configuration, read again while the server runs. Some settings are live ([`Setting::live`]); the others hold from start
//! to end, and the live ones are checked together with them, since that is what the server will run with.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use super::file::{Env, Sources, content};
use super::problem::Problems;
use super::reader::Reader;
use super::settings::{SETTINGS, SIGNING_KEY, Setting};
use super::{Loaded, load_from};

/// Each is live as long as it is given. To begin or end it takes a restart: TLS, which would change what visitors type; a right at
/// the tenant, of which parts are built; and a secret of our own in the place of the one beside an SQLite file.
const TO_BEGIN: [&[&str]; 4] =
    [&["TLS_CERT_FILE", "TLS_KEY_FILE"], &["QLIK_API_KEY"], &["QLIK_ADMIN_CLIENT_SECRET"], &["SESSION_SECRET"]];

/// What holds: what was written at the start, and what was read last.
pub struct Standing {
    start: Said,
    last: Said,
}

/// What is written, and what lies in the files that it names. Of the files, only hashes are kept.
#[derive(Clone)]
struct Said {
    sources: Sources,
    files: BTreeMap<&'static str, Option<Vec<u8>>>,
}

/// A configuration that can be taken while the server runs.
pub struct Again {
    /// The configuration, in which what is not live is as it was at the start.
    pub loaded: Loaded,
    /// Settings, lists and tables that are written otherwise than when they were read last, and are taken.
    pub changed: Vec<&'static str>,
    /// Settings that are written otherwise than at the start, and take effect at the next one.
    pub waiting: Vec<&'static str>,
    said: Said,
}

impl Standing {
    /// What this environment, and the file that it names, say now.
    pub fn of(env: &Env) -> Self {
        let start = Said::of(env);
        Self { last: start.clone(), start }
    }

    /// Reads and checks everything again: as a start would, and then as it would be from now on.
    ///
    /// # Errors
    /// All problems in one report.
    pub fn load(&self, env: &Env, now: OffsetDateTime) -> Result<Again, Problems> {
        let mut said = Said::of(env);
        let whole = load_from(&said.sources, now)?;
        let waiting = self.waiting(&said);
        if waiting.is_empty() {
            return Ok(self.again(whole, said, Vec::new()));
        }
        for setting in &waiting {
            said.sources.take(setting, &self.start.sources);
        }
        let waiting: Vec<_> = waiting.into_iter().map(|setting| setting.name).collect();
        let loaded = load_from(&said.sources, now).map_err(|mut problems| {
            let others = waiting.join(", ");
            problems.hints.push(format!("{others} take effect at the next start; without that, the rest is not whole"));
            problems
        })?;
        Ok(self.again(loaded, said, waiting))
    }

    /// From now on this is what was read last.
    pub fn taken(&mut self, again: &Again) {
        self.last = again.said.clone();
    }

    fn again(&self, loaded: Loaded, said: Said, waiting: Vec<&'static str>) -> Again {
        let changed = SETTINGS.iter().filter(|setting| !said.is_same(setting, &self.last));
        let lists = said.sources.other_lists(&self.last.sources);
        let changed = changed.map(|setting| setting.name).chain(lists).collect();
        Again { loaded, changed, waiting, said }
    }

    /// What is not live, and written otherwise than at the start.
    fn waiting(&self, now: &Said) -> Vec<&'static Setting> {
        let has = |said: &Said, names: &[&str]| names.iter().any(|name| Reader::new(&said.sources).is_given(name));
        let begins_or_ends = |names: &&[&str]| has(now, names) != has(&self.start, names);
        let not_live: Vec<_> = TO_BEGIN.into_iter().filter(begins_or_ends).flatten().collect();
        let is_live = |setting: &Setting| setting.live && !not_live.contains(&&setting.name);
        SETTINGS.iter().filter(|setting| !is_live(setting) && !now.is_same(setting, &self.start)).collect()
    }
}

impl Said {
    fn of(env: &Env) -> Self {
        let sources = Sources::of(env);
        let content = |file: &str| Some(digest(&SHA256, &content(file)?).as_ref().to_vec());
        let files = SETTINGS.iter().filter_map(|setting| Some((setting.name, content(file_of(&sources, setting)?))));
        let files = files.collect();
        Self { sources, files }
    }

    /// Whether both say the same of it, wherever and under whatever spelling.
    fn is_same(&self, setting: &Setting, other: &Self) -> bool {
        let (one, that) = (Reader::new(&self.sources), Reader::new(&other.sources));
        let file = |reader: &Reader<'_>| setting.secret.then(|| reader.file_of(setting.name).map(str::to_owned));
        one.value(setting.name) == that.value(setting.name)
            && file(&one) == file(&that)
            && self.files.get(setting.name) == other.files.get(setting.name)
    }
}

/// The file that has what a setting says, if it counts as soon as it is there.
pub(super) fn file_of<'s>(sources: &'s Sources, setting: &Setting) -> Option<&'s str> {
    match setting {
        Setting { name: SIGNING_KEY, .. } => None,
        Setting { name, secret: true, .. } => Reader::new(sources).file_of(name),
        Setting { name, file: true, .. } => Reader::new(sources).value(name),
        _ => None,
    }
}
