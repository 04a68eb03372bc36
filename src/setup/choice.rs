//! Which app, and which of its sheets. Pure.

/// Something to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// What comes of looking for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one that was named, or the only one.
    Taken(Entry),
    /// There is none.
    Nothing,
    /// None, or more than one, is so named.
    Unknown,
    /// Somebody has to choose.
    Several,
}

/// Takes the entry that is named by its id, or by its title when no other has it; without a name, the only one.
pub fn choose(named: Option<&str>, entries: &[Entry]) -> Choice {
    let Some(named) = named.map(str::trim) else {
        return match entries {
            [] => Choice::Nothing,
            [one] => Choice::Taken(one.clone()),
            _ => Choice::Several,
        };
    };
    if let Some(entry) = entries.iter().find(|entry| entry.id.eq_ignore_ascii_case(named)) {
        return Choice::Taken(entry.clone());
    }
    let mut titled = entries.iter().filter(|entry| entry.title.trim() == named);
    match (titled.next(), titled.next()) {
        (Some(entry), None) => Choice::Taken(entry.clone()),
        _ => Choice::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_one_is_taken_and_of_several_the_one_that_is_named() {
        let entry = |id: &str, title: &str| Entry { id: id.into(), title: title.into() };
        let all = [entry("a1", "Sales"), entry("b2", "Stock"), entry("c3", "Stock"), entry("Sales", "x")];
        let taken = |entry: &Entry| Choice::Taken(entry.clone());
        for (named, entries, expected) in [
            (None, &all[..0], Choice::Nothing),
            (None, &all[..1], taken(&all[0])),
            (None, &all[..], Choice::Several),
            (Some("B2"), &all[..], taken(&all[1])),
            (Some(" Sales "), &all[..], taken(&all[3])),
            (Some("x"), &all[..], taken(&all[3])),
            (Some("Stock"), &all[..], Choice::Unknown),
            (Some("d4"), &all[..1], Choice::Unknown),
        ] {
            assert_eq!(choose(named, entries), expected, "{named:?}");
        }
    }
}
