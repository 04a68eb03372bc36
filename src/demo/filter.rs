//! Filters of lists (Qlik Cloud facts, section E): the part of RFC 7644, section 3.4.2.2, that the users interface takes.
//! `eq` and `co`, `and` and `or`, parentheses. Values are compared without regard to case.

use serde_json::Value;

/// What may be compared, and how.
pub(super) struct Grammar {
    /// With `eq`. A dot leads into the members of a list.
    pub equal: &'static [&'static str],
    /// With `co`.
    pub contains: &'static [&'static str],
    /// May not stand under `or`: it applies to the whole query.
    pub whole: &'static [&'static str],
}

/// A filter that was understood.
#[derive(Debug, PartialEq)]
pub(super) enum Filter {
    Equal(&'static str, String),
    Contains(&'static str, String),
    And(Vec<Filter>),
    Or(Vec<Filter>),
}

impl Filter {
    /// `None` when it is malformed, or asks for what the grammar does not have. With `escapes`, `\"` and `\\` are understood.
    pub fn parse(text: &str, grammar: &Grammar, escapes: bool) -> Option<Self> {
        let mut parser = Parser { rest: text.trim(), grammar, escapes };
        let filter = parser.any()?;
        (parser.rest.is_empty() && !filter.splits(grammar.whole, false)).then_some(filter)
    }

    pub fn fits(&self, item: &Value) -> bool {
        match self {
            Self::Equal(path, value) => values(item, path).iter().any(|own| own.to_lowercase() == value.to_lowercase()),
            Self::Contains(path, value) => {
                values(item, path).iter().any(|own| own.to_lowercase().contains(&value.to_lowercase()))
            }
            Self::And(parts) => parts.iter().all(|part| part.fits(item)),
            Self::Or(parts) => parts.iter().any(|part| part.fits(item)),
        }
    }

    /// Does one of these fields stand under `or`?
    fn splits(&self, fields: &[&str], under: bool) -> bool {
        match self {
            Self::Equal(field, _) | Self::Contains(field, _) => under && fields.contains(field),
            Self::And(parts) => parts.iter().any(|part| part.splits(fields, under)),
            Self::Or(parts) => parts.iter().any(|part| part.splits(fields, true)),
        }
    }
}

/// The texts at a path; lists are looked through.
fn values(item: &Value, path: &str) -> Vec<String> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match (&item[name], rest) {
        (Value::Array(list), Some(rest)) => list.iter().flat_map(|one| values(one, rest)).collect(),
        (Value::Array(list), None) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        (found, Some(rest)) => values(found, rest),
        (found, None) => found.as_str().map(str::to_owned).into_iter().collect(),
    }
}

struct Parser<'a> {
    rest: &'a str,
    grammar: &'a Grammar,
    escapes: bool,
}

impl Parser<'_> {
    fn any(&mut self) -> Option<Filter> {
        let mut parts = vec![self.all()?];
        while self.word("or ") {
            parts.push(self.all()?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn all(&mut self) -> Option<Filter> {
        let mut parts = vec![self.one()?];
        while self.word("and ") {
            parts.push(self.one()?);
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn one(&mut self) -> Option<Filter> {
        if self.word("(") {
            let inner = self.any()?;
            return self.word(")").then_some(inner);
        }
        let (field, rest) = self.rest.split_once(' ')?;
        self.rest = rest.trim_start();
        let known = |fields: &[&'static str]| fields.iter().copied().find(|known| known.eq_ignore_ascii_case(field));
        let (equal, contains) = (known(self.grammar.equal), known(self.grammar.contains));
        if self.word("eq ") {
            Some(Filter::Equal(equal?, self.quoted()?))
        } else if self.word("co ") {
            Some(Filter::Contains(contains?, self.quoted()?))
        } else {
            None
        }
    }

    /// Takes a word that comes next.
    fn word(&mut self, word: &str) -> bool {
        let found = self.rest.strip_prefix(word);
        self.rest = found.unwrap_or(self.rest).trim_start();
        found.is_some()
    }

    /// A value in double quotes.
    fn quoted(&mut self) -> Option<String> {
        let text = self.rest.strip_prefix('"')?;
        let mut value = String::new();
        let mut characters = text.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = text.get(at + 1..)?.trim_start();
                    return Some(value);
                }
                '\\' if self.escapes => value.push(characters.next()?.1),
                '\\' => return None,
                other => value.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GRAMMAR: Grammar = Grammar {
        equal: &["email", "subject", "status", "assignedRoles.name"],
        contains: &["email"],
        whole: &["status"],
    };

    #[test]
    fn filters_compare_and_combine() {
        let ada = json!({
            "email": "Ada@b.c", "subject": "a\"b", "status": "active", "assignedRoles": [{ "name": "TenantAdmin" }],
        });
        for (filter, escapes, fits) in [
            (r#"email eq "ada@B.c""#, false, Some(true)),
            (r#"Email eq "ada@b.c" and status eq "active""#, false, Some(true)),
            (r#"email eq "ada@b.c" and status eq "invited""#, false, Some(false)),
            (r#"(email eq "x" or email co "A@B") and status eq "active""#, false, Some(true)),
            (r#"email eq "x" or email eq "ada@b.c""#, false, Some(true)),
            (r#"assignedRoles.name eq "tenantadmin""#, false, Some(true)),
            (r#"subject eq "a\"b""#, true, Some(true)),
            (r#"subject eq "a\"b""#, false, None),
            (r#"subject co "a""#, false, None),
            (r#"email eq a"#, false, None),
            (r#"(email eq "a""#, false, None),
            (r#"email eq "a" or status eq "b""#, false, None),
            (r#"secret eq "a""#, false, None),
            ("", false, None),
        ] {
            let found = Filter::parse(filter, &GRAMMAR, escapes).map(|filter| filter.fits(&ada));
            assert_eq!(found, fits, "{filter}");
        }
    }
}
