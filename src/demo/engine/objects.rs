//! The objects of the app, and how properties become a layout.

use serde_json::{Map, Value, json};

use crate::demo::{
    CHART_ID, FILTER_ID, KPI_ID,
    model::{self, SALES, Selections},
    settings::{Settings, Theme},
};

/// The app's name.
pub(super) const TITLE: &str = "Sales overview";

/// The title of an app, by its id.
pub(in crate::demo) fn title(settings: &Settings, app: &str) -> String {
    numbered(settings.apps().position(|known| known == app).unwrap_or_default())
}

/// The first of its kind bears the name, the others a number as well.
fn numbered(position: usize) -> String {
    if position == 0 { TITLE.to_owned() } else { format!("{TITLE} {}", position + 1) }
}

/// The properties of an object of the app.
pub(super) fn properties(settings: &Settings, id: &str) -> Option<Value> {
    match id {
        _ if settings.sheets().any(|sheet| sheet == id) => Some(sheet(settings, id)),
        CHART_ID => Some(chart()),
        KPI_ID => Some(kpi()),
        FILTER_ID => Some(filter()),
        _ => None,
    }
}

/// Id and type of every object of the app.
pub(super) fn infos(settings: &Settings) -> Vec<Value> {
    let sheets = settings.sheets().map(String::as_str);
    sheets
        .chain([CHART_ID, KPI_ID, FILTER_ID])
        .filter_map(|id| Some(properties(settings, id)?["qInfo"].clone()))
        .collect()
}

/// Does the layout depend on selections?
pub(super) fn is_computed(properties: &Value) -> bool {
    ["qHyperCubeDef", "qListObjectDef", "qSelectionObjectDef"].iter().any(|name| properties.get(name).is_some())
}

/// The layout: definitions computed, all other properties as they are.
pub(super) fn layout(properties: &Value, selections: &Selections, settings: &Settings) -> Value {
    let mut layout = Map::new();
    for (name, value) in properties.as_object().into_iter().flatten() {
        match name.as_str() {
            "qHyperCubeDef" => layout.insert("qHyperCube".into(), model::hypercube(&SALES, selections, value)),
            "qListObjectDef" => layout.insert("qListObject".into(), model::list(&SALES, selections, value)),
            "qSelectionObjectDef" => {
                layout.insert("qSelectionObject".into(), model::selection_object(&SALES, selections))
            }
            "qAppObjectListDef" => layout.insert("qAppObjectList".into(), object_list(value, settings)),
            "qChildListDef" => layout.insert("qChildList".into(), child_list(properties, settings)),
            "qMetaDef" => layout.insert("qMeta".into(), meta(value)),
            _ => layout.insert(name.clone(), value.clone()),
        };
    }
    layout.insert("qSelectionInfo".into(), json!({}));
    Value::Object(layout)
}

/// `qAppObjectListDef`: objects of one type, each with what `qData` asks of it.
fn object_list(definition: &Value, settings: &Settings) -> Value {
    let wanted = definition["qType"].as_str().unwrap_or_default();
    let found: Vec<Value> = match wanted {
        "appprops" => app_properties(&settings.switches.theme).into_iter().collect(),
        _ => infos(settings)
            .iter()
            .filter(|info| info["qType"] == wanted)
            .filter_map(|info| properties(settings, info["qId"].as_str()?))
            .collect(),
    };
    let item = |object: &Value| {
        let asked = definition["qData"].as_object().into_iter().flatten();
        let told = asked.filter_map(|(name, path)| Some((name.clone(), object.pointer(path.as_str()?)?.clone())));
        json!({ "qInfo": object["qInfo"], "qMeta": meta(&object["qMetaDef"]), "qData": told.collect::<Map<_, _>>() })
    };
    json!({ "qItems": found.iter().map(item).collect::<Vec<_>>() })
}

