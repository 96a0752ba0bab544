//! Alerts and the dashboard against the programs: every metric they ask for is one that some process tells.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_yaml_ng::Value;
use support::{read, root, text};

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const DASHBOARD: &str = "deploy/grafana/tabib.json";

fn rules() -> Vec<Value> {
    let file: Value = serde_yaml_ng::from_str(&read(ALERTS)).unwrap();
    file["groups"]
        .as_sequence()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_sequence().unwrap().clone())
        .collect()
}

/// The metrics that an expression asks for: names with an underscore outside of label lists, without functions.
fn metrics(expression: &str) -> BTreeSet<String> {
    let mut outside = String::new();
    let mut depth = 0_u32;
    for letter in expression.chars() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    outside
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.contains('_') && *word != "histogram_quantile")
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// All that our code says, tests left out.
fn code() -> String {
    fn gather(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "tests" | "target" | "vendor") {
                gather(&path, all);
            } else if name.ends_with(".rs") {
                all.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = String::new();
    for folder in ["crates", "gateway", "services"] {
        gather(&root().join(folder), &mut all);
    }
    all
}

#[test]
fn every_metric_that_is_asked_for_is_told() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let shown = panels
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned());
    let asked: BTreeSet<String> = rules()
        .iter()
        .map(|rule| text(&rule["expr"]))
        .chain(shown)
        .flat_map(|expression| metrics(&expression))
        .collect();
    assert!(asked.len() > 20, "{asked:?}");
    let code = code();
    let unknown: Vec<&String> = asked
        .iter()
        .filter(|name| !code.contains(&format!("\"{name}\"")))
        .collect();
    assert!(unknown.is_empty(), "nobody tells {unknown:?}");
}

#[test]
fn every_alert_says_whom_to_call_and_what_is_wrong() {
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = text(&rule["alert"]);
        assert!(names.insert(name.clone()), "{name} is there twice");
        let severity = text(&rule["labels"]["severity"]);
        assert!(matches!(severity.as_str(), "page" | "ticket"), "{name}");
        assert!(!text(&rule["annotations"]["summary"]).is_empty(), "{name}");
    }
    for name in [
        "RouteFails",
        "GatewaySlow",
        "GatewayPanic",
        "BreakerOpen",
        "ServiceWithoutInstance",
        "LimitsWithoutRedis",
        "CertificateExpires",
        "CertificateRefused",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
}

/// Prometheus' own reading, where its tool is installed.
#[test]
fn prometheus_takes_the_file() {
    let checked = Command::new("promtool")
        .args(["check", "rules"])
        .arg(root().join(ALERTS))
        .output();
    match checked {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
}
