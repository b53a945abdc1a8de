//! A plan for people: one line per step, the lines of a query that change, what would be lost.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use remat::{
    apply::{AlertStep, JobStep, ProjectPlan, QueueStep},
    name::RelationName,
    plan::{DiffLine, Side, Step},
};

use super::{Output, text};

/// The whole plan.
pub(crate) fn plan(out: &Output, plan: &ProjectPlan) -> String {
    if plan.is_empty() {
        return "the database matches the project".into();
    }
    let steps = plan.views.steps.iter().map(|it| step(out, it));
    steps.chain([settings(&plan.jobs, &plan.queues, &plan.alerts)]).collect()
}

/// One line for each job, queue, alert rule and destination that changes.
pub(crate) fn settings(jobs: &[JobStep], queues: &[QueueStep], alerts: &[AlertStep]) -> String {
    let jobs = jobs.iter().map(|job| format!("{} job {}\n", job.action, text::clean(&job.job)));
    let queues = queues.iter().map(|queue| format!("{} queue {}\n", queue.action, text::clean(&queue.queue)));
    let alerts = alerts.iter().map(|step| {
        let what = if step.what == "rule" { "alert rule" } else { step.what };
        format!("{} {what} {}\n", step.action, text::clean(&step.name))
    });
    jobs.chain(queues).chain(alerts).collect()
}

/// The statements of each step, as SQL with comments.
pub(crate) fn sql(scripts: &[(RelationName, Vec<String>)]) -> String {
    let mut whole = String::new();
    for (view, statements) in scripts.iter().filter(|(_, statements)| !statements.is_empty()) {
        writeln!(whole, "-- {}", text::name(view)).expect(TAKES_ALL);
        for statement in statements {
            let end = if statement.trim_end().ends_with(';') { "" } else { ";" };
            writeln!(whole, "{}{end}", statement.trim_end()).expect(TAKES_ALL);
        }
    }
    whole
}

const TAKES_ALL: &str = "a string takes all text";

fn step(out: &Output, step: &Step) -> String {
    let mut lines = format!("{}\n", text::clean(&step.summary()));
    // All of a new query is new, and its file shows it better.
    if step.alteration().is_some() {
        lines.extend(step.query_diff().iter().map(|it| line(out, it)));
    }
    if let Some(loss) = step.loss() {
        writeln!(lines, "    loses: {}", text::clean(&loss)).expect(TAKES_ALL);
    }
    lines
}

fn line(out: &Output, line: &DiffLine) -> String {
    let (sign, color) = match line.side {
        Side::Both => (' ', Style::new()),
        Side::Old => ('-', AnsiColor::Red.on_default()),
        Side::New => ('+', AnsiColor::Green.on_default()),
    };
    let color = if out.has_color() { color } else { Style::new() };
    format!("    {color}{sign} {}{color:#}\n", text::clean(&line.text))
}
