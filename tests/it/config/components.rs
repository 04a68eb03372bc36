//! Components in the configuration: what each kind is told, and what an administrator can get wrong.

use qlik_embed_bff::identity::{Identity, Source};
use qlik_embed_bff::pages::component::Grid;
use qlik_embed_bff::pages::{Content, Flow, Page};

use super::pages::{entry, load_file, problems};
use super::{good, problem};
use crate::portal::APP_ID;

const CLIENT: [(&str, &str); 2] =
    [("QLIK_OAUTH_CLIENT_ID", "client-1"), ("QLIK_OAUTH_CLIENT_SECRET", "only-for-tests")];
const OTHER: &str = "00000000-0000-4000-8000-000000000000";

fn page(file: &str, changes: &[(&str, &str)]) -> Page {
    let loaded = load_file(file, &[&CLIENT, changes].concat()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.hints, Vec::<String>::new());
    loaded.config.pages.all()[0].clone()
}

fn grid(page: &Page) -> &Grid {
    match &page.content {
        Content::Components(grid) => grid,
        other => panic!("no components, but {other:?}"),
    }
}

/// The elements of a page: their attributes as they would be written.
fn told(page: &Page) -> Vec<String> {
    let element = |component: &qlik_embed_bff::pages::component::Component| {
        let app = component.app.map(|app| format!(" app={}", if app.to_string() == APP_ID { "own" } else { "other" }));
        let attributes: String = component.attributes.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{}{}{attributes}", component.kind.as_str(), app.unwrap_or_default())
    };
    grid(page).components.iter().map(element).collect()
}

#[test]
fn a_page_with_one_component_is_described_by_its_own_entry() {
    let language = [("QLIK_LANGUAGE", "de")];
    for (keys, changes, expected) in [
        ("flow = \"oauth\"\nsheet = \"a\"", &[][..], "analytics/sheet app=own sheet-id=a"),
        ("flow = \"oauth\"\nobject = \"a\"", &[], "analytics/chart app=own object-id=a"),
        ("flow = \"proxy\"\nembed = \"analytics/sheet\"\nobject = \"a\"", &[], "analytics/sheet app=own object-id=a"),
        (
            "flow = \"oauth\"\nsheet = \"a\"\ntheme = \"breeze\"",
            &language,
            r#"analytics/sheet app=own sheet-id=a context___json={"theme":"breeze","language":"de"}"#,
        ),
        (
            "flow = \"oauth\"\nembed = \"classic/app\"\nsheet = \"a\"\nbookmark = \"b\"\nclear_selections = true\ntheme = \"breeze\"",
            &language,
            "classic/app app=own sheet-id=a bookmark=b clear-selections=true theme=breeze",
        ),
        ("flow = \"oauth\"\nembed = \"classic/app\"\nclear_selections = false", &[], "classic/app app=own"),
        (
            "flow = \"oauth\"\nembed = \"ai/assistant\"\nassistant = \"x-1\"\nappearance = \"qlik-dark\"",
            &[],
            "ai/assistant assistant-id=x-1 appearance=qlik-dark",
        ),
        (
            "flow = \"oauth\"\nembed = \"analytics/field\"\nlibrary = \"m\"\ntype = \"dimension\"",
            &[],
            "analytics/field app=own library-id=m type=dimension",
        ),
    ] {
        let page = page(&entry(keys), changes);
        assert_eq!(told(&page), [expected], "{keys}");
        assert!(grid(&page).is_filled());
        assert_eq!(grid(&page).components[0].title, "Sales");
    }
    let framed = page(&entry("flow = \"proxy\"\nsheet = \"a\""), &[]);
    assert_eq!(
        framed.content,
        Content::Sheet("a".into()),
        "the flow proxy has a frame unless a component is asked for"
    );
}

