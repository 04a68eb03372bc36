//! The app of the tenant: a table of sales and what can be selected in it. Pure; the engine's arithmetic without its
//! protocol. `expression` reads measures, `cube` computes hypercubes and lists.

mod cube;
mod expression;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde_json::Value;

pub use cube::{hypercube, hypercube_pages, list, list_pages, selection_object};
pub use expression::Measure;

/// The one app: sales of coffee equipment, four years by quarter, 400 rows. The same numbers every time.
pub static SALES: LazyLock<Model> = LazyLock::new(sales);

/// A table, column by column.
#[derive(Debug)]
pub struct Model {
    pub fields: Vec<Field>,
    rows: usize,
}

/// A column: its distinct values in load order, and which of them each row holds.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub values: Vec<Symbol>,
    rows: Vec<usize>,
}

/// A distinct value.
#[derive(Debug, Clone, PartialEq)]
pub struct Symbol {
    pub text: String,
    /// Absent for text.
    pub number: Option<f64>,
}

/// Selected values by field, both as indexes. A field without selection has no entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selections(BTreeMap<usize, BTreeSet<usize>>);

/// What a selection makes of a value; the letters are the engine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueState {
    /// Selected.
    Selected,
    /// Possible, in a field without selection.
    Optional,
    /// Would be possible, were not others of its field selected.
    Alternative,
    /// Impossible.
    Excluded,
    /// Selected, but impossible because of other fields.
    SelectedExcluded,
}

impl ValueState {
    /// As layouts spell it.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Selected => "S",
            Self::Optional => "O",
            Self::Alternative => "A",
            Self::Excluded => "X",
            Self::SelectedExcluded => "XS",
        }
    }
}

impl Model {
    /// The field of this name, with or without brackets and equals sign.
    pub fn field(&self, name: &str) -> Option<usize> {
        let name = bare(name);
        self.fields.iter().position(|field| field.name == name)
    }

    /// The rows that a selection leaves, ignoring the selection in one field if asked to.
    fn possible<'a>(&'a self, selections: &'a Selections, ignoring: Option<usize>) -> impl Iterator<Item = usize> + 'a {
        (0..self.rows).filter(move |row| {
            let mut chosen = selections.0.iter().filter(|(field, _)| Some(**field) != ignoring);
            chosen.all(|(field, values)| values.contains(&self.fields[*field].rows[*row]))
        })
    }

    /// The state of every value of a field.
    pub fn states(&self, field: usize, selections: &Selections) -> Vec<ValueState> {
        let reachable: BTreeSet<usize> =
            self.possible(selections, Some(field)).map(|row| self.fields[field].rows[row]).collect();
        let chosen = selections.0.get(&field);
        let state = |value: usize| match (chosen.map(|c| c.contains(&value)), reachable.contains(&value)) {
            (None, true) => ValueState::Optional,
            (None, false) | (Some(false), false) => ValueState::Excluded,
            (Some(true), true) => ValueState::Selected,
            (Some(true), false) => ValueState::SelectedExcluded,
            (Some(false), true) => ValueState::Alternative,
        };
        (0..self.fields[field].values.len()).map(state).collect()
    }

    /// The number that a row holds in a field.
    fn number(&self, field: usize, row: usize) -> Option<f64> {
        let field = &self.fields[field];
        field.values[field.rows[row]].number
    }
}

impl Selections {
    /// Selects values of a field: in addition, or taking back those already selected (`toggle`), or instead of all.
    pub fn select(&mut self, field: usize, values: impl IntoIterator<Item = usize>, toggle: bool) {
        let mut chosen = if toggle { self.0.remove(&field).unwrap_or_default() } else { BTreeSet::new() };
        for value in values {
            if !toggle || !chosen.remove(&value) {
                chosen.insert(value);
            }
        }
        self.0.remove(&field);
        if !chosen.is_empty() {
            self.0.insert(field, chosen);
        }
    }

    pub fn clear(&mut self, field: usize) {
        self.0.remove(&field);
    }

    pub fn clear_others(&mut self, field: usize) {
        self.0.retain(|other, _| *other == field);
    }

    pub fn clear_all(&mut self) {
        self.0.clear();
    }

    /// Texts of the selected values, by name of the field.
    pub fn by_name(&self, model: &Model) -> BTreeMap<String, Vec<String>> {
        let texts = |field: &usize, values: &BTreeSet<usize>| {
            values.iter().map(|value| model.fields[*field].values[*value].text.clone()).collect()
        };
        self.0.iter().map(|(field, values)| (model.fields[*field].name.to_owned(), texts(field, values))).collect()
    }
}

/// The field of a dimension: the first of its definitions. Library items are unknown here.
pub fn dimension_field(model: &Model, definition: &Value) -> Option<usize> {
    model.field(definition["qDef"]["qFieldDefs"][0].as_str()?)
}

