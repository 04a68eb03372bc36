//! Hypercubes, list objects and the list of current selections, from their definitions in JSON to their layouts.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::{Value, json};

use super::{Measure, Model, Selections, Symbol, ValueState, dimension_field};

/// The largest page in cells, as the engine has it.
const LARGEST_PAGE: usize = 10_000;

/// A cube, computed: rows of cells, dimensions first.
struct Cube {
    dimensions: Vec<Option<usize>>,
    measures: Vec<Option<Measure>>,
    rows: Vec<Row>,
}

struct Row {
    /// Index of the value, for each dimension.
    key: Vec<usize>,
    values: Vec<Option<f64>>,
}

/// The layout of a `qHyperCubeDef`.
pub fn hypercube(model: &Model, selections: &Selections, definition: &Value) -> Value {
    let cube = Cube::compute(model, selections, definition);
    let width = cube.dimensions.len() + cube.measures.len();
    let dimensions = cube.dimensions.iter().enumerate().map(|(at, field)| {
        let info = dimension_info(model, selections, *field, &definition["qDimensions"][at]["qDef"]);
        info.unwrap_or_else(|| json!({ "qFallbackTitle": "", "qError": { "qErrorCode": 2 } }))
    });
    let measures = cube.measures.iter().enumerate().map(|(at, measure)| {
        let definition = &definition["qMeasures"][at];
        let numbers = || cube.rows.iter().filter_map(|row| row.values[at]);
        let mut info = json!({
            "qFallbackTitle": title(&definition["qDef"], "qLabel", "qDef"), "qApprMaxGlyphCount": 10, "qCardinal": 0,
            "qSortIndicator": sort_letter(measure_order(definition)), "qNumFormat": definition["qDef"]["qNumFormat"],
            "qMin": numbers().reduce(f64::min).map_or(json!("NaN"), Value::from),
            "qMax": numbers().reduce(f64::max).map_or(json!("NaN"), Value::from),
        });
        if measure.is_none() {
            info["qError"] = json!({ "qErrorCode": 7 });
        }
        info
    });
    let dimensions: Vec<Value> = dimensions.collect();
    let measures: Vec<Value> = measures.collect();
    let all: Vec<usize> = model.possible(selections, None).collect();
    let totals = cube.measures.iter().map(|measure| number_cell(measure.and_then(|m| m.over(model, &all))));
    let fetch = definition["qInitialDataFetch"].as_array().cloned().unwrap_or_default();
    let pages = cube.pages(model, selections, &fetch).unwrap_or_default();
    json!({
        "qSize": { "qcx": width, "qcy": cube.rows.len() },
        "qDimensionInfo": dimensions, "qMeasureInfo": measures,
        "qEffectiveInterColumnSortOrder": column_order(definition, width),
        "qGrandTotalRow": totals.collect::<Vec<_>>(),
        "qDataPages": pages, "qPivotDataPages": [], "qStackedDataPages": [],
        "qMode": "S", "qNoOfLeftDims": -1, "qTreeNodesOnDim": [], "qColumnOrder": [],
    })
}

/// The pages of a hypercube. Nothing when one asks for too much.
pub fn hypercube_pages(
    model: &Model,
    selections: &Selections,
    definition: &Value,
    pages: &[Value],
) -> Option<Vec<Value>> {
    Cube::compute(model, selections, definition).pages(model, selections, pages)
}

/// The layout of a `qListObjectDef`.
pub fn list(model: &Model, selections: &Selections, definition: &Value) -> Value {
    let field = dimension_field(model, definition);
    let info = dimension_info(model, selections, field, &definition["qDef"]);
    let fetch = definition["qInitialDataFetch"].as_array().cloned().unwrap_or_default();
    json!({
        "qSize": { "qcx": 1, "qcy": field.map_or(0, |field| model.fields[field].values.len()) },
        "qDimensionInfo": info.unwrap_or_else(|| json!({ "qFallbackTitle": "", "qError": { "qErrorCode": 2 } })),
        "qExpressions": [],
        "qDataPages": list_pages(model, selections, definition, &fetch).unwrap_or_default(),
    })
}

/// The pages of a list object. Nothing when one asks for too much.
pub fn list_pages(model: &Model, selections: &Selections, definition: &Value, pages: &[Value]) -> Option<Vec<Value>> {
    let Some(field) = dimension_field(model, definition) else { return Some(Vec::new()) };
    let states = model.states(field, selections);
    let mut order: Vec<usize> = (0..states.len()).collect();
    let criterion = &definition["qDef"]["qSortCriterias"][0];
    let values = &model.fields[field].values;
    order.sort_by(|a, b| {
        let by_state = if sign(criterion, "qSortByState") == 0 { Ordering::Equal } else { states[*a].cmp(&states[*b]) };
        by_state.then_with(|| compare(&values[*a], &values[*b], criterion)).then(a.cmp(b))
    });
    let matrix: Vec<Value> =
        order.iter().map(|value| json!([symbol_cell(&values[*value], *value, states[*value])])).collect();
    pages.iter().map(|page| Area::of(page, 1, matrix.len()).map(|area| area.cut(&matrix))).collect()
}

