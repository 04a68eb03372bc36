//! What was warned about already.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// As many are remembered; then warnings begin anew.
const REMEMBERED: usize = 10_000;

/// Lets each warning out once, so that one person's visits do not fill the log. It decides about nothing else.
#[derive(Debug, Default)]
pub(super) struct Warned(Mutex<HashSet<u64>>);

impl Warned {
    /// Whether this is the first time.
    pub(super) fn first(&self, what: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_given_once_and_memory_is_bounded() {
        let warned = Warned::default();
        assert!(warned.first("a") && !warned.first("a") && warned.first("b"));
        for number in 0..3 * REMEMBERED {
            warned.first(number);
        }
        assert!(warned.0.lock().expect("nobody panicked").len() <= REMEMBERED);
    }
}
