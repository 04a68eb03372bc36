//! Figures as they are printed.

/// One turn of one contender.
#[derive(Clone, Copy)]
pub struct Sample {
    /// What is compared.
    pub figure: f64,
    /// What helps to read it.
    pub aside: f64,
}

/// The turns of one contender, one a round.
pub struct Row {
    pub name: &'static str,
    pub is_product: bool,
    pub samples: Vec<Sample>,
}

/// Prints medians, and the ratio to the reference within the same round. Returns whether the limit was kept.
pub fn print(title: &str, columns: [&str; 2], rows: &[Row], reference: Option<usize>, limit: Option<f64>) -> bool {
    let [figure, aside] = columns;
    println!("{title:48}  {figure:>8}  {aside:>8}  {:>7}  quartiles", "ratio");
    let mut kept = true;
    for row in rows {
        let figure = middle(row.samples.iter().map(|sample| sample.figure));
        let aside = middle(row.samples.iter().map(|sample| sample.aside));
        print!("  {:46}  {figure:>8.1}  {aside:>8.1}", row.name);
        let Some(reference) = reference.map(|at| &rows[at].samples) else {
            println!();
            continue;
        };
        let ratios = sorted(row.samples.iter().zip(reference).map(|(own, other)| own.figure / other.figure));
        let [low, ratio, high] = [1, 2, 3].map(|quarter| ratios[(ratios.len() - 1) * quarter / 4]);
        let verdict = match limit.filter(|_| row.is_product) {
            Some(limit) if ratio <= limit => format!("  within {limit}"),
            Some(limit) => {
                kept = false;
                format!("  ABOVE {limit}")
            }
            None => String::new(),
        };
        println!("  {ratio:>7.3}  {low:.3} {high:.3}{verdict}");
    }
    println!();
    kept
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let values = sorted(values);
    values[(values.len() - 1) / 2]
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
