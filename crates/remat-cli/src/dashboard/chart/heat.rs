//! How much of each quarter of an hour of the next day goes into refreshes.

use maud::{Markup, html};

use super::px;
use crate::render::text;

const CELL: f64 = 36.0;
const ROW: f64 = 20.0;
const LEFT: f64 = 40.0;

/// One quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::dashboard) struct Quarter {
    /// How often something fires.
    pub(in crate::dashboard) fires: f64,
    /// What that usually takes, in milliseconds.
    pub(in crate::dashboard) busy_ms: f64,
}

/// 96 quarters, the first from midnight in the chosen zone.
#[allow(clippy::cast_precision_loss, reason = "there are 96 cells")]
pub(in crate::dashboard) fn draw(quarters: &[Quarter; 96]) -> Markup {
    let most = quarters.iter().map(|quarter| quarter.busy_ms).fold(0.0, f64::max);
    let peak = quarters.iter().enumerate().max_by(|one, other| one.1.busy_ms.total_cmp(&other.1.busy_ms));
    let words = match peak {
        Some((at, quarter)) if quarter.busy_ms > 0.0 => format!(
            "Most is to be done at {}: {} of work from {:.0} refreshes in a quarter of an hour",
            clock(at),
            millis(quarter.busy_ms),
            quarter.fires
        ),
        _ => "Nothing fires within the next day".to_owned(),
    };
    html! {
        svg.heat viewBox={ "0 0 " (LEFT + CELL * 24.0) " " (ROW * 4.0 + 20.0) } role="img" aria-label=(words) {
            title { (words) }
            @for minute in 0..4_usize {
                text x=(LEFT - 6.0) y=(px(20.0 + ROW * minute as f64 + 13.0)) text-anchor="end" { ":" (format!("{:02}", minute * 15)) }
            }
            @for hour in 0..24_usize {
                text x=(px(LEFT + CELL * hour as f64 + CELL / 2.0)) y="12" text-anchor="middle" { (format!("{hour:02}")) }
                @for minute in 0..4_usize {
                    @let at = hour * 4 + minute;
                    @let quarter = quarters[at];
                    rect class=(class(quarter.busy_ms, most)) x=(px(LEFT + CELL * hour as f64 + 1.0)) y=(px(20.0 + ROW * minute as f64))
                        width=(CELL - 2.0) height=(ROW - 2.0) rx="3" {
                        title { (clock(at)) ": " (format!("{:.0}", quarter.fires)) " fire, " (millis(quarter.busy_ms)) " of work" }
                    }
                }
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "durations are far below the limits of an integer")]
pub(in crate::dashboard) fn millis(ms: f64) -> String {
    text::millis(ms.round() as i64)
}

pub(in crate::dashboard) fn clock(quarter: usize) -> String {
    format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15)
}

fn class(busy: f64, most: f64) -> &'static str {
    match busy / most.max(1.0) {
        _ if busy <= 0.0 => "none",
        share if share > 0.8 => "cell o5",
        share if share > 0.6 => "cell o4",
        share if share > 0.4 => "cell o3",
        share if share > 0.2 => "cell o2",
        _ => "cell o1",
    }
}