/// The layout of a `qSelectionObjectDef`: what is selected, field by field.
pub fn selection_object(model: &Model, selections: &Selections) -> Value {
    let selected = selections.0.iter().map(|(field, chosen)| {
        let states = model.states(*field, selections);
        let field = &model.fields[*field];
        let texts: Vec<&str> = chosen.iter().map(|value| field.values[*value].text.as_str()).collect();
        let infos: Vec<Value> = texts.iter().map(|text| json!({ "qName": text })).collect();
        json!({
            "qField": field.name, "qReadableName": field.name, "qTotal": field.values.len(), "qSelectedCount": chosen.len(),
            "qSelected": texts.join(", "), "qSelectedFieldSelectionInfo": infos, "qIsNum": field.values[0].number.is_some(),
            "qLocked": false, "qOneAndOnlyOne": false, "qRangeInfo": [], "qStateCounts": counts(&states),
        })
    });
    json!({ "qBackCount": 0, "qForwardCount": 0, "qSelections": selected.collect::<Vec<_>>() })
}

impl Cube {
    fn compute(model: &Model, selections: &Selections, definition: &Value) -> Self {
        let listed = |name: &str| definition[name].as_array().cloned().unwrap_or_default();
        let dimensions: Vec<_> = listed("qDimensions").iter().map(|d| dimension_field(model, d)).collect();
        let formula = |measure: &Value| Measure::parse(measure["qDef"]["qDef"].as_str()?, model);
        let measures: Vec<_> = listed("qMeasures").iter().map(formula).collect();
        let mut cube = Self { dimensions, measures, rows: Vec::new() };
        let Some(fields) = cube.dimensions.iter().copied().collect::<Option<Vec<usize>>>() else { return cube };
        if fields.is_empty() && cube.measures.is_empty() {
            return cube;
        }
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        if fields.is_empty() {
            groups.insert(Vec::new(), Vec::new());
        }
        for row in model.possible(selections, None) {
            let key = fields.iter().map(|field| model.fields[*field].rows[row]).collect();
            groups.entry(key).or_default().push(row);
        }
        let values = |rows: &[usize]| cube.measures.iter().map(|m| m.and_then(|m| m.over(model, rows))).collect();
        cube.rows = groups.into_iter().map(|(key, rows)| Row { key, values: values(&rows) }).collect();
        if definition["qSuppressZero"] == true && !cube.measures.is_empty() {
            cube.rows.retain(|row| row.values.iter().any(|value| value.is_some_and(|v| v != 0.0)));
        }
        cube.sort(model, definition);
        cube
    }

