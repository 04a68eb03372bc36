//! The configuration, read again while the server runs. Some settings are live ([`Setting::live`]); the others hold from start
//! to end, and the live ones are checked together with them, since that is what the server will run with.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use super::file::{Env, Sources};
use super::problem::Problems;
use super::reader::Reader;
use super::settings::{SETTINGS, Setting};
use super::{Loaded, load_from};

/// With one of these there is TLS, and to begin or end it while the server runs would change what visitors type.
const TLS: [&str; 2] = ["TLS_CERT_FILE", "TLS_KEY_FILE"];

/// What holds: what was written at the start, and what was read last.
pub struct Standing {
    start: Sources,
    last: Sources,
    /// What lay at the start in the files of secrets that are not live. Only their hashes are kept.
    secrets: BTreeMap<&'static str, Option<Vec<u8>>>,
}

/// A configuration that can be taken while the server runs.
pub struct Again {
    /// The configuration, in which what is not live is as it was at the start.
    pub loaded: Loaded,
    /// Settings, lists and tables that are written otherwise than when they were read last, and are taken.
    pub changed: Vec<&'static str>,
    /// Settings that are written otherwise than at the start, and take effect at the next one.
    pub waiting: Vec<&'static str>,
    sources: Sources,
}

impl Standing {
    /// What this environment, and the file that it names, say now.
    pub fn of(env: &Env) -> Self {
        let start = Sources::of(env);
        let of_files = SETTINGS.iter().filter(|setting| setting.secret && !setting.live);
        let secrets = of_files.map(|setting| (setting.name, content(&start, setting))).collect();
        Self { last: start.clone(), start, secrets }
    }

    /// Reads and checks everything again: as a start would, and then as it would be from now on.
    ///
    /// # Errors
    /// All problems in one report.
    pub fn load(&self, env: &Env, now: OffsetDateTime) -> Result<Again, Problems> {
        let mut sources = Sources::of(env);
        let whole = load_from(&sources, now)?;
        let waiting = self.waiting(&sources);
        if waiting.is_empty() {
            return Ok(self.again(whole, sources, Vec::new()));
        }
        for setting in &waiting {
            sources.take(setting, &self.start);
        }
        let waiting: Vec<_> = waiting.into_iter().map(|setting| setting.name).collect();
        let loaded = load_from(&sources, now).map_err(|mut problems| {
            let others = waiting.join(", ");
            problems.hints.push(format!("{others} take effect at the next start; without that, the rest is not whole"));
            problems
        })?;
        Ok(self.again(loaded, sources, waiting))
    }

    /// From now on this is what was read last.
    pub fn taken(&mut self, again: &Again) {
        self.last = again.sources.clone();
    }

    fn again(&self, loaded: Loaded, sources: Sources, waiting: Vec<&'static str>) -> Again {
        let changed = SETTINGS.iter().filter(|setting| !is_same(setting, &sources, &self.last));
        let changed = changed.map(|setting| setting.name).chain(sources.other_lists(&self.last)).collect();
        Again { loaded, changed, waiting, sources }
    }

    /// What is not live, and written otherwise than at the start.
    fn waiting(&self, now: &Sources) -> Vec<&'static Setting> {
        let has_tls = |sources| TLS.iter().any(|name| Reader::new(sources).is_set(name));
        let other_tls = has_tls(now) != has_tls(&self.start);
        let is_live = |setting: &Setting| setting.live && !(other_tls && TLS.contains(&setting.name));
        let is_secret_same =
            |setting: &Setting| self.secrets.get(setting.name).is_none_or(|before| *before == content(now, setting));
        let is_same = |setting: &Setting| is_same(setting, now, &self.start) && is_secret_same(setting);
        SETTINGS.iter().filter(|setting| !is_live(setting) && !is_same(setting)).collect()
    }
}

/// Whether both say the same of it, wherever and under whatever spelling.
fn is_same(setting: &Setting, one: &Sources, other: &Sources) -> bool {
    let (one, other) = (Reader::new(one), Reader::new(other));
    let file =
        |reader: &Reader<'_>| if setting.secret { reader.file_of(setting.name).map(str::to_owned) } else { None };
    one.value(setting.name) == other.value(setting.name) && file(&one) == file(&other)
}

/// The hash of what lies in the file of a secret.
fn content(sources: &Sources, setting: &Setting) -> Option<Vec<u8>> {
    let file = Reader::new(sources).file_of(setting.name)?;
    let content = std::fs::read(file).ok()?;
    Some(digest(&SHA256, &content).as_ref().to_vec())
}
