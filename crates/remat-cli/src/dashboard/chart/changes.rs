//! How many rows each refresh changed.

use maud::{Markup, html};
use remat::store::history::Point;

use super::{ceiling, px};
use crate::{
    dashboard::{ask::Ask, part},
    render::text,
};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 54.0;
const MOST: usize = 60;

/// `points`: the newest first. Runs that did not count their changes are left out.
#[allow(clippy::cast_precision_loss, reason = "rows are shown to a pixel")]
pub(in crate::dashboard) fn draw(ask: &Ask, points: &[Point]) -> Markup {
    let counted: Vec<(&Point, (i64, i64, i64))> =
        points.iter().filter_map(|point| Some((point, point.changed?))).take(MOST).collect();
    let shown: Vec<_> = counted.into_iter().rev().collect();
    let sum = |(inserted, updated, deleted): (i64, i64, i64)| inserted + updated + deleted;
    let largest = shown.iter().map(|(_, changed)| sum(*changed)).max().unwrap_or(0).max(1);
    let (most, parts) = ceiling(largest as f64);
    let step = (WIDTH - LEFT - 6.0) / shown.len().max(24) as f64;
    let (top, base) = (8.0, HEIGHT - 8.0);
    let height = |rows: i64| (base - top) * rows as f64 / most;
    let words = format!(
        "Rows changed by the last {} refreshes that counted them, at most {}",
        shown.len(),
        text::count(largest)
    );
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(words) {
            title { (words) }
            @for part in 0..=parts {
                @let y = base - (base - top) * part as f64 / parts as f64;
                line class=(if part == 0 { "axis" } else { "grid" }) x1=(LEFT) x2=(WIDTH) y1=(px(y)) y2=(px(y)) {}
                text x=(LEFT - 8.0) y=(px(y + 4.0)) text-anchor="end" { (rough(most / parts as f64 * part as f64)) }
            }
            @for (at, (point, (inserted, updated, deleted))) in shown.iter().enumerate() {
                @let (x, width) = (LEFT + step * at as f64 + step * 0.14, step * 0.72);
                @let (i, u, d) = (height(*inserted), height(*updated), height(*deleted));
                g {
                    title {
                        "run " (point.id) ": " (text::count(*inserted)) " inserted, " (text::count(*updated)) " updated, "
                        (text::count(*deleted)) " deleted, " (part::instant(ask, point.queued_at))
                    }
                    @if i > 0.0 { rect.ins x=(px(x)) width=(px(width)) y=(px(base - i)) height=(px(i)) {} }
                    @if u > 0.0 { rect.upd x=(px(x)) width=(px(width)) y=(px(base - i - u)) height=(px(u)) {} }
                    @if d > 0.0 { rect.del x=(px(x)) width=(px(width)) y=(px(base - i - u - d)) height=(px(d)) {} }
                }
            }
        }
    }
}

fn rough(value: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.iter().find(|(unit, _)| value >= *unit) {
        Some((unit, word)) => format!("{}{word}", (value / unit * 10.0).round() / 10.0),
        None => format!("{}", (value * 10.0).round() / 10.0),
    }
}
