//! How views follow changes, for people.

use std::fmt::Write as _;

use remat::{
    error::Complaint,
    maintain::{Advice, Explanation, HiddenTold, Refusal, SourceTold, StageTold},
};

use super::{
    Output,
    table::{Table, Tone, figure, toned, word},
    text::{self, clean, clean_lines, or_nothing},
};

/// One paragraph for each view, with the statements where they are asked for.
pub(crate) fn all(out: &Output, explained: &[Explanation], sql: bool) -> String {
    explained.iter().map(|it| one(out, it, sql)).collect::<Vec<_>>().join("\n\n")
}

fn one(out: &Output, told: &Explanation, sql: bool) -> String {
    let mut parts = vec![headline(told)];
    if let Some(refusal) = &told.refusal {
        parts.push(refused(refusal));
    } else {
        parts.push(stages(out, &told.stages));
        parts.extend((!told.hidden.is_empty()).then(|| hidden(out, &told.hidden)));
        parts.push(sources(out, &told.sources));
    }
    parts.extend(told.obstacle.as_ref().map(obstacle));
    parts.extend((!told.advice.is_empty()).then(|| advised(&told.advice)));
    parts.extend((sql && told.refusal.is_none()).then(|| statements(told)));
    parts.join("\n\n")
}

fn headline(told: &Explanation) -> String {
    let name = text::name(&told.view);
    let stages = match told.stages.len() {
        0 => return format!("{name} does not follow changes; the strategy {} serves it", told.otherwise),
        1 => "one stage".to_owned(),
        n => format!("{n} stages"),
    };
    if told.wanted {
        format!("{name} follows changes in {stages}")
    } else {
        format!("{name} could follow changes in {stages}; its strategy {} does not", told.strategy)
    }
}

fn obstacle(what: &Complaint) -> String {
    let mut lines = format!("stood in the way when a refresh last tried: {}", clean_lines(&what.primary));
    for (label, part) in [("detail", &what.detail), ("hint", &what.hint)] {
        if let Some(part) = part {
            write!(lines, "\n  {label}: {}", clean_lines(part)).expect(TAKES_ALL);
        }
    }
    lines
}

fn stages(out: &Output, stages: &[StageTold]) -> String {
    let mut table = Table::new(out, &["stage", "technique", "what", "cost"]);
    for (n, stage) in stages.iter().enumerate() {
        table.row([
            figure((n + 1).to_string()),
            word(stage.technique.to_string()),
            word(&stage.title),
            figure(or_nothing(stage.cost, |cost| format!("{cost:.0}"))),
        ]);
    }
    table.finish()
}

fn hidden(out: &Output, tables: &[HiddenTold]) -> String {
    let mut table = Table::new(out, &["hidden table", "size"]);
    for one in tables {
        table.row([word(text::name(&one.table)), figure(or_nothing(one.bytes, text::bytes))]);
    }
    table.finish()
}

fn sources(out: &Output, tables: &[SourceTold]) -> String {
    let mut table = Table::new(out, &["reads", "columns", "captured"]);
    for one in tables {
        let columns = if one.columns.is_empty() { "(rows only)".to_owned() } else { one.columns.join(", ") };
        let captured = if one.captured { toned("yes", Tone::Good) } else { toned("not yet", Tone::Notable) };
        table.row([word(text::name(&one.table)), word(columns), captured]);
    }
    table.finish()
}

fn refused(refusal: &Refusal) -> String {
    let mut lines =
        format!("  {} {}: {}", refusal.code, clean(&refusal.construct), clean_lines(&refusal.reason));
    if let Some(place) = &refusal.place {
        write!(lines, "\n  line {}, column {}: {}", place.line, place.column, clean(&place.text))
            .expect(TAKES_ALL);
    }
    if let Some(hint) = &refusal.hint {
        write!(lines, "\n  hint: {}", clean_lines(hint)).expect(TAKES_ALL);
    }
    lines
}

fn advised(advice: &[Advice]) -> String {
    let mut lines = String::from("indexes that would serve its refreshes:");
    for index in advice {
        write!(lines, "\n  {}; -- {}", clean(&index.sql), clean(&index.reason)).expect(TAKES_ALL);
    }
    lines
}

fn statements(told: &Explanation) -> String {
    let mut lines = Vec::new();
    for table in &told.hidden {
        lines.push(format!("-- fills {}\n{};", text::name(&table.table), clean_lines(&table.sql)));
    }
    for (n, stage) in told.stages.iter().enumerate() {
        let title = clean(&stage.title);
        lines.push(format!("-- stage {}, {}: {title}\n{};", n + 1, stage.technique, clean_lines(&stage.sql)));
    }
    lines.join("\n\n")
}

const TAKES_ALL: &str = "a string takes all text";
