//! Which groups Qlik hears of, and under which names.

use std::collections::BTreeMap;
use std::fmt;

use super::pattern::Pattern;

/// So many groups a Qlik user can have (Qlik Cloud facts, section A.5).
pub const MOST: usize = 1000;

/// So many characters a group's name can have (Qlik Cloud facts, section A.5).
pub const LONGEST: usize = 256;

/// The log's words for groups that were lost.
pub const LOST: &str = "groups were left out: too many, or of a name that Qlik does not take";

/// What becomes of a person's groups: first the allow-list, then other names, then the prefix, then the cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Names as the source has them; `None` allows all.
    pub allow: Option<Vec<Pattern>>,
    /// From names as the source has them to names as Qlik shall have them.
    pub rename: BTreeMap<String, String>,
    /// What each name begins with.
    pub prefix: String,
    /// How many there may be; the first ones by name are kept.
    pub max: usize,
}

impl Default for Groups {
    fn default() -> Self {
        Self { allow: None, rename: BTreeMap::new(), prefix: String::new(), max: MOST }
    }
}

/// Why a group is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No entry of the allow-list fits.
    NotAllowed,
    /// Qlik would not take the name.
    BadName,
    /// Enough others come before it.
    OverMax,
}

impl Reason {
    /// Whether nobody asked for it.
    pub(super) fn is_a_loss(self) -> bool {
        self != Self::NotAllowed
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAllowed => "not in the allow-list",
            Self::BadName => "its name is longer than 256 characters, or has control characters",
            Self::OverMax => "more than GROUPS_MAX",
        })
    }
}

/// A group that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name: the source's, or Qlik's when it got that far.
    pub group: String,
    /// Why.
    pub reason: Reason,
}

impl Groups {
    /// Sorted and without duplicates, so that the source's order never matters. What is left out is told.
    pub(super) fn apply<T: AsRef<str>>(&self, names: &[T], mut left_out: impl FnMut(&str, Reason)) -> Vec<String> {
        let mut groups = Vec::with_capacity(names.len());
        for name in names.iter().map(|name| name.as_ref().trim()).filter(|name| !name.is_empty()) {
            if self.allow.as_ref().is_some_and(|allowed| !allowed.iter().any(|pattern| pattern.matches(name))) {
                left_out(name, Reason::NotAllowed);
                continue;
            }
            let name = self.rename.get(name).map_or(name, String::as_str);
            let group = [self.prefix.as_str(), name].concat();
            if is_good(&group) { groups.push(group) } else { left_out(&group, Reason::BadName) }
        }
        groups.sort_unstable();
        groups.dedup();
        for group in groups.drain(self.max.min(groups.len())..) {
            left_out(&group, Reason::OverMax);
        }
        groups
    }
}

/// Whether Qlik takes a group of this name.
pub fn is_good(name: &str) -> bool {
    let short = name.len() <= LONGEST || name.chars().count() <= LONGEST;
    short && !name.trim().is_empty() && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(change: impl FnOnce(&mut Groups)) -> Groups {
        let mut groups = Groups::default();
        change(&mut groups);
        groups
    }

    fn apply(groups: &Groups, names: &[&str]) -> (Vec<String>, Vec<(String, Reason)>) {
        let mut lost = Vec::new();
        let kept = groups.apply(names, |name, reason| lost.push((name.to_owned(), reason)));
        (kept, lost)
    }

    #[test]
    fn groups_are_sorted_and_each_stands_once() {
        assert_eq!(apply(&Groups::default(), &["b", "a", " b ", "", " ", "B"]).0, ["B", "a", "b"]);
    }

    #[test]
    fn the_allow_list_comes_first_then_the_name_then_the_prefix_then_the_cap() {
        let pattern = |text: &str| Pattern::parse(text).expect("a pattern");
        let groups = groups(|groups| {
            groups.allow = Some(vec![pattern("Vertrieb"), pattern("R&D, *")]);
            groups.rename = BTreeMap::from([("Vertrieb".into(), "Sales".into()), ("IT".into(), "Sales".into())]);
            groups.prefix = "acme:".into();
            groups.max = 2;
        });
        let (kept, lost) = apply(&groups, &["Vertrieb", "IT", "R&D, Basel", "Sales", "R&D, Aarau"]);
        assert_eq!(kept, ["acme:R&D, Aarau", "acme:R&D, Basel"]);
        let not_allowed = |name: &str| (name.to_owned(), Reason::NotAllowed);
        assert_eq!(lost, [not_allowed("IT"), not_allowed("Sales"), ("acme:Sales".into(), Reason::OverMax)]);
    }

    #[test]
    fn the_same_ones_are_kept_in_whatever_order_they_come() {
        let names: Vec<_> = (0..1500).map(|number| format!("group {number}")).collect();
        let forwards: Vec<_> = names.iter().map(String::as_str).collect();
        let backwards: Vec<_> = forwards.iter().rev().copied().collect();
        let (kept, lost) = apply(&Groups::default(), &forwards);
        assert_eq!((kept.len(), lost.len()), (MOST, 500));
        assert_eq!(apply(&Groups::default(), &backwards), (kept, lost));
        assert!(apply(&groups(|groups| groups.max = 0), &["a"]).0.is_empty());
    }

    #[test]
    fn names_that_qlik_does_not_take_are_left_out() {
        let (long, longer) = ("ä".repeat(LONGEST), "ä".repeat(LONGEST + 1));
        let (kept, lost) = apply(&Groups::default(), &[&long, &longer, "a\nb"]);
        assert_eq!(kept, [long]);
        assert_eq!(lost, [(longer, Reason::BadName), ("a\nb".into(), Reason::BadName)]);
    }
}
