//! The catalogue of embeds: which pages there are, what each shows, and who may see it. Pure.

use std::collections::BTreeSet;
use std::fmt;

use uuid::Uuid;

use crate::identity::Identity;

pub mod component;

use component::Grid;

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
    /// The server holds the tenant's cookies, and the browser sees the tenant under an origin of ours.
    Proxy,
    /// `Session`; where the browser does not keep the tenant's cookies, `Proxy`.
    Auto,
    /// The page carries web components, and the server gets access tokens for them.
    Oauth,
}

impl Flow {
    /// The word in settings and in the page's `data-flow`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Proxy => "proxy",
            Self::Auto => "auto",
            Self::Oauth => "oauth",
        }
    }

    /// The flow of this name.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Session, Self::Proxy, Self::Auto, Self::Oauth].into_iter().find(|flow| flow.as_str() == word)
    }

    /// Whether the browser may call the tenant itself, which takes a web integration (Qlik Cloud facts, section C.1).
    pub fn uses_browser(self) -> bool {
        matches!(self, Self::Session | Self::Auto)
    }

    /// Whether its components take access tokens, which takes an OAuth client (Qlik Cloud facts, section H.1).
    pub fn uses_access_token(self) -> bool {
        self == Self::Oauth
    }

    /// Whether the tenant's paths have to be passed on.
    pub fn uses_proxy(self) -> bool {
        matches!(self, Self::Proxy | Self::Auto)
    }

    /// Whether the browser may meet the tenant itself, by cookies or by tokens.
    pub fn meets_tenant(self) -> bool {
        self.uses_browser() || self.uses_access_token()
    }

    /// Whether a page of this flow can have components. Those of the others would have to try two ways, and to tell blocked
    /// cookies from the rest.
    pub fn shows_components(self) -> bool {
        matches!(self, Self::Oauth | Self::Proxy)
    }
}

/// What a page shows of its app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A whole sheet.
    Sheet(String),
    /// One visualization, alone.
    Object(String),
    /// Components of qlik-embed.
    Components(Grid),
}

/// Values that are selected in a field when the page opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The field.
    pub field: String,
    /// At least one of its values. None has a comma (see [`Selection::can_hold`]).
    pub values: Vec<String>,
}

impl Selection {
    /// Whether `/single/` takes this text for one field or value: commas part values, `::` ends the name of a state, and no
    /// way to write them otherwise is documented (Qlik Cloud facts, section G).
    pub fn can_hold(text: &str) -> bool {
        !text.trim().is_empty() && !text.contains(',') && !text.contains("::") && !text.contains(char::is_control)
    }
}

/// A `select` parameter of `/single/`, before it is encoded: `Field,Value,Value`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.field, self.values.join(","))
    }
}

/// Who may see a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever is signed in.
    Everyone,
    /// Members of any of these groups, and these identities.
    Only {
        /// Groups as the way of signing in reports them, letter for letter.
        groups: BTreeSet<String>,
        /// Keys of identities, such as `oidc:ada` (see [`Identity::key`]).
        identities: BTreeSet<String>,
    },
}

impl Audience {
    /// Whether this person belongs to it.
    pub fn admits(&self, who: &Identity) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only { groups, identities } => {
                who.groups.iter().any(|group| groups.contains(group))
                    || (!identities.is_empty() && identities.contains(&who.key()))
            }
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
    /// What it shows of that app.
    pub content: Content,
    /// A theme id; without one, the app's own theme.
    pub theme: Option<String>,
    /// The `opt` parameter of `/single/` (Qlik Cloud facts, section G).
    pub options: String,
    /// The language of the sheet's own controls, such as `de`; without one, the tenant chooses.
    pub language: Option<String>,
    /// What is selected when it opens.
    pub selections: Vec<Selection>,
    /// The engine session's identity, when an administrator wants one for all. Otherwise each session has its own.
    pub identity: Option<String>,
    /// How the visitor gets into the tenant.
    pub flow: Flow,
    /// Who may see it.
    pub visible_to: Audience,
}

impl Page {
    /// The name of the engine session in which a session of ours, with this name of its own, sees the page. A page with
    /// selections has one for itself: they would stay when the visitor goes on to another page of the same app.
    pub fn engine_identity(&self, own: &str) -> String {
        match &self.identity {
            Some(identity) => identity.clone(),
            None if self.selections.is_empty() => own.to_owned(),
            None => format!("{own}-{}", self.slug),
        }
    }

    /// The apps that it shows something of, each once.
    pub fn apps(&self) -> Vec<Uuid> {
        let Content::Components(grid) = &self.content else { return vec![self.app] };
        let mut apps = Vec::new();
        for app in grid.components.iter().filter_map(|component| component.app) {
            if !apps.contains(&app) {
                apps.push(app);
            }
        }
        apps
    }

    /// The sheets and visualizations that it shows of an app: what each is, and its id.
    pub fn shown_of(&self, app: Uuid) -> Vec<(&'static str, &str)> {
        match &self.content {
            Content::Sheet(id) if self.app == app => vec![("sheet", id)],
            Content::Object(id) if self.app == app => vec![("object", id)],
            Content::Sheet(_) | Content::Object(_) => Vec::new(),
            Content::Components(grid) => {
                let ids = [("sheet", "sheet-id"), ("object", "object-id")];
                let of_app = grid.components.iter().filter(|component| component.app == Some(app));
                let told = of_app.flat_map(|component| {
                    ids.iter().filter_map(|(kind, name)| Some((*kind, component.attribute(name)?)))
                });
                told.collect()
            }
        }
    }
}

