//! How long runs took: work and lock wait stacked, failures marked, the usual range behind, changes of the definition between.

use jiff::Timestamp;
use maud::{Markup, html};
use remat::{
    run::{Operation, Status},
    store::history::{Point, Version},
};

use super::{ceiling_of_time, px};
use crate::{
    dashboard::{ask::Ask, part},
    render::text,
};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 54.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 24.0;
/// How many runs are drawn.
pub(in crate::dashboard) const MOST: usize = 80;

/// What half and what 95 of 100 refreshes took at most.
pub(in crate::dashboard) fn usual(points: &[Point]) -> Option<(i64, i64)> {
    let mut took: Vec<i64> = points
        .iter()
        .filter(|point| point.operation == Operation::Refresh && point.status == Status::Success)
        .filter(|point| point.strategy.as_deref() != Some("skip"))
        .filter_map(|point| point.duration_ms)
        .collect();
    took.sort_unstable();
    let at = |part: usize| took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied();
    Some((at(50)?, at(95)?))
}

struct Scale {
    most: f64,
    step: f64,
}

#[allow(clippy::cast_precision_loss, reason = "durations are far below the limits of a float")]
impl Scale {
    fn y(&self, ms: i64) -> f64 {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (ms as f64 / self.most).min(1.0))
    }

    fn x(&self, at: usize) -> f64 {
        LEFT + self.step * at as f64
    }
}

/// `points`: the newest first.
#[allow(clippy::cast_precision_loss, reason = "durations are far below the limits of a float")]
pub(in crate::dashboard) fn draw(ask: &Ask, points: &[Point], versions: &[Version]) -> Markup {
    let shown: Vec<&Point> = points.iter().take(MOST).collect::<Vec<_>>().into_iter().rev().collect();
    let longest = shown.iter().filter_map(|point| point.duration_ms).max().unwrap_or(0).max(1);
    let (most, parts) = ceiling_of_time(longest as f64);
    let scale = Scale { most, step: (WIDTH - LEFT - 6.0) / shown.len().max(24) as f64 };
    let usual = usual(points);
    let words = words(&shown, usual);
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="group" aria-label=(words) {
            @for part in 0..=parts {
                @let value = most / parts as f64 * part as f64;
                @let y = TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - part as f64 / parts as f64);
                line class=(if part == 0 { "axis" } else { "grid" }) x1=(LEFT) x2=(WIDTH) y1=(px(y)) y2=(px(y)) {}
                text x=(LEFT - 8.0) y=(px(y + 4.0)) text-anchor="end" { (tick(value)) }
            }
            @if let Some((p50, p95)) = usual {
                rect.band x=(LEFT) width=(WIDTH - LEFT) y=(px(scale.y(p95))) height=(px((scale.y(p50) - scale.y(p95)).max(1.0))) {}
                line.mid x1=(LEFT) x2=(WIDTH) y1=(px(scale.y(p50))) y2=(px(scale.y(p50))) {}
            }
            @for (at, point) in shown.iter().enumerate() { (bar(ask, &scale, at, point)) }
            @for version in versions { (change(ask, &scale, &shown, version)) }
            @if let (Some(first), Some(last)) = (shown.first(), shown.last()) {
                text x=(LEFT) y=(HEIGHT - 6.0) { (part::clock(ask, first.queued_at)) }
                text x=(px(scale.x(shown.len()))) y=(HEIGHT - 6.0) text-anchor="end" {
                    @if shown.len() > 20 { (part::clock(ask, last.queued_at)) }
                }
            }
        }
    }
}