/// A field's name without the ways to quote it.
fn bare(name: &str) -> &str {
    let name = name.trim().trim_start_matches('=').trim();
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

fn sales() -> Model {
    const REGIONS: [(&str, f64); 5] =
        [("Americas", 1.0), ("Europe", 0.84), ("Asia Pacific", 0.63), ("Africa", 0.27), ("Middle East", 0.36)];
    const PRODUCTS: [(&str, f64); 5] =
        [("Espresso machines", 640.0), ("Grinders", 210.0), ("Kettles", 85.0), ("Scales", 48.0), ("Filters", 12.0)];
    const SEASONS: [f64; 4] = [0.9, 0.97, 0.94, 1.25];

    let mut table = Table::new(["Region", "Product", "Year", "Quarter", "Sales", "Units"]);
    let mut noise = 7_u32;
    for (year, growth) in [(2023, 1.0), (2024, 1.08), (2025, 1.13), (2026, 1.27)] {
        for (quarter, season) in SEASONS.iter().enumerate() {
            for (region, weight) in REGIONS {
                for (product, price) in PRODUCTS {
                    // A small generator of its own (Numerical Recipes' constants), so that the numbers never change.
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let luck = 0.8 + 0.4 * f64::from(noise >> 16) / 65_536.0;
                    let units = (24_000.0 / price.powf(0.72) * weight * growth * season * luck).round();
                    table.push([
                        Symbol::text(region),
                        Symbol::text(product),
                        Symbol::number(f64::from(year)),
                        Symbol::text(&format!("Q{}", quarter + 1)),
                        Symbol::number(units * price),
                        Symbol::number(units),
                    ]);
                }
            }
        }
    }
    table.finish()
}

impl Symbol {
    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), number: None }
    }

    fn number(number: f64) -> Self {
        Self { text: number.to_string(), number: Some(number) }
    }
}

/// A model under construction.
struct Table(Model);

impl Table {
    fn new<const N: usize>(names: [&'static str; N]) -> Self {
        let fields = names.map(|name| Field { name, values: Vec::new(), rows: Vec::new() });
        Self(Model { fields: fields.into(), rows: 0 })
    }

    fn push<const N: usize>(&mut self, row: [Symbol; N]) {
        for (field, symbol) in self.0.fields.iter_mut().zip(row) {
            let known = field.values.iter().position(|value| *value == symbol);
            field.rows.push(known.unwrap_or(field.values.len()));
            if known.is_none() {
                field.values.push(symbol);
            }
        }
        self.0.rows += 1;
    }

    fn finish(self) -> Model {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{ValueState::*, *};

    /// Two regions, three products, four rows.
    pub fn tiny() -> Model {
        let mut table = Table::new(["Region", "Product", "Sales"]);
        for (region, product, sales) in
            [("North", "Cup", 10.0), ("North", "Pot", 20.0), ("South", "Cup", 30.0), ("South", "Jug", 40.0)]
        {
            table.push([Symbol::text(region), Symbol::text(product), Symbol::number(sales)]);
        }
        table.finish()
    }

    fn select(choices: &[(usize, &[usize])]) -> Selections {
        let mut selections = Selections::default();
        choices.iter().for_each(|(field, values)| selections.select(*field, values.iter().copied(), false));
        selections
    }

    #[test]
    fn states_follow_the_selections_of_other_fields() {
        let model = tiny();
        let (region, product) = (0, 1);
        let (north, south, cup, jug) = (0, 1, 0, 2);
        type Case<'a> = (&'a [(usize, &'a [usize])], [ValueState; 2], [ValueState; 3]);
        let cases: [Case<'_>; 5] = [
            (&[], [Optional, Optional], [Optional, Optional, Optional]),
            (&[(region, &[north])], [Selected, Alternative], [Optional, Optional, Excluded]),
            (&[(region, &[north]), (product, &[cup])], [Selected, Alternative], [Selected, Alternative, Excluded]),
            (
                &[(region, &[north]), (product, &[jug])],
                [SelectedExcluded, Alternative],
                [Alternative, Alternative, SelectedExcluded],
            ),
            (&[(region, &[north, south])], [Selected, Selected], [Optional, Optional, Optional]),
        ];
        for (choices, regions, products) in cases {
            let selections = select(choices);
            assert_eq!(model.states(region, &selections), regions, "{choices:?}");
            assert_eq!(model.states(product, &selections), products, "{choices:?}");
        }
    }

    #[test]
    fn selecting_replaces_toggling_adds_and_takes_back() {
        let mut selections = Selections::default();
        let steps: [(&[usize], bool, &[usize]); 6] = [
            (&[0, 1], false, &[0, 1]),
            (&[2], false, &[2]),
            (&[0], true, &[0, 2]),
            (&[2, 1], true, &[0, 1]),
            (&[0, 1], true, &[]),
            (&[], false, &[]),
        ];
        for (values, toggle, expected) in steps {
            selections.select(1, values.iter().copied(), toggle);
            let chosen: Vec<usize> = selections.0.get(&1).into_iter().flatten().copied().collect();
            assert_eq!(chosen, expected, "{values:?} {toggle}");
        }
        assert_eq!(selections, Selections::default(), "a field without selection leaves no trace");
    }

    #[test]
    fn the_app_is_large_enough_to_be_interesting_and_always_the_same() {
        assert_eq!(SALES.rows, 400);
        let total =
            Measure::parse("Sum(Sales)", &SALES).and_then(|sum| sum.over(&SALES, &(0..400).collect::<Vec<_>>()));
        assert_eq!(total, Some(25_645_892.0));
    }

    #[test]
    fn fields_are_found_however_quoted() {
        for name in ["Region", "[Region]", "=Region", "= [Region] "] {
            assert_eq!(SALES.field(name), Some(0), "{name}");
        }
        assert_eq!(SALES.field("region"), None);
    }
}
