//! The catalogue of embeds: which pages there are and what each shows. Pure.

use std::fmt;

use uuid::Uuid;

/// The short name of a page in addresses: small letters, digits and hyphens, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slug(String);

impl Slug {
    /// The slug of the page that the environment variables describe.
    pub const DEFAULT: &str = "default";

    /// `None` when the text could not be a slug.
    pub fn parse(text: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(good) && !text.starts_with('-');
        fits.then(|| Self(text.to_owned()))
    }

    /// The text of the slug; it needs no encoding in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a page gets its visitor into the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The browser exchanges a token for the tenant's cookies and frames `/single/`.
    Session,
}

impl Flow {
    /// The word in settings and in the page's `data-flow`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
        }
    }
}

/// One embed.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its name in addresses.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
    /// The Qlik app.
    pub app: Uuid,
    /// The sheet in that app.
    pub sheet: String,
    /// A theme id; without one, the app's own theme.
    pub theme: Option<String>,
    /// The `opt` parameter of `/single/` (Qlik Cloud facts, section G).
    pub options: String,
    /// The language of the sheet's own controls, such as `de`; without one, the tenant chooses.
    pub language: Option<String>,
    /// The engine session's identity, when an administrator wants one for all. Otherwise each session has its own.
    pub identity: Option<String>,
    /// How the visitor gets into the tenant.
    pub flow: Flow,
}

/// All pages, in the order in which they are shown.
#[derive(Clone, Debug)]
pub struct Pages(Vec<Page>);

impl Pages {
    /// A catalogue of these pages.
    pub fn new(pages: Vec<Page>) -> Self {
        Self(pages)
    }

    /// The page of this name. Whoever is signed in may see every page.
    pub fn open(&self, slug: &str) -> Option<&Page> {
        self.0.iter().find(|page| page.slug.as_str() == slug)
    }

    /// Every page, in order.
    pub fn all(&self) -> &[Page] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain_words() {
        for good in ["default", "sales-2026", "a"] {
            assert_eq!(Slug::parse(good).as_ref().map(Slug::as_str), Some(good));
        }
        for bad in ["", "Sales", "a/b", "..", "-a", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(Slug::parse(bad), None, "{bad}");
        }
    }
}