#[test]
fn several_components_have_apps_titles_and_sizes_of_their_own() {
    let file = format!(
        r#"
        [[pages]]
        slug = "all"
        title = "All"
        flow = "oauth"
        columns = 6
        theme = "breeze"

        [[pages.embeds]]
        ui = "analytics/selections"
        title = "Selected"

        [[pages.embeds]]
        ui = "analytics/chart"
        title = "Made here"
        type = "barchart"
        dimensions = "Region"
        measures = ["=Sum(Sales)", {{ qDef = {{ qDef = "1" }} }}]
        properties = {{ title = "Sales", rank = 1.5 }}
        width = 4
        height = 300

        [[pages.embeds]]
        ui = "classic/chart"
        title = "Elsewhere"
        app = "{OTHER}"
        object = "b"
        theme = "horizon"
        width = 2

        [[pages.embeds]]
        ui = "analytics/sheet"
        title = "To look at"
        sheet = "c"
        context = {{ theme = "own", interactions = {{ select = false }} }}

        [[pages.embeds]]
        ui = "ai/agentic-assistant"
        title = "Ask"
        assistant = "x"
        "#
    );
    let page = page(&file, &[]);
    assert_eq!(
        told(&page),
        [
            r#"analytics/selections app=own context___json={"theme":"breeze"}"#,
            r#"analytics/chart app=own type=barchart dimensions___json=["Region"] measures___json=["=Sum(Sales)",{"qDef":{"qDef":"1"}}] properties___json={"rank":1.5,"title":"Sales"} context___json={"theme":"breeze"}"#,
            "classic/chart app=other object-id=b theme=horizon",
            r#"analytics/sheet app=own sheet-id=c context___json={"interactions":{"select":false},"theme":"own"}"#,
            "ai/agentic-assistant assistant-id=x",
        ]
    );
    let sizes: Vec<_> = grid(&page).components.iter().map(|one| (one.title.as_str(), one.width, one.height)).collect();
    assert_eq!(
        sizes,
        [
            ("Selected", 6, None),
            ("Made here", 4, Some(300)),
            ("Elsewhere", 2, None),
            ("To look at", 6, None),
            ("Ask", 6, None)
        ]
    );
    assert!(!grid(&page).is_filled());
    let apps: Vec<_> = page.apps().iter().map(ToString::to_string).collect();
    assert_eq!(apps, [APP_ID, OTHER]);
    assert_eq!(page.shown_of(page.app), [("sheet", "c")]);
}

#[test]
fn the_apps_of_all_components_pass_the_proxy_and_no_others() {
    let file = format!(
        "[[pages]]\nslug = \"a\"\ntitle = \"A\"\nflow = \"proxy\"\n[[pages.embeds]]\nui = \"analytics/selections\"\n\
         title = \"S\"\napp = \"{OTHER}\"\n"
    );
    let pages = load_file(&file, &[]).unwrap_or_else(|problems| panic!("{problems}")).config.pages;
    let who = Identity {
        source: Source::Password,
        id: "ada".into(),
        name: String::new(),
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
    };
    assert!(pages.opens_app(OTHER, &who));
    assert!(!pages.opens_app(APP_ID, &who), "no component shows the page's own app");
}