/// What the gallery shows, of one app: each kind of component once.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// The Qlik app.
    pub app: Uuid,
    /// One of its sheets.
    pub sheet: String,
    /// One of its visualizations.
    pub object: String,
    /// One of its fields.
    pub field: String,
    /// An assistant of the tenant.
    pub assistant: Option<String>,
}

impl Gallery {
    /// The slug of its page.
    pub const SLUG: &str = "gallery";
}

/// All pages, in the order in which they are shown.
#[derive(Clone, Debug)]
pub struct Pages(Vec<Page>);

impl Pages {
    /// Adds a page behind the others.
    pub fn add(&mut self, page: Page) {
        self.0.push(page);
    }

    /// A catalogue of these pages.
    pub fn new(pages: Vec<Page>) -> Self {
        Self(pages)
    }

    /// The page of this name. To somebody who may not see it, it does not exist.
    pub fn open(&self, slug: &str, who: &Identity) -> Option<&Page> {
        self.visible_to(who).find(|page| page.slug.as_str() == slug)
    }

    /// The pages that this person may see, in order.
    pub fn visible_to(&self, who: &Identity) -> impl Iterator<Item = &Page> {
        self.0.iter().filter(|page| page.visible_to.admits(who))
    }

    /// The page of this name, whoever may see it: for the audit, which tells refusals from typing errors.
    pub fn named(&self, slug: &str) -> Option<&Page> {
        self.0.iter().find(|page| page.slug.as_str() == slug)
    }

    /// Whether this person may see a page that shows something of this app.
    pub fn opens_app(&self, app: &str, who: &Identity) -> bool {
        Uuid::try_parse(app).is_ok_and(|app| self.visible_to(who).any(|page| page.apps().contains(&app)))
    }

    /// Every page, in order.
    pub fn all(&self) -> &[Page] {
        &self.0
    }

    /// Whether browsers have sessions of their own at the tenant for any page.
    pub fn use_browser(&self) -> bool {
        self.0.iter().any(|page| page.flow.uses_browser())
    }

    /// Whether browsers meet the tenant itself for any page, in frames or with calls.
    pub fn meet_tenant(&self) -> bool {
        self.0.iter().any(|page| page.flow.meets_tenant())
    }

    /// Whether what draws components has to be passed on for any page.
    pub fn pass_components(&self) -> bool {
        let components = |page: &Page| page.flow.uses_proxy() && matches!(page.content, Content::Components(_));
        self.0.iter().any(components)
    }

    /// Whether the tenant's paths have to be passed on for any page.
    pub fn use_proxy(&self) -> bool {
        self.0.iter().any(|page| page.flow.uses_proxy())
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

    fn person(id: &str, groups: &[&str]) -> Identity {
        Identity {
            source: crate::identity::Source::Oidc,
            id: id.to_owned(),
            name: String::new(),
            email: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            claims: serde_json::Map::new(),
        }
    }

    fn only(groups: &[&str], identities: &[&str]) -> Audience {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Audience::Only { groups: texts(groups), identities: texts(identities) }
    }

    #[test]
    fn an_audience_admits_members_of_any_group_and_named_people() {
        let (sales, ada) = (&["Sales"][..], &["oidc:ada"][..]);
        for (audience, who, admitted) in [
            (Audience::Everyone, person("bob", &[]), true),
            (only(sales, &[]), person("bob", &["All", "Sales"]), true),
            (only(sales, &[]), person("bob", &["sales"]), false),
            (only(sales, &[]), person("bob", &["Sales "]), false),
            (only(sales, &[]), person("bob", &[]), false),
            (only(&["Sales", "Board"], &[]), person("bob", &["Board"]), true),
            (only(&[], ada), person("ada", &[]), true),
            (only(&[], ada), person("Ada", &[]), false),
            (only(&[], &["password:ada"]), person("ada", &[]), false),
            (only(&[], &["ada"]), person("ada", &[]), false),
            (only(sales, ada), person("ada", &[]), true),
            (only(sales, ada), person("bob", &["Sales"]), true),
            (only(sales, ada), person("bob", &["oidc:ada"]), false),
            (only(&[], &[]), person("ada", &["Sales"]), false),
        ] {
            assert_eq!(audience.admits(&who), admitted, "{audience:?} {who:?}");
        }
    }

    #[test]
    fn what_a_parameter_cannot_hold_is_no_selection() {
        for good in ["Region", "Ünits sold", "a:b", "50% & more", "\"x\"", " Europe "] {
            assert!(Selection::can_hold(good), "{good}");
        }
        for bad in ["", " ", "a,b", "State::Region", "a\nb", "a\tb"] {
            assert!(!Selection::can_hold(bad), "{bad}");
        }
        let years = Selection { field: "Year".into(), values: vec!["2025".into(), "2026".into()] };
        assert_eq!(years.to_string(), "Year,2025,2026");
    }
}
