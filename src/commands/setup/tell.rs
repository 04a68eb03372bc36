//! What is printed.

use serde_json::{Value, json};

use crate::config::ToSetUp;
use crate::setup::{State, Step};

/// Where the column of what was found begins.
const FOUND: usize = 34;

/// The plan.
pub fn plan(tenant: &str, steps: &[&Step]) {
    println!("Tenant {tenant}\n");
    for step in steps {
        print!("{}", text(step));
    }
    println!();
}

fn text(step: &Step) -> String {
    let indent = " ".repeat(FOUND);
    let mut text = format!("{:9}{:width$}", step.state.as_str(), step.part.title(), width = FOUND - 9);
    text.push_str(&step.found.replace('\n', &format!("\n{indent}")));
    text.push('\n');
    if let Some(request) = &step.request {
        text.push_str(&format!("{indent}{} {}\n{indent}{}\n", request.method, request.path, shortened(&request.body)));
    }
    if let Some(remedy) = &step.remedy {
        text.push_str(&format!("{indent}do: {remedy}\n"));
    }
    if let Some(advice) = step.advice {
        text.push_str(&format!("{indent}see: docs/{}\n", advice.link()));
    }
    text
}

/// A certificate is public, and long.
fn shortened(body: &Value) -> String {
    let text = body.to_string();
    match (text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")) {
        (Some(begin), Some(end)) if begin < end => {
            let (before, after) = (text.get(..begin + 37), text.get(end.saturating_sub(10)..));
            format!("{}...{}", before.unwrap_or_default(), after.unwrap_or_default())
        }
        _ => text,
    }
}

/// A step that was carried out.
pub fn done(step: &Step) {
    println!("{:9}{}: {}", "done", step.part.title(), step.found);
}

/// The end of a plan that was not to be carried out.
pub fn nothing_changed(steps: &[&Step]) {
    if steps.iter().any(|step| step.is_open()) {
        println!("Nothing was changed. `qlik-embed-bff setup --apply` carries it out.");
    } else if steps.iter().any(|step| step.state == State::Stuck) {
        println!("Nothing was changed, and something is left for you: see above.");
    } else {
        println!("Everything is there.");
    }
}

/// What comes after.
pub fn next(known: &ToSetUp) {
    println!(
        "\nNext: give visitors, or a group of theirs, a role in the space of the app; then\n\
         \n    qlik-embed-bff users add ada --name \"Ada Lovelace\" --email ada@acme.example\n    qlik-embed-bff serve\n\
         \nand open {}. When something does not work: qlik-embed-bff doctor",
        known.portal
    );
}

/// The plan for machines.
pub fn as_json(tenant: &str, steps: &[&Step]) -> Value {
    let step = |step: &&Step| {
        let request = step.request.as_ref();
        json!({
            "part": step.part.id(), "title": step.part.title(), "state": step.state.as_str(), "found": step.found,
            "request": request.map(|request| json!({
                "method": request.method.as_str(), "path": request.path, "body": request.body,
            })),
            "remedy": step.remedy, "advice": step.advice.map(|advice| advice.id),
        })
    };
    json!({ "tenant": tenant, "steps": steps.iter().map(step).collect::<Vec<_>>() })
}