    /// Column after column in the order of the definition; a column without a criterion decides nothing.
    fn sort(&mut self, model: &Model, definition: &Value) {
        let dimensions: Vec<usize> = self.dimensions.iter().copied().flatten().collect();
        let columns = column_order(definition, dimensions.len() + self.measures.len());
        self.rows.sort_by(|a, b| {
            let compare_column = |column: &usize| match dimensions.get(*column) {
                Some(field) => {
                    let values = &model.fields[*field].values;
                    let criterion = &definition["qDimensions"][*column]["qDef"]["qSortCriterias"][0];
                    compare(&values[a.key[*column]], &values[b.key[*column]], criterion)
                        .then(a.key[*column].cmp(&b.key[*column]))
                }
                None => {
                    let at = column - dimensions.len();
                    let order = a.values[at].partial_cmp(&b.values[at]).unwrap_or(Ordering::Equal);
                    directed(order, measure_order(&definition["qMeasures"][at]))
                }
            };
            columns.iter().map(compare_column).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
    }

    fn pages(&self, model: &Model, selections: &Selections, pages: &[Value]) -> Option<Vec<Value>> {
        let fields: Vec<usize> = self.dimensions.iter().copied().flatten().collect();
        let states: Vec<Vec<ValueState>> = fields.iter().map(|field| model.states(*field, selections)).collect();
        let line = |row: &Row| {
            let keys =
                row.key.iter().enumerate().map(|(at, value)| {
                    symbol_cell(&model.fields[fields[at]].values[*value], *value, states[at][*value])
                });
            Value::Array(keys.chain(row.values.iter().copied().map(number_cell)).collect())
        };
        let matrix: Vec<Value> = self.rows.iter().map(line).collect();
        let width = self.dimensions.len() + self.measures.len();
        pages.iter().map(|page| Area::of(page, width, matrix.len()).map(|area| area.cut(&matrix))).collect()
    }
}

/// The part of a matrix that a page shows.
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Area {
    /// What was asked for, cut to what is there. Nothing when it is too large.
    fn of(page: &Value, columns: usize, rows: usize) -> Option<Self> {
        let asked = |name: &str| page[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        if asked("qWidth").saturating_mul(asked("qHeight")) > LARGEST_PAGE {
            return None;
        }
        let (left, top) = (asked("qLeft").min(columns), asked("qTop").min(rows));
        Some(Self { left, top, width: asked("qWidth").min(columns - left), height: asked("qHeight").min(rows - top) })
    }

    fn cut(&self, matrix: &[Value]) -> Value {
        let columns = |row: &Value| row.as_array().map(|row| row[self.left..self.left + self.width].to_vec());
        let rows: Vec<_> = matrix[self.top..self.top + self.height].iter().map(columns).collect();
        let area = json!({ "qLeft": self.left, "qTop": self.top, "qWidth": self.width, "qHeight": self.height });
        json!({ "qMatrix": rows, "qTails": [{ "qUp": 0, "qDown": 0 }], "qArea": area })
    }
}

fn dimension_info(model: &Model, selections: &Selections, field: Option<usize>, definition: &Value) -> Option<Value> {
    let states = model.states(field?, selections);
    let field = &model.fields[field?];
    let numbers = || field.values.iter().filter_map(|value| value.number);
    let numeric = numbers().count() > 0;
    Some(json!({
        "qFallbackTitle": title(definition, "qFieldLabels", "qFieldDefs"), "qCardinal": field.values.len(),
        "qApprMaxGlyphCount": field.values.iter().map(|value| value.text.chars().count()).max(),
        "qSortIndicator": if numeric { "N" } else { "A" }, "qGroupFallbackTitles": [field.name], "qGroupPos": 0,
        "qGroupFieldDefs": [field.name], "qStateCounts": counts(&states),
        "qTags": if numeric { json!(["$numeric"]) } else { json!(["$ascii", "$text"]) },
        "qDimensionType": if numeric { "N" } else { "D" }, "qGrouping": "N", "qNumFormat": { "qType": "U" }, "qIsAutoFormat": true,
        "qMin": numbers().reduce(f64::min).map_or(json!("NaN"), Value::from),
        "qMax": numbers().reduce(f64::max).map_or(json!("NaN"), Value::from),
        "qAttrExprInfo": [], "qAttrDimInfo": [],
    }))
}

fn counts(states: &[ValueState]) -> Value {
    let count = |wanted| states.iter().filter(|state| **state == wanted).count();
    json!({
        "qSelected": count(ValueState::Selected), "qOption": count(ValueState::Optional),
        "qAlternative": count(ValueState::Alternative), "qExcluded": count(ValueState::Excluded),
        "qSelectedExcluded": count(ValueState::SelectedExcluded), "qLocked": 0, "qDeselected": 0, "qLockedExcluded": 0,
    })
}

/// A label where there is one, else the definition itself.
fn title(definition: &Value, label: &str, formula: &str) -> String {
    let text = |value: &Value| value.as_str().or_else(|| value[0].as_str()).unwrap_or_default().to_owned();
    let label = text(&definition[label]);
    if label.is_empty() { super::bare(&text(&definition[formula])).to_owned() } else { label }
}

fn symbol_cell(symbol: &Symbol, index: usize, state: ValueState) -> Value {
    let number = symbol.number.map_or(json!("NaN"), Value::from);
    json!({ "qText": symbol.text, "qNum": number, "qElemNumber": index, "qState": state.letters() })
}

fn number_cell(value: Option<f64>) -> Value {
    match value {
        Some(number) => json!({ "qText": number.to_string(), "qNum": number, "qElemNumber": 0, "qState": "L" }),
        None => json!({ "qText": "-", "qNum": "NaN", "qElemNumber": 0, "qState": "L", "qIsNull": true }),
    }
}

/// The order in which columns sort, with those that the definition forgets at the end.
fn column_order(definition: &Value, width: usize) -> Vec<usize> {
    let named = definition["qInterColumnSortOrder"].as_array().into_iter().flatten();
    let mut order: Vec<usize> =
        named.filter_map(|n| usize::try_from(n.as_u64()?).ok()).filter(|n| *n < width).collect();
    order.extend((0..width).filter(|column| !order.contains(column)).collect::<Vec<_>>());
    order
}

fn measure_order(measure: &Value) -> i64 {
    sign(&measure["qSortBy"], "qSortByNumeric")
}

fn sort_letter(order: i64) -> &'static str {
    match order {
        0 => "",
        1.. => "A",
        _ => "D",
    }
}

fn compare(a: &Symbol, b: &Symbol, criterion: &Value) -> Ordering {
    let by_number =
        directed(a.number.partial_cmp(&b.number).unwrap_or(Ordering::Equal), sign(criterion, "qSortByNumeric"));
    by_number.then_with(|| directed(a.text.cmp(&b.text), sign(criterion, "qSortByAscii")))
}

/// 1 ascending, -1 descending, 0 not by this.
fn sign(criterion: &Value, name: &str) -> i64 {
    criterion[name].as_i64().unwrap_or_default().signum()
}

fn directed(order: Ordering, sign: i64) -> Ordering {
    match sign {
        0 => Ordering::Equal,
        1.. => order,
        _ => order.reverse(),
    }
}

#[cfg(test)]
mod tests;
