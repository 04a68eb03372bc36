//! Patterns of conditions and lists.

use std::fmt;

/// A text in which `*` stands for any run of characters, also none. Without one it is that text and no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// `None` when nothing is in it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The same in small letters, for texts of which case says nothing.
    pub fn to_lowercase(&self) -> Self {
        Self(self.0.to_lowercase())
    }

    /// Whether it is one text and no other.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
        let Some(end) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(end)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        for (pattern, fits, does_not) in [
            ("ada", &["ada"][..], &["", "Ada", "adam", "a da"][..]),
            ("*", &["", "ada", "*"], &[]),
            ("ad*", &["ad", "ada", "ad*"], &["a", "xad"]),
            ("*.example", &["acme.example", ".example"], &["example", "acme.example.org"]),
            ("a*c*e", &["ace", "abcde", "accee"], &["ae", "aec", "abcd"]),
            ("*b*", &["b", "abc"], &["", "ac"]),
            ("aa*aa", &["aaaa", "aabaa"], &["aaa"]),
            ("ä*ß", &["äß", "äöüß"], &["ä"]),
        ] {
            let pattern = Pattern::parse(pattern).expect("something is in it");
            assert!(fits.iter().all(|text| pattern.matches(text)), "{pattern}");
            assert!(!does_not.iter().any(|text| pattern.matches(text)), "{pattern}");
        }
        assert_eq!(Pattern::parse(" "), None);
    }
}
