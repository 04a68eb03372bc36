//! Measures: one aggregation over one field, `Sum(Sales)` or `=Count(distinct [Product])`. Anything else is no measure,
//! and its cells are empty, as the engine's are for a formula that it cannot read.

use std::collections::BTreeSet;

use super::{Model, bare};

/// An aggregation that can be computed over rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    how: Aggregation,
    distinct: bool,
    field: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregation {
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

impl Measure {
    /// Reads a formula against the fields of a model.
    pub fn parse(formula: &str, model: &Model) -> Option<Self> {
        let (name, argument) = bare(formula).strip_suffix(')')?.split_once('(')?;
        let how = match name.trim().to_ascii_lowercase().as_str() {
            "sum" => Aggregation::Sum,
            "avg" => Aggregation::Avg,
            "min" => Aggregation::Min,
            "max" => Aggregation::Max,
            "count" => Aggregation::Count,
            _ => return None,
        };
        let argument = argument.trim();
        let rest = argument.get(..8).filter(|word| word.eq_ignore_ascii_case("distinct")).map(|_| &argument[8..]);
        let field = model.field(rest.unwrap_or(argument))?;
        Some(Self { how, distinct: rest.is_some(), field })
    }

    /// The value over these rows; nothing over none, except that sums and counts of nothing are zero.
    pub fn over(self, model: &Model, rows: &[usize]) -> Option<f64> {
        let mut seen = BTreeSet::new();
        let first = |row: &&usize| !self.distinct || seen.insert(model.fields[self.field].rows[**row]);
        let rows: Vec<usize> = rows.iter().filter(first).copied().collect();
        let numbers = || rows.iter().filter_map(|row| model.number(self.field, *row));
        match self.how {
            Aggregation::Sum => Some(numbers().sum()),
            Aggregation::Count => Some(count(rows.len())),
            Aggregation::Avg => (numbers().count() > 0).then(|| numbers().sum::<f64>() / count(numbers().count())),
            Aggregation::Min => numbers().reduce(f64::min),
            Aggregation::Max => numbers().reduce(f64::max),
        }
    }
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::INFINITY, f64::from)
}
