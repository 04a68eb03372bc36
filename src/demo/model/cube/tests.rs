//! Cubes and lists, as tables.

use super::{super::tests::tiny, *};

fn definition(dimensions: &[&str], measures: &[&str]) -> Value {
    let dimensions: Vec<_> = dimensions.iter().map(|field| json!({ "qDef": { "qFieldDefs": [field] } })).collect();
    let measures: Vec<_> = measures.iter().map(|formula| json!({ "qDef": { "qDef": formula } })).collect();
    let fetch = json!([{ "qLeft": 0, "qTop": 0, "qWidth": 10, "qHeight": 100 }]);
    json!({ "qDimensions": dimensions, "qMeasures": measures, "qInitialDataFetch": fetch })
}

/// The cells' texts, a row a line.
fn drawn(layout: &Value) -> Vec<String> {
    let rows = layout["qDataPages"][0]["qMatrix"].as_array().into_iter().flatten();
    let text = |row: &Value| {
        row.as_array().into_iter().flatten().filter_map(|cell| cell["qText"].as_str()).collect::<Vec<_>>().join(" ")
    };
    rows.map(text).collect()
}

fn only_south() -> Selections {
    let mut selections = Selections::default();
    selections.select(0, [1], false);
    selections
}

#[test]
fn rows_are_the_possible_combinations() {
    let model = tiny();
    let cube = |dimensions: &[&str], measures: &[&str], selections: &Selections| {
        drawn(&hypercube(&model, selections, &definition(dimensions, measures)))
    };
    let none = Selections::default();
    assert_eq!(cube(&["Region"], &["Sum(Sales)"], &none), ["North 30", "South 70"]);
    assert_eq!(
        cube(&["Region", "Product"], &["Sum(Sales)"], &none),
        ["North Cup 10", "North Pot 20", "South Cup 30", "South Jug 40"]
    );
    assert_eq!(cube(&["Product"], &["Sum(Sales)", "Count(Region)"], &only_south()), ["Cup 30 1", "Jug 40 1"]);
    assert_eq!(cube(&[], &["Sum(Sales)"], &only_south()), ["70"]);
    assert_eq!(cube(&["Product"], &[], &none), ["Cup", "Pot", "Jug"]);
    assert_eq!(cube(&["Region"], &["Nonsense"], &none), ["North -", "South -"]);
    assert!(cube(&["Nothing"], &["Sum(Sales)"], &none).is_empty());
    assert!(cube(&[], &[], &none).is_empty());
}

#[test]
fn a_layout_tells_size_bounds_totals_and_states() {
    let layout = hypercube(&tiny(), &only_south(), &definition(&["Product"], &["Sum(Sales)"]));
    assert_eq!(layout["qSize"], json!({ "qcx": 2, "qcy": 2 }));
    assert_eq!((&layout["qMeasureInfo"][0]["qMin"], &layout["qMeasureInfo"][0]["qMax"]), (&json!(30.0), &json!(40.0)));
    assert_eq!(layout["qGrandTotalRow"][0]["qNum"], 70.0);
    assert_eq!(layout["qDimensionInfo"][0]["qStateCounts"]["qExcluded"], 1);
    assert_eq!(layout["qDataPages"][0]["qMatrix"][0][0]["qState"], "O");
    let unknown = hypercube(&tiny(), &only_south(), &definition(&["Nothing"], &[]));
    assert_eq!(unknown["qDimensionInfo"][0]["qError"]["qErrorCode"], 2);
}

#[test]
fn sorting_by_measure_and_by_text_in_both_directions() {
    let model = tiny();
    let sorted = |order: Value, by_measure: i64, by_text: i64| {
        let mut cube = definition(&["Product"], &["Sum(Sales)"]);
        cube["qInterColumnSortOrder"] = order;
        cube["qMeasures"][0]["qSortBy"]["qSortByNumeric"] = by_measure.into();
        cube["qDimensions"][0]["qDef"]["qSortCriterias"] = json!([{ "qSortByAscii": by_text }]);
        drawn(&hypercube(&model, &Selections::default(), &cube))
    };
    assert_eq!(sorted(json!([1, 0]), -1, 1), ["Cup 40", "Jug 40", "Pot 20"]);
    assert_eq!(sorted(json!([1, 0]), -1, -1), ["Jug 40", "Cup 40", "Pot 20"]);
    assert_eq!(sorted(json!([1]), 1, 1), ["Pot 20", "Cup 40", "Jug 40"]);
    assert_eq!(sorted(json!([]), 1, -1), ["Pot 20", "Jug 40", "Cup 40"]);
}

#[test]
fn pages_are_cut_to_what_is_there_and_refused_when_too_large() {
    let page = |left: usize, top: usize, width: usize, height: usize| {
        let page = json!({ "qLeft": left, "qTop": top, "qWidth": width, "qHeight": height });
        let found =
            hypercube_pages(&tiny(), &Selections::default(), &definition(&["Product"], &["Sum(Sales)"]), &[page]);
        found.map(|pages| drawn(&json!({ "qDataPages": pages })))
    };
    assert_eq!(page(0, 1, 1, 1), Some(vec!["Pot".into()]));
    assert_eq!(page(1, 0, 5, 2), Some(vec!["40".into(), "20".into()]));
    assert_eq!(page(0, 9, 2, 9), Some(Vec::new()));
    assert_eq!(page(0, 0, 100, 100).map(|rows| rows.len()), Some(3));
    assert_eq!(page(0, 0, 100, 101), None);
}

#[test]
fn lists_show_every_value_with_its_state() {
    let mut definition = definition(&["Product"], &[])["qDimensions"][0].clone();
    definition["qInitialDataFetch"] = json!([{ "qLeft": 0, "qTop": 0, "qWidth": 1, "qHeight": 10 }]);
    let drawn_states = |definition: &Value| {
        let layout = list(&tiny(), &only_south(), definition);
        let matrix = layout["qDataPages"][0]["qMatrix"].as_array().cloned().unwrap_or_default();
        matrix
            .iter()
            .map(|row| format!("{} {}", row[0]["qText"], row[0]["qState"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(drawn_states(&definition), ["Cup O", "Pot X", "Jug O"]);
    definition["qDef"]["qSortCriterias"] = json!([{ "qSortByState": 1, "qSortByAscii": -1 }]);
    assert_eq!(drawn_states(&definition), ["Jug O", "Cup O", "Pot X"]);
}

#[test]
fn current_selections_are_told_by_field() {
    let told = selection_object(&tiny(), &only_south());
    let first = &told["qSelections"][0];
    assert_eq!(
        (&first["qField"], &first["qSelected"], &first["qTotal"]),
        (&json!("Region"), &json!("South"), &json!(2))
    );
    assert_eq!(selection_object(&tiny(), &Selections::default())["qSelections"], json!([]));
}
