//! Components: what a page shows with elements of qlik-embed instead of a frame (Qlik Cloud facts, sections H.3 and H.4). Pure.

use uuid::Uuid;

/// What a component is: the `ui` of its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sheet.
    Sheet,
    /// One visualization: one of the app, or one that the page describes.
    Chart,
    /// A list of a field's values, to select from.
    Field,
    /// The bar with the current selections.
    Selections,
    /// A sheet in the tenant's older client.
    ClassicApp,
    /// One visualization in the tenant's older client.
    ClassicChart,
    /// A visualization as it once was.
    Snapshot,
    /// An assistant.
    Assistant,
    /// An assistant that acts.
    AgenticAssistant,
}

impl Kind {
    /// All of them, in the order in which they are listed for people.
    pub const ALL: [Self; 9] = [
        Self::Sheet,
        Self::Chart,
        Self::Field,
        Self::Selections,
        Self::ClassicApp,
        Self::ClassicChart,
        Self::Snapshot,
        Self::Assistant,
        Self::AgenticAssistant,
    ];

    /// The word in settings and in the attribute `ui`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sheet => "analytics/sheet",
            Self::Chart => "analytics/chart",
            Self::Field => "analytics/field",
            Self::Selections => "analytics/selections",
            Self::ClassicApp => "classic/app",
            Self::ClassicChart => "classic/chart",
            Self::Snapshot => "analytics/snapshot",
            Self::Assistant => "ai/assistant",
            Self::AgenticAssistant => "ai/agentic-assistant",
        }
    }

    /// The kind of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it shows something of an app.
    pub fn has_app(self) -> bool {
        !matches!(self, Self::Assistant | Self::AgenticAssistant)
    }

    /// Whether it is told how to draw, theme and language among it, by one attribute `context`.
    pub fn has_context(self) -> bool {
        matches!(self, Self::Sheet | Self::Chart | Self::Field | Self::Selections | Self::Snapshot)
    }

    /// Whether it has an attribute `theme` of its own.
    pub fn has_theme(self) -> bool {
        matches!(self, Self::ClassicApp | Self::ClassicChart)
    }

    /// How high it is beside others when nobody says, in pixels.
    pub fn usual_height(self) -> u16 {
        match self {
            Self::Sheet | Self::ClassicApp => 640,
            Self::Chart | Self::ClassicChart | Self::Field | Self::Snapshot => 400,
            Self::Selections => 76,
            Self::Assistant | Self::AgenticAssistant => 560,
        }
    }
}

/// One element of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Its name for people who do not see it.
    pub title: String,
    /// The app that it shows something of.
    pub app: Option<Uuid>,
    /// The attributes of its element besides `ui` and `app-id`.
    pub attributes: Vec<(&'static str, String)>,
    /// Attributes under names of their own: what the tenant's runtime takes and nobody documents.
    pub more: Vec<(String, String)>,
    /// How many columns of the page it takes.
    pub width: u8,
    /// How high it is, in pixels. Without it, a component that is alone fills the page.
    pub height: Option<u16>,
}

impl Component {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find_map(|(known, value)| (*known == name).then_some(value.as_str()))
    }
}

/// The components of a page, from left to right and from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// How many columns the page has, where there is room for them.
    pub columns: u8,
    /// Whether each has its title and kind above it.
    pub captioned: bool,
    /// At least one.
    pub components: Vec<Component>,
}

impl Grid {
    /// How many columns a page can have, and has when nobody says.
    pub const MOST_COLUMNS: u8 = 12;

    /// A page with one component, which fills it.
    pub fn of(component: Component) -> Self {
        Self { columns: Self::MOST_COLUMNS, captioned: false, components: vec![component] }
    }

    /// Whether its one component has all the room there is.
    pub fn is_filled(&self) -> bool {
        matches!(&self.components[..], [only] if only.height.is_none())
    }
}
