//! Settings that change while the server runs: read again on SIGHUP, and when a file that has some of them has changed.
//!
//! All of it is read and checked first. Then either all of it is taken, or nothing, and the log says why.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::observed::note_certificates;
use super::{Instance, systemd};
use crate::audit::file::File;
use crate::config::settings::{DEFAULT_KEY_FILE, SIGNING_KEY, find};
use crate::config::{self, Again, Env, Problems, Standing, Written};
use crate::metrics;
use crate::qlik::token::{self, Issuer};
use crate::store;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// A change counts when the files stay the same for this long: certificate and key are exchanged one after the other.
const SETTLED: Duration = Duration::from_secs(1);
/// After how many looks what failed is tried again, though nothing has changed that is looked at.
const AGAIN: u32 = 12;
/// What belongs together in the tenant's identity provider.
const NAMES: [&str; 3] = ["QLIK_JWT_ISSUER", "QLIK_JWT_KEY_ID", SIGNING_KEY];

/// Changes what is logged: takes directives of `RUST_LOG` that were checked.
pub type LogLevel = Arc<dyn Fn(&str) -> anyhow::Result<()> + Send + Sync>;

/// Where settings come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The process's environment, which wins.
    pub process: Env,
    /// The file under it.
    pub file: PathBuf,
}

/// Where settings come from, and how they were when the server was started.
pub struct Settings {
    source: Source,
    standing: Standing,
    level: LogLevel,
    /// The directives in effect.
    filter: String,
    seen: Seen,
    key: Vec<Option<String>>,
    /// Remarks that the log has already.
    hints: BTreeSet<String>,
}

impl Settings {
    /// Those that were read from this source just now, with these remarks; and what changes the log, which has these directives.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    pub fn read(source: Source, hints: Vec<String>, level: LogLevel, filter: String) -> Result<Self, Problems> {
        let env = source.env()?;
        let (standing, seen, key) = (Standing::of(&env), source.look(), named_key(&env));
        Ok(Self { source, standing, level, filter, seen, key, hints: hints.into_iter().collect() })
    }
}

/// What lies in the files, as hashes.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    /// `.env`, `CONFIG_FILE`, and the files of secrets and certificates.
    settings: Vec<u8>,
    /// The key that signs. Its file may be prepared before it is used, so that what is in it is news only to whoever could not
    /// use what was there.
    key: Vec<u8>,
}

impl Source {
    /// Everything that is set.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn env(&self) -> Result<Env, Problems> {
        config::with_dotenv(&self.process, &self.file)
    }

    fn look(&self) -> Seen {
        let mut files = vec![self.file.clone()];
        let mut key = PathBuf::from(DEFAULT_KEY_FILE);
        if let Ok(env) = self.env() {
            let written = Written::of(&env);
            files.extend(written.value("CONFIG_FILE").into_iter().chain(written.live_files()).map(PathBuf::from));
            key = written.file_of(SIGNING_KEY).map_or(key, PathBuf::from);
        }
        Seen { settings: hash(&files), key: hash(&[key]) }
    }

    /// Live settings of which the file says something else than the environment, which cannot change.
    fn hidden(&self) -> Vec<String> {
        let Ok(file) = config::read_dotenv(&self.file) else { return Vec::new() };
        let is_live = |name: &str| {
            let plain = name.strip_suffix("_FILE").filter(|_| find(name).is_none()).unwrap_or(name);
            find(plain).is_some_and(|setting| setting.live)
        };
        let differs = |(name, value): &(String, String)| self.process.get(name).is_some_and(|set| set != value);
        file.into_iter().filter(|(name, _)| is_live(name)).filter(differs).map(|(name, _)| name).collect()
    }
}

/// Names and contents; a file that is not there counts too.
fn hash(files: &[PathBuf]) -> Vec<u8> {
    let mut hash = Context::new(&SHA256);
    for file in files {
        hash.update(file.as_os_str().as_encoded_bytes());
        let content = config::content(file);
        hash.update(&[0, u8::from(content.is_some())]);
        let content = content.unwrap_or_default();
        hash.update(&content.len().to_be_bytes());
        hash.update(&content);
    }
    hash.finish().as_ref().to_vec()
}

