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

#[cfg(test)]
mod tests {
    use super::{super::tests::tiny, *};

    #[test]
    fn formulas_and_their_values() {
        let model = tiny();
        let all = [0, 1, 2, 3];
        let cases = [
            ("Sum(Sales)", Some(100.0)),
            ("=sum( [Sales] )", Some(100.0)),
            ("Avg(Sales)", Some(25.0)),
            ("Min(Sales)", Some(10.0)),
            ("Max(Sales)", Some(40.0)),
            ("Count(Region)", Some(4.0)),
            ("Count(DISTINCT Region)", Some(2.0)),
            ("Sum(Region)", Some(0.0)),
            ("Max(Region)", None),
        ];
        for (formula, expected) in cases {
            let measure = Measure::parse(formula, &model).unwrap_or_else(|| panic!("{formula} is a measure"));
            assert_eq!(measure.over(&model, &all), expected, "{formula}");
        }
    }

    #[test]
    fn over_no_rows_sums_are_zero_and_the_rest_is_nothing() {
        let model = tiny();
        let cases =
            [("Sum(Sales)", Some(0.0)), ("Count(Sales)", Some(0.0)), ("Avg(Sales)", None), ("Min(Sales)", None)];
        for (formula, expected) in cases {
            assert_eq!(
                Measure::parse(formula, &model).and_then(|measure| measure.over(&model, &[])),
                expected,
                "{formula}"
            );
        }
    }

    #[test]
    fn what_is_no_measure() {
        for formula in ["", "Sales", "Sum(Sales", "Sum(Nothing)", "Median(Sales)", "Sum(Sales)/Sum(Sales)", "Sum()"] {
            assert_eq!(Measure::parse(formula, &tiny()), None, "{formula}");
        }
    }
}