#[test]
fn what_a_kind_lacks_or_does_not_have_is_a_problem_with_its_reason() {
    let one = |keys: &str| entry(&format!("flow = \"proxy\"\n{keys}"));
    for (keys, key, reason) in [
        ("embed = \"analytics/sheets\"\nsheet = \"a\"", "embed", "is no kind of component"),
        ("embed = \"analytics/story\"", "embed", "is no kind of component"),
        (
            "embed = \"analytics/snapshot\"",
            "attributes",
            "is not set, and analytics/snapshot needs it: it says which one",
        ),
        (
            "embed = \"analytics/snapshot\"\nattributes = { onclick = \"x\" }",
            "attributes",
            "has onclick, which is no attribute that an entry may have",
        ),
        (
            "embed = \"analytics/snapshot\"\nattributes = { get-access-token = \"x\" }",
            "attributes",
            "has get-access-token, which is no attribute that an entry may have",
        ),
        ("embed = \"analytics/sheet\"", "", "has neither sheet nor object, and analytics/sheet needs one of them"),
        (
            "embed = \"analytics/chart\"\nobject = \"a\"\ntype = \"kpi\"",
            "",
            "has both object and type, and analytics/chart shows one of them",
        ),
        ("embed = \"classic/chart\"", "", "has no object, which classic/chart needs"),
        ("embed = \"ai/assistant\"", "", "has no assistant, which ai/assistant needs"),
        ("embed = \"analytics/selections\"\nsheet = \"a\"", "sheet", "is nothing that analytics/selections has here"),
        (
            "embed = \"analytics/chart\"\nobject = \"a\"\nmeasures = \"b\"",
            "measures",
            "is nothing that analytics/chart has here",
        ),
        ("embed = \"analytics/field\"\nlibrary = \"a\"", "type", "is not set, and a master item needs it"),
        ("embed = \"analytics/field\"\nlibrary = \"a\"\ntype = \"bar\"", "type", "is neither dimension nor measure"),
        ("embed = \"analytics/chart\"\ntype = \"kpi\"\nmeasures = []", "measures", "is no list of fields or formulas"),
        ("embed = \"analytics/chart\"\ntype = \"kpi\"\nmeasures = [1]", "measures", "is no list of fields or formulas"),
        (
            "embed = \"analytics/sheet\"\nsheet = \"a\"\ncontext = \"dark\"",
            "context",
            "is not a table of names and values",
        ),
        (
            "embed = \"analytics/sheet\"\nsheet = \"a\"\ncontext = { depth = nan }",
            "context",
            "is not a table of names and values",
        ),
        ("embed = \"classic/app\"\nclear_selections = \"some\"", "clear_selections", "is neither true nor false"),
        (
            "embed = \"ai/assistant\"\nassistant = \"a\"\nappearance = \"dark\"",
            "appearance",
            "is neither qlik-light nor qlik-dark",
        ),
        ("embed = \"classic/app\"\nheight = 12", "height", "is not such a number"),
        ("embed = \"classic/app\"\ncolumns = 2", "columns", "is for a page with several components"),
        ("embed = \"classic/app\"\noptions = \"ctxmenu\"", "options", "is for frames, and this page has components"),
        (
            "embed = \"classic/app\"\nselections = { Region = \"a;b\" }",
            "selections",
            "has \"a;b\", which a component cannot select",
        ),
        ("sheet = \"a\"\nfield = \"b\"", "field", "is for components, and this page has a frame"),
        ("sheet = \"a\"\nheight = 300", "height", "is for components, and this page has a frame"),
        ("embeds = []", "embeds", "is not a list of tables"),
        ("embeds = \"classic/app\"", "embeds", "is not a list of tables"),
    ] {
        let variable = if key.is_empty() { String::new() } else { format!(": {key}") };
        let expected = (format!("[[pages]] 1 (sales){variable}"), reason.to_owned());
        assert_eq!(problems(&one(keys)), [expected], "{keys}");
    }
}

#[test]
fn all_mistakes_of_all_components_stand_in_one_report() {
    let file = entry(
        r#"
        flow = "proxy"
        sheet = "a"
        columns = 13

        [[pages.embeds]]
        title = "No kind"
        sheet = "a"

        [[pages.embeds]]
        ui = "analytics/sheet"
        sheets = "a"
        width = 3

        [[pages.embeds]]
        ui = "ai/assistant"
        title = "Ask"
        assistant = "a b"
        app = "00000000-0000-4000-8000-000000000000"
        "#,
    );
    let place = |rest: &str| format!("[[pages]] 1 (sales){rest}");
    let told: Vec<_> = problems(&file);
    let expected = [
        (": sheet", "is for a page with one component, and this one has embeds"),
        (": columns", "is not such a number"),
        (", embed 1: ui", "is not set"),
        (", embed 2: title", "is not set"),
        (", embed 2", "has neither sheet nor object, and analytics/sheet needs one of them"),
        (", embed 2: sheets", "is not known"),
        (", embed 3: app", "is nothing that ai/assistant has"),
        (", embed 3: assistant", "is not an id"),
    ]
    .map(|(name, reason)| (place(name), reason.to_owned()));
    assert_eq!(told, expected);
    let wide = entry("flow = \"proxy\"\ncolumns = 2\n[[pages.embeds]]\nui = \"classic/app\"\ntitle = \"A\"\nwidth = 3");
    assert_eq!(problems(&wide), [(place(", embed 1: width"), "is 3, and the page has 2 columns".to_owned())]);
    let many = "[[pages.embeds]]\nui = \"classic/app\"\ntitle = \"A\"\n".repeat(51);
    let many = problems(&entry(&format!("flow = \"proxy\"\n{many}")));
    assert_eq!(many, [(place(": embeds"), "has 51 components, and 50 are the most".to_owned())]);
}