/// How the key is named: the three settings, and the file that has it.
fn named_key(env: &Env) -> Vec<Option<String>> {
    let written = Written::of(env);
    NAMES.iter().map(|name| written.value(name)).chain([written.file_of(SIGNING_KEY)]).collect()
}

/// Reads the settings again whenever there is reason to, until the process ends. On SIGHUP the file of the audit is opened anew,
/// too.
pub(super) fn watch(settings: Settings, audit: Option<File>, instance: Instance, mut hangup: Signal) {
    let mut reader = Reader { settings, instance, refused: None, waiting: Vec::new(), hidden: Vec::new() };
    tokio::spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks_since_refusal = 0;
        loop {
            tokio::select! {
                _ = hangup.recv() => {
                    if reader.instance.present.app().is_draining() {
                        return;
                    }
                    systemd::reloading();
                    looks_since_refusal = 0;
                    if let Some(file) = &audit {
                        reopen(file);
                    }
                    reader.settings.seen = reader.settings.source.look();
                    reader.read(Reason::Asked);
                }
                _ = ticks.tick() => {
                    // Whoever stops says so to the service manager, and nothing after that.
                    if reader.instance.present.app().is_draining() {
                        return;
                    }
                    looks_since_refusal = if reader.refused.is_some() { looks_since_refusal + 1 } else { 0 };
                    if reader.is_news() {
                        reader.settle().await;
                        systemd::reloading();
                        reader.read(Reason::Changed);
                    } else {
                        if looks_since_refusal == AGAIN {
                            looks_since_refusal = 0;
                            reader.read(Reason::Again);
                            systemd::status(reader.status());
                        }
                        continue;
                    }
                }
            }
            systemd::ready(reader.status());
        }
    });
}

fn reopen(file: &File) {
    let path = file.path().display();
    match file.reopen() {
        Ok(()) => tracing::info!(%path, "the file of the audit is opened anew"),
        Err(problem) => tracing::error!(%path, %problem, "the file of the audit cannot be opened anew"),
    }
}

/// Why settings are read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Somebody asked for it.
    Asked,
    /// A file has changed.
    Changed,
    /// They could not be used before.
    Again,
}

/// Reads settings again, and says what came of it.
struct Reader {
    settings: Settings,
    instance: Instance,
    /// Why what was read last cannot be used.
    refused: Option<String>,
    /// What was told of settings that take effect at the next start, and of those that the environment hides.
    waiting: Vec<&'static str>,
    hidden: Vec<String>,
}

impl Reader {
    /// Whether the files are not as they were seen.
    fn is_news(&self) -> bool {
        let (now, before) = (self.settings.source.look(), &self.settings.seen);
        now.settings != before.settings || (self.refused.is_some() && now.key != before.key)
    }

    /// Waits until nobody writes any more; not for long.
    async fn settle(&mut self) {
        for _ in 0..EVERY.as_secs() {
            let now = self.settings.source.look();
            sleep(SETTLED).await;
            self.settings.seen = self.settings.source.look();
            if self.settings.seen == now {
                return;
            }
        }
    }

    fn read(&mut self, reason: Reason) {
        let taken = self.settings.source.env().and_then(|env| self.take(&env, reason));
        self.tell_hidden(reason);
        match taken {
            Ok(again) => {
                self.refused = None;
                metrics::reloaded(true);
                self.settings.standing.taken(&again);
                self.tell_taken(reason, again);
            }
            Err(problems) => {
                metrics::reloaded(false);
                self.tell_refused(reason, problems.in_one_line());
            }
        }
    }