fn bar(ask: &Ask, scale: &Scale, at: usize, point: &Point) -> Markup {
    let base = HEIGHT - BOTTOM;
    let (x, width) = (scale.x(at) + scale.step * 0.14, (scale.step * 0.72).max(1.0));
    let (took, lock) = (point.duration_ms.unwrap_or(0), point.lock_wait_ms.unwrap_or(0));
    let top = scale.y(took).min(base - 2.0);
    let lock_top = scale.y((took - lock).max(0));
    let label = label(ask, point);
    let class = match point.status {
        Status::Failed | Status::Cancelled => "failed",
        Status::Skipped => "skipped",
        _ => "work",
    };
    html! {
        a href=(ask.link(&format!("/runs/{}", point.id))) aria-label=(label) {
            title { (label) }
            @if point.status == Status::Failed {
                rect class=(class) x=(px(x)) width=(px(width)) y=(px(top)) height=(px(base - top)) rx="1.5" {}
                path.failed d={ "M" (px(x + width / 2.0 - 4.0)) " " (px(top - 9.0)) "h8l-4 6z" } {}
            } @else if point.status == Status::Skipped {
                rect class=(class) x=(px(x)) width=(px(width)) y=(px(base - 4.0)) height="4" rx="1" {}
            } @else {
                rect class=(class) x=(px(x)) width=(px(width)) y=(px(lock_top.min(base - 2.0))) height=(px((base - lock_top).max(2.0))) rx="1.5" {}
                @if lock > 0 && lock_top - top > 0.4 {
                    rect.lock x=(px(x)) width=(px(width)) y=(px(top)) height=(px(lock_top - top)) {}
                }
            }
        }
    }
}

/// A line before the first run of a version.
fn change(ask: &Ask, scale: &Scale, shown: &[&Point], version: &Version) -> Markup {
    let is_within = shown.first().is_some_and(|first| first.queued_at < version.changed_at);
    let at = shown.iter().position(|point| point.queued_at >= version.changed_at);
    let at = at.or(is_within.then_some(shown.len()));
    html! {
        @if let (true, Some(at), true) = (is_within, at, version.version > 1) {
            @let x = scale.x(at);
            g {
                title { "definition changed: version " (version.version) ", " (part::instant(ask, version.changed_at)) }
                line.change x1=(px(x)) x2=(px(x)) y1=(TOP - 4.0) y2=(HEIGHT - BOTTOM) {}
                path.change-mark d={ "M" (px(x)) " " (TOP - 9.0) "l4.5 4.5-4.5 4.5-4.5-4.5z" } {}
            }
        }
    }
}

fn label(ask: &Ask, point: &Point) -> String {
    let took = point.duration_ms.map_or_else(String::new, |ms| format!(", {}", text::millis(ms)));
    let lock = point.lock_wait_ms.filter(|ms| *ms > 0);
    let lock =
        lock.map_or_else(String::new, |ms| format!(" of which {} waiting for locks", text::millis(ms)));
    let at: Timestamp = point.finished_at.unwrap_or(point.queued_at);
    let why = point.error.as_deref().map_or_else(String::new, |why| format!(": {}", part::short(why, 120)));
    format!(
        "run {}: {} {}{took}{lock}, {}{why}",
        point.id,
        point.operation,
        point.status,
        part::instant(ask, at)
    )
}

fn words(shown: &[&Point], usual: Option<(i64, i64)>) -> String {
    let failed = shown.iter().filter(|point| point.status == Status::Failed).count();
    let usual = usual.map_or_else(String::new, |(p50, p95)| {
        format!("; half took at most {}, 95 of 100 at most {}", text::millis(p50), text::millis(p95))
    });
    format!("Durations of the last {} runs, {failed} of them failed{usual}", shown.len())
}

#[allow(clippy::cast_possible_truncation, reason = "a tick is a round number")]
fn tick(ms: f64) -> String {
    let units = [(86_400_000.0, "d"), (3_600_000.0, "h"), (60_000.0, "min"), (1_000.0, "s")];
    match units.iter().find(|(unit, _)| ms >= *unit) {
        Some((unit, word)) => format!("{} {word}", (ms / unit * 10.0).round() / 10.0),
        None if ms == 0.0 => "0".into(),
        None => format!("{} ms", (ms * 10.0).round() / 10.0),
    }
}