/// The app's own properties, where the theme is kept (section F.6).
fn app_properties(theme: &Theme) -> Option<Value> {
    let mut object = json!({ "qInfo": { "qId": "AppProperties", "qType": "appprops" }, "qMetaDef": {} });
    match theme {
        Theme::NoAppProperties => return None,
        Theme::Unset => {}
        Theme::Named(theme) => object["theme"] = theme.clone().into(),
    }
    Some(object)
}

fn child_list(sheet: &Value, settings: &Settings) -> Value {
    let cells = sheet["cells"].as_array().into_iter().flatten();
    let info = |cell: &Value| properties(settings, cell["name"].as_str()?).map(|child| child["qInfo"].clone());
    let items: Vec<Value> =
        cells.filter_map(info).map(|info| json!({ "qInfo": info, "qMeta": {}, "qData": {} })).collect();
    json!({ "qItems": items })
}

fn meta(definition: &Value) -> Value {
    json!({ "title": definition["title"].as_str().unwrap_or_default(), "description": "", "privileges": ["read"] })
}

fn sheet(settings: &Settings, id: &str) -> Value {
    let rank = settings.sheets().position(|sheet| sheet == id).unwrap_or_default();
    let cell = |name: &str, kind: &str, col: u32, row: u32, colspan: u32, rowspan: u32| json!({ "name": name, "type": kind, "col": col, "row": row, "colspan": colspan, "rowspan": rowspan });
    json!({
        "qInfo": { "qId": id, "qType": "sheet" },
        "qMetaDef": { "title": numbered(rank) },
        "qChildListDef": { "qData": {} },
        "rank": rank, "columns": 24, "rows": 12,
        "cells": [
            cell(KPI_ID, "kpi", 0, 0, 12, 3), cell(FILTER_ID, "listbox", 12, 0, 12, 3), cell(CHART_ID, "barchart", 0, 3, 24, 9),
        ],
    })
}

fn chart() -> Value {
    json!({
        "qInfo": { "qId": CHART_ID, "qType": "barchart" },
        "visualization": "barchart", "title": "Sales by region", "subtitle": "US dollars",
        "qMetaDef": {},
        "qHyperCubeDef": {
            "qDimensions": [dimension("Region", "Region")],
            "qMeasures": [measure("Sum(Sales)", "Sales", -1)],
            "qInterColumnSortOrder": [1, 0], "qSuppressZero": true, "qMode": "S",
            "qInitialDataFetch": [{ "qLeft": 0, "qTop": 0, "qWidth": 2, "qHeight": 500 }],
        },
    })
}

fn kpi() -> Value {
    json!({
        "qInfo": { "qId": KPI_ID, "qType": "kpi" },
        "visualization": "kpi", "title": "Total sales",
        "qMetaDef": {},
        "qHyperCubeDef": {
            "qDimensions": [],
            "qMeasures": [measure("Sum(Sales)", "Total sales", 0), measure("Sum(Units)", "Units sold", 0)],
            "qInitialDataFetch": [{ "qLeft": 0, "qTop": 0, "qWidth": 2, "qHeight": 1 }],
        },
    })
}

fn filter() -> Value {
    json!({
        "qInfo": { "qId": FILTER_ID, "qType": "listbox" },
        "visualization": "listbox", "title": "Year",
        "qMetaDef": {},
        "qListObjectDef": {
            "qDef": { "qFieldDefs": ["Year"], "qFieldLabels": ["Year"], "qSortCriterias": [{ "qSortByNumeric": 1 }] },
            "qInitialDataFetch": [{ "qLeft": 0, "qTop": 0, "qWidth": 1, "qHeight": 100 }],
        },
    })
}

fn dimension(field: &str, label: &str) -> Value {
    json!({ "qDef": { "qFieldDefs": [field], "qFieldLabels": [label], "qSortCriterias": [{ "qSortByAscii": 1 }] } })
}

fn measure(formula: &str, label: &str, order: i64) -> Value {
    json!({ "qDef": { "qDef": formula, "qLabel": label }, "qSortBy": { "qSortByNumeric": order } })
}
