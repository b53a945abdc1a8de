//! The age of the contents over time against the target.

use std::fmt::Write as _;

use jiff::Timestamp;
use maud::{Markup, html};
use remat::freshness::Stretch;

use super::{ceiling_of_time, px};
use crate::{
    dashboard::{ask::Ask, part, why},
    render::text,
};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 54.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// More teeth than that no screen shows.
const TEETH: usize = 400;

/// `stretches` between two moments, and the target.
#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
pub(in crate::dashboard) fn draw(
    ask: &Ask,
    stretches: &[Stretch],
    target_s: Option<i64>,
    (from, to): (Timestamp, Timestamp),
) -> Markup {
    let oldest = stretches.iter().map(|stretch| stretch.age_to).fold(1.0, f64::max);
    let room = oldest.max(target_s.unwrap_or(0) as f64 * 1.15);
    let (most, parts) = ceiling_of_time(room * 1000.0);
    let most = most / 1000.0;
    let span = to.duration_since(from).as_secs_f64().max(1.0);
    let x = |at: Timestamp| LEFT + (WIDTH - LEFT) * (at.duration_since(from).as_secs_f64() / span);
    let y = |age: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - (age / most).clamp(0.0, 1.0));
    let thinned = stretches.len().div_ceil(TEETH).max(1);
    let (mut line, mut area) = (String::new(), String::new());
    for stretch in stretches.chunks(thinned) {
        // Of several teeth in one pixel the worst is drawn.
        let worst = stretch.iter().max_by(|one, other| one.age_to.total_cmp(&other.age_to));
        let (Some(worst), Some(first), Some(last)) = (worst, stretch.first(), stretch.last()) else {
            continue;
        };
        let (left, right) = (px(x(first.from)), px(x(last.to)));
        let begin = if line.is_empty() { 'M' } else { 'L' };
        write!(line, "{begin}{left} {}L{right} {}", px(y(worst.age_from)), px(y(worst.age_to)))
            .expect("a string takes all text");
        write!(
            area,
            "M{left} {}L{left} {}L{right} {}L{right} {}Z",
            px(HEIGHT - BOTTOM),
            px(y(worst.age_from)),
            px(y(worst.age_to)),
            px(HEIGHT - BOTTOM)
        )
        .expect("a string takes all text");
    }
    let words = match target_s {
        Some(target) => format!(
            "Age of the contents, at most {}; the target is {}",
            text::age(oldest),
            why::age_of(target)
        ),
        None => format!("Age of the contents, at most {}", text::age(oldest)),
    };
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(words) {
            title { (words) }
            @for part in 0..=parts {
                @let age = most / parts as f64 * part as f64;
                line class=(if part == 0 { "axis" } else { "grid" }) x1=(LEFT) x2=(WIDTH) y1=(px(y(age))) y2=(px(y(age))) {}
                text x=(LEFT - 8.0) y=(px(y(age) + 4.0)) text-anchor="end" { (short_age(age)) }
            }
            path.age d=(area) {}
            @if let Some(target) = target_s {
                @let line = y(target as f64);
                @if oldest > target as f64 { rect.over x=(LEFT) width=(WIDTH - LEFT) y=(TOP) height=(px((line - TOP).max(0.0))) {} }
            }
            path.age-line d=(line) {}
            @if let Some(target) = target_s {
                @let line = y(target as f64);
                line.target x1=(LEFT) x2=(WIDTH) y1=(px(line)) y2=(px(line)) {}
                text x=(WIDTH - 4.0) y=(px(line - 5.0)) text-anchor="end" { "target " (why::age_of(target)) }
            }
            text x=(LEFT) y=(HEIGHT - 6.0) { (part::clock(ask, from)) }
            text x=(WIDTH) y=(HEIGHT - 6.0) text-anchor="end" { "now" }
        }
    }
}

fn short_age(seconds: f64) -> String {
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")];
    match units.iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, word)) => format!("{} {word}", (seconds / unit * 10.0).round() / 10.0),
        None => format!("{} s", (seconds * 10.0).round() / 10.0),
    }
}