#[test]
fn flows_that_show_no_components_and_a_client_that_is_missing_are_problems() {
    for (keys, key, flow) in [
        ("embed = \"classic/app\"", "embed", "auto"),
        ("embed = \"classic/app\"\nflow = \"session\"", "embed", "session"),
        ("[[pages.embeds]]\nui = \"classic/app\"\ntitle = \"A\"", "embeds", "auto"),
    ] {
        let expected =
            (format!("[[pages]] 1 (sales): {key}"), format!("is set, and the flow {flow} shows no components"));
        assert_eq!(problems(&entry(keys)), [expected]);
    }
    let expected = "is not set, and the flow oauth of the page sales needs it";
    assert_eq!(
        problems(&entry("flow = \"oauth\"\nsheet = \"a\"")),
        [("QLIK_OAUTH_CLIENT_ID".to_owned(), expected.to_owned())]
    );
    assert_eq!(
        problem(&[("QLIK_FLOW", "oauth")]),
        ("QLIK_OAUTH_CLIENT_ID".to_owned(), "is not set, and the flow oauth of the page default needs it".to_owned())
    );
}

#[test]
fn the_one_page_of_the_variables_can_have_a_component() {
    let with = |changes: &[(&str, &str)]| {
        let (config, hints) = good(&[&CLIENT, changes].concat());
        assert_eq!(hints, Vec::<String>::new());
        let page = config.pages.all()[0].clone();
        (page.flow, told(&page))
    };
    let sheet = || vec!["analytics/sheet app=own sheet-id=PpVjBm".to_owned()];
    assert_eq!(with(&[("QLIK_FLOW", "oauth")]), (Flow::Oauth, sheet()));
    assert_eq!(with(&[("QLIK_FLOW", "oauth"), ("QLIK_WEB_INTEGRATION_ID", "")]), (Flow::Oauth, sheet()));
    assert_eq!(with(&[("QLIK_FLOW", "proxy"), ("QLIK_EMBED", "analytics/sheet")]), (Flow::Proxy, sheet()));
    assert_eq!(
        with(&[("QLIK_FLOW", "oauth"), ("QLIK_EMBED", "classic/app"), ("QLIK_THEME", "breeze"), ("QLIK_SHEET_ID", "")]),
        (Flow::Oauth, vec!["classic/app app=own theme=breeze".to_owned()])
    );
    assert_eq!(
        with(&[("QLIK_FLOW", "oauth"), ("QLIK_EMBED", "analytics/selections"), ("QLIK_LANGUAGE", "de")]),
        (Flow::Oauth, vec![r#"analytics/selections app=own context___json={"language":"de"}"#.to_owned()])
    );
    let (variable, flow) = (|text: &str| text.to_owned(), ("QLIK_FLOW", "proxy"));
    for (kind, reason) in [
        ("sheet", "is no kind of component"),
        ("analytics/chart", "needs more than a sheet: describe the page in CONFIG_FILE"),
    ] {
        assert_eq!(problem(&[flow, ("QLIK_EMBED", kind)]), (variable("QLIK_EMBED"), reason.to_owned()));
    }
    assert_eq!(
        problem(&[("QLIK_EMBED", "classic/app")]),
        (variable("QLIK_EMBED"), "is set, and the flow auto shows no components".to_owned())
    );
    assert_eq!(problem(&[("EMBED_CSP", "script-src *")]).0, "EMBED_CSP");
    let listed = load_file(&entry("sheet = \"a\""), &[("QLIK_EMBED", "classic/app")]).expect("good");
    assert_eq!(listed.hints, ["QLIK_EMBED has no effect beside [[pages]]: each entry has its own embed"]);
}
