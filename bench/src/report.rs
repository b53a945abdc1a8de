//! What was measured, as Markdown for people and as JSON for programs. Both show the same figures.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Everything of one run.
pub(crate) struct Report {
    facts: Value,
    sections: Vec<Section>,
}

/// One measurement.
pub(crate) struct Section {
    pub(crate) title: String,
    /// What was measured on: rows, bytes, rounds.
    pub(crate) facts: Value,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) lines: Vec<Vec<Value>>,
    /// What was to be reached, and whether it was.
    pub(crate) targets: Vec<Target>,
}

/// A figure that was to be reached.
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) measured: String,
    pub(crate) reached: bool,
}

impl Report {
    pub(crate) fn new(facts: Value) -> Self {
        Self { facts, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section) {
        eprintln!("{}", section.to_markdown());
        self.sections.push(section);
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("Server: `{}`\n", self.facts);
        for section in &self.sections {
            text += &section.to_markdown();
        }
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        let sections = self.sections.iter().map(Section::to_json).collect::<Vec<_>>();
        json!({ "facts": self.facts, "sections": sections })
    }
}

impl Section {
    fn to_markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let columns: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        let mut lines = vec![format!("\n## {}\n\n`{}`\n", self.title, self.facts), row(&columns)];
        lines.push(format!("|{}", "---|".repeat(self.columns.len())));
        lines.extend(self.lines.iter().map(|line| row(&line.iter().map(cell).collect::<Vec<_>>())));
        let mut text = lines.join("\n") + "\n\n";
        for target in &self.targets {
            let reached = if target.reached { "yes" } else { "no" };
            writeln!(text, "- {}: {reached} ({})", target.what, target.measured)
                .expect("a String takes every write");
        }
        text
    }

    fn to_json(&self) -> Value {
        let line = |line: &Vec<Value>| {
            let named =
                self.columns.iter().zip(line).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(named.collect())
        };
        let target = |target: &Target| json!({ "what": target.what, "measured": target.measured, "reached": target.reached });
        json!({
            "title": self.title,
            "facts": self.facts,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "targets": self.targets.iter().map(target).collect::<Vec<_>>(),
        })
    }
}

/// A figure that keeps this many digits behind the point.
pub(crate) fn figure(number: f64, digits: i32) -> Value {
    let scale = 10_f64.powi(digits);
    json!((number * scale).round() / scale)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_show_the_same_figures() {
        let mut report = Report::new(json!({}));
        report.sections.push(Section {
            title: "t".into(),
            facts: json!({ "rows": 1 }),
            columns: vec!["refresh", "ms"],
            lines: vec![vec![json!("swap"), figure(1.26, 1)], vec![json!("none"), Value::Null]],
            targets: vec![Target { what: "fast", measured: "1.3 ms".into(), reached: true }],
        });
        assert!(report.to_markdown().contains("| swap | 1.3 |\n| none | – |\n\n- fast: yes (1.3 ms)\n"));
        assert_eq!(report.to_json()["sections"][0]["lines"][0]["ms"], json!(1.3));
    }
}
