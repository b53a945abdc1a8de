//! The example for Prometheus and Grafana names metrics that exist, with labels that they have.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs};

use remat::telemetry::{self, Kind};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/monitoring");

/// Every word of a text that looks like a metric, with what stands in the braces behind it.
fn metrics(text: &str) -> Vec<(String, String)> {
    let starts = text.match_indices("remat_").map(|(at, _)| at);
    let whole = starts.filter(|at| !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    let found = whole.map(|at| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let labels =
            rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(labels, _)| labels);
        (rest[..end].to_owned(), labels.unwrap_or_default().to_owned())
    });
    found.collect()
}

fn check(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(format!("{DIR}/{file}")).unwrap();
    let mut used = BTreeSet::new();
    for (word, labels) in metrics(&text) {
        let is_part = |kind: Kind, name: &str| {
            word == name
                || kind == Kind::Histogram
                    && ["_bucket", "_sum", "_count"].iter().any(|end| word == format!("{name}{end}"))
        };
        let metric = telemetry::ALL.iter().find(|metric| is_part(metric.kind, metric.name));
        let metric = metric.unwrap_or_else(|| panic!("{file}: {word} is no metric"));
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let label = label.split(['=', '!']).next().unwrap().trim();
            assert!(metric.labels.contains(&label) || label == "le", "{file}: {word} has no label {label}");
        }
        used.insert(metric.name.to_owned());
    }
    used
}

#[test]
fn the_example_names_only_metrics_and_labels_that_exist() {
    let (rules, dashboard) = (check("rules.yml"), check("dashboard.json"));
    assert!(rules.len() > 5 && dashboard.len() > 10, "{rules:?} {dashboard:?}");
}

#[test]
fn the_dashboard_is_json_with_a_panel_for_each_number() {
    let text = fs::read_to_string(format!("{DIR}/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> =
        dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}
