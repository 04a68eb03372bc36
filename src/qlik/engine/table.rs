//! Figures without a chart: a hypercube of one dimension and one measure, as text.

use serde_json::{Value, json};

use super::{Engine, Error, handle};
use crate::advice::clean;

/// How many rows one answer has; with two columns, well below the 10,000 cells that the engine gives at once.
const PAGE: usize = 1000;

/// One dimension, and one measure for each of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Value and figure, as the app formats them.
    pub rows: Vec<(String, String)>,
    /// How many rows there are in all.
    pub total: usize,
}

impl Engine {
    /// The measure for each value of the dimension, up to `most` of them.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Failed`] when the app has no such field, or cannot compute the measure.
    pub async fn table(&mut self, dimension: &str, measure: &str, most: usize) -> Result<Table, Error> {
        let first = json!({ "qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": PAGE.min(most) });
        let definition = json!({
            "qInfo": { "qType": "table-without-a-chart" },
            "qHyperCubeDef": {
                "qDimensions": [{ "qDef": { "qFieldDefs": [dimension] } }],
                "qMeasures": [{ "qDef": { "qDef": measure } }],
                "qInitialDataFetch": [first],
            },
        });
        let made = self.call(self.document, "CreateSessionObject", json!([definition])).await?;
        let object = handle(&made).ok_or(Error::Unreadable("a table has no handle"))?;
        let layout = self.call(object, "GetLayout", json!([])).await?;
        let cube = &layout["qLayout"]["qHyperCube"];
        if let Some(problem) = problem_of(cube) {
            return Err(problem);
        }
        let total = cube["qSize"]["qcy"].as_u64().and_then(|rows| usize::try_from(rows).ok()).unwrap_or_default();
        let mut table = Table { rows: rows_of(&cube["qDataPages"]), total };
        while table.rows.len() < total.min(most) {
            let rest = most - table.rows.len();
            let page = json!({ "qTop": table.rows.len(), "qLeft": 0, "qWidth": 2, "qHeight": PAGE.min(rest) });
            let more = self.call(object, "GetHyperCubeData", json!(["/qHyperCubeDef", [page]])).await?;
            let more = rows_of(&more["qDataPages"]);
            if more.is_empty() {
                break;
            }
            table.rows.extend(more);
        }
        table.rows.truncate(most);
        Ok(table)
    }
}

/// What the engine says is wrong with the cube, or with its dimension or measure.
fn problem_of(cube: &Value) -> Option<Error> {
    let parts =
        [(cube, "the table"), (&cube["qDimensionInfo"][0], "the dimension"), (&cube["qMeasureInfo"][0], "the measure")];
    parts.into_iter().find_map(|(part, name)| {
        let error = part["qError"].as_object()?;
        let code = error.get("qErrorCode").and_then(Value::as_i64).unwrap_or_default();
        let said = error.get("qExtendedMessage").and_then(Value::as_str).unwrap_or_default();
        let message = clean(format!("{name} cannot be computed {said}").trim_end());
        Some(Error::Failed { code, message })
    })
}

fn rows_of(pages: &Value) -> Vec<(String, String)> {
    let text = |cell: &Value| cell["qText"].as_str().unwrap_or_default().to_owned();
    let pages = pages.as_array().into_iter().flatten();
    let rows = pages.flat_map(|page| page["qMatrix"].as_array().into_iter().flatten());
    rows.map(|row| (text(&row[0]), text(&row[1]))).collect()
}
