//! Alerts and dashboard: read by promtool, about metrics that there are, with a paragraph that says what to do.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{path, read, root, run, yaml};

fn promtool(arguments: &[&str]) -> String {
    run(Command::new("promtool").args(arguments).current_dir(path("prometheus")))
}

#[test]
fn promtool_takes_the_alerts_and_each_rings_when_it_shall() {
    promtool(&["check", "config", "prometheus.yml"]);
    let checked = promtool(&["check", "rules", "alerts.yml"]);
    let names = alerts().into_iter().map(|alert| alert["alert"].as_str().expect("a name").to_owned());
    let names: BTreeSet<_> = names.collect();
    assert!(checked.contains(&format!("{} rules found", names.len())), "{checked}");
    let tests = read("prometheus/alerts.test.yml");
    for name in names {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} is not tried");
    }
    promtool(&["test", "rules", "alerts.test.yml"]);
}

fn alerts() -> Vec<Value> {
    let file = yaml("plain", &[path("prometheus/alerts.yml")]).remove(0);
    let groups = file["groups"].as_array().expect("groups");
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// Every expression of the dashboard.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(table) => {
            found.extend(table.get("expr").and_then(Value::as_str).map(str::to_owned));
            found.extend(table.get("definition").and_then(Value::as_str).map(|query| {
                let inside = query.strip_prefix("label_values(").and_then(|rest| rest.split(',').next());
                inside.expect("the one function that variables have here").to_owned()
            }));
            table.values().for_each(|value| expressions(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

fn dashboard() -> (Value, Vec<String>) {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboard.json")).expect("JSON");
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 20, "{found:?}");
    (dashboard, found)
}

#[test]
fn promtool_takes_every_expression_of_the_dashboard() {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    let (_, expressions) = dashboard();
    for (place, expression) in expressions.iter().enumerate() {
        let here = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        assert!(!here.contains('$'), "{expression}");
        writeln!(rules, "  - record: panel_{place}\n    expr: {}", Value::from(here)).expect("text");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).expect("written");
    let said = run(Command::new("promtool").args(["check", "rules"]).arg(file));
    assert!(said.contains(&format!("{} rules found", expressions.len())), "{said}");
}

#[test]
fn panels_have_places_and_numbers_of_their_own() {
    let (dashboard, _) = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let place = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().expect("a number");
    let (mut numbers, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(numbers.insert(panel["id"].as_u64()), "{}", panel["title"]);
        for x in place(panel, "x")..place(panel, "x") + place(panel, "w") {
            for y in place(panel, "y")..place(panel, "y") + place(panel, "h") {
                assert!(x < 24 && cells.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let page = fs::read_to_string(root().join("docs/metrics.md")).expect("docs/metrics.md tells of every metric");
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.filter(|word| word.contains('_')).map(str::to_owned).collect()
    };
    let told = words(&page);
    let is_told =
        |name: &str| told.contains(name) || name.strip_prefix("qlik_embed_").is_some_and(|name| told.contains(name));
    let alerts = alerts().into_iter().map(|alert| alert["expr"].as_str().expect("text").to_owned());
    let asked: BTreeSet<_> = alerts.chain(dashboard().1).flat_map(|expression| words(&expression)).collect();
    let metrics: Vec<_> =
        asked.iter().filter(|word| word.starts_with("qlik_embed_") || word.starts_with("process_")).collect();
    assert!(metrics.len() > 20, "{metrics:?}");
    for name in metrics {
        let of_histogram = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        assert!(is_told(name) || of_histogram.is_some_and(is_told), "{name} is no metric of docs/metrics.md");
    }
}

#[test]
fn each_alert_says_what_to_do_and_where_it_is_written() {
    let page = fs::read_to_string(root().join("docs/production.md")).expect("the page");
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let anchors: BTreeSet<_> = headings.map(|heading| heading.to_lowercase().replace(' ', "-")).collect();
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        let note =
            |key: &str| alert["annotations"][key].as_str().unwrap_or_else(|| panic!("{name} has no {key}")).to_owned();
        let runbook = note("runbook");
        let anchor = runbook.strip_prefix("docs/production.md#").unwrap_or_else(|| panic!("{name}: {runbook}"));
        assert!(anchors.contains(anchor), "{name}: no paragraph {anchor} in {anchors:?}");
        assert!(page.contains(name), "{name} is not named there");
        assert!(!note("summary").is_empty() && !note("description").is_empty());
        assert!(["warning", "critical"].contains(&alert["labels"]["severity"].as_str().unwrap_or_default()), "{name}");
    }
}
