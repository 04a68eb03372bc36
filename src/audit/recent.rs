//! The last events, in memory, for administrators who look at this instance. The log and the file have them all.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use time::OffsetDateTime;

use super::{Caller, Line};
use crate::clock::Clock;

/// How many are kept; each is well below 1 KiB.
const KEPT: usize = 200;

/// Who keeps events. As the log, they are the process's: events happen far from whoever could hand this on.
static KEEPERS: RwLock<Vec<Weak<Keeper>>> = RwLock::new(Vec::new());

/// The last events since somebody began to keep them, without those of who looks at them. Clones share them.
#[derive(Clone, Debug)]
pub struct Recent(Arc<Keeper>);

#[derive(Debug)]
struct Keeper {
    clock: Clock,
    events: Mutex<VecDeque<Told>>,
}

/// An event that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: OffsetDateTime,
    /// What happened, in the words of the log.
    pub what: &'static str,
    /// Whether it is one that the log has as a warning.
    pub warning: bool,
    /// The fields that have a value, under their names in the log.
    pub fields: Vec<(&'static str, String)>,
}

impl Recent {
    /// How many are kept.
    pub const KEPT: usize = KEPT;

    /// Keeps what happens from now on.
    pub fn begin(clock: Clock) -> Self {
        let keeper = Arc::new(Keeper { clock, events: Mutex::default() });
        let mut keepers = KEEPERS.write().unwrap_or_else(PoisonError::into_inner);
        keepers.retain(|keeper| keeper.strong_count() > 0);
        keepers.push(Arc::downgrade(&keeper));
        Self(keeper)
    }

    /// They, the last one first.
    pub fn events(&self) -> Vec<Told> {
        let events = self.0.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().rev().cloned().collect()
    }
}

pub(super) fn tell(caller: Option<Caller>, line: &Line<'_>) {
    let keepers = KEEPERS.read().unwrap_or_else(PoisonError::into_inner);
    for keeper in keepers.iter().filter_map(Weak::upgrade) {
        let told =
            Told { at: keeper.clock.now(), what: line.what, warning: line.warning, fields: fields(caller, line) };
        let mut events = keeper.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(told);
    }
}

fn fields(caller: Option<Caller>, line: &Line<'_>) -> Vec<(&'static str, String)> {
    fn text<T: Display>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let all = [
        ("identity", text(line.identity)),
        ("by", text(line.by)),
        ("part", text(line.part)),
        ("subject", text(line.subject)),
        ("source", text(line.source)),
        ("page", text(line.page)),
        ("rule", text(line.rule)),
        ("headers", text(line.headers)),
        ("limit", text(line.limit)),
        ("ended", text(line.ended)),
        ("reason", text(line.reason)),
        ("request_id", text(caller.map(|caller| caller.request.simple()))),
        ("address", text(caller.map(|caller| caller.address))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