    /// Everything or nothing: what can fail comes first.
    fn take(&mut self, env: &Env, reason: Reason) -> Result<Again, Problems> {
        let app = self.instance.present.app();
        let again = self.settings.standing.load(env, app.clock.now())?;
        let config = again.loaded.config.clone();
        let store = app.store.prepare(&config.store).map_err(|problem| cannot_be_reached(&problem))?;
        // Of the key, only another name is news; what lies in the file may be prepared before it is used.
        let key = named_key(env);
        let is_new = reason == Reason::Asked || key != self.settings.key;
        match (&app.tokens, &config.token) {
            (Some(tokens), Some(token)) if is_new => sign_with(tokens, token.clone(), reason)?,
            (None, Some(_)) => return Err(needs_restart()),
            _ => {}
        }
        self.settings.key = key;
        if again.loaded.log.filter != self.settings.filter {
            match (self.settings.level)(&again.loaded.log.filter) {
                Ok(()) => self.settings.filter.clone_from(&again.loaded.log.filter),
                Err(problem) => tracing::error!(%problem, "what is logged cannot be changed"),
            }
        }
        if let (Some(running), Some(before), Some(tls)) = (&self.instance.tls, &app.server.tls, &config.server.tls)
            && !before.is_same_as(tls)
        {
            running.reload_from_config(tls.config());
            let file = tls.certificate().display();
            tracing::info!(%file, "new connections get another certificate from now on");
        }
        note_certificates(&config);
        self.instance.present.exchange(app.renewed(config, store));
        Ok(again)
    }

    fn tell_taken(&mut self, reason: Reason, again: Again) {
        for hint in again.loaded.hints {
            if self.settings.hints.insert(hint.clone()) {
                tracing::warn!("{hint}");
            }
        }
        if again.waiting != self.waiting || (reason == Reason::Asked && !again.waiting.is_empty()) {
            let settings = again.waiting.join(", ");
            if settings.is_empty() {
                tracing::info!("no setting waits for the next start any more");
            } else {
                tracing::warn!(settings, "these have changed and take effect at the next start");
            }
        }
        self.waiting = again.waiting;
        let changed = again.changed.iter().filter(|name| !self.waiting.contains(name)).copied();
        let changed = changed.collect::<Vec<_>>().join(", ");
        tracing::info!(changed, "the configuration is read again, and in effect");
    }

    /// Once for each report; and whoever asks gets an answer.
    fn tell_refused(&mut self, reason: Reason, problems: String) {
        if reason == Reason::Asked || self.refused.as_ref() != Some(&problems) {
            tracing::error!(problems, "the new configuration cannot be used, so the old one stays in effect");
        }
        self.refused = Some(problems);
    }

    fn tell_hidden(&mut self, reason: Reason) {
        let hidden = self.settings.source.hidden();
        if !hidden.is_empty() && (reason == Reason::Asked || hidden != self.hidden) {
            let settings = hidden.join(", ");
            tracing::warn!(
                settings,
                "the environment sets these, which wins over .env and cannot change while it runs"
            );
        }
        self.hidden = hidden;
    }

    fn status(&self) -> &'static str {
        match &self.refused {
            None => "serving",
            Some(_) => "serving with the old configuration: the new one cannot be used, see the log",
        }
    }
}

/// Signs with this key, under its names, from now on.
fn sign_with(tokens: &Issuer, settings: token::Settings, reason: Reason) -> Result<(), Problems> {
    let (issuer, key_id) = (settings.issuer().to_owned(), settings.key_id().to_owned());
    if tokens.has(&settings) {
        if reason == Reason::Asked {
            tracing::info!(issuer, key_id, "the key is the same");
        }
        return Ok(());
    }
    tokens.exchange(settings).map_err(|problem| {
        let reason = format!("cannot be used: no thread can be started for it ({problem})");
        Problems::one(SIGNING_KEY, reason, "see which limit of the machine or of the service is reached")
    })?;
    tracing::info!(issuer, key_id, "tokens are signed with another key from now on");
    Ok(())
}

/// What signs is built into what keeps visitors' sessions at the tenant.
fn needs_restart() -> Problems {
    Problems::one(SIGNING_KEY, "is needed by a page now, and no page needed one at the start", "restart the server")
}

/// The settings were read, so that it is what they name which is of no use.
fn cannot_be_reached(problem: &store::Error) -> Problems {
    let variable = if matches!(problem, store::Error::Sessions { .. }) { "SESSION_STORE_URL" } else { "DATABASE_URL" };
    let reason = format!("or what is set beside it cannot be used: {problem}");
    Problems::one(variable, reason, "see what the passwords and files of the stores say")
}
