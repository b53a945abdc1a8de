//! The last durations of a view in the space of a word.

use maud::{Markup, html};

use super::px;
use crate::render::text;

const WIDTH: f64 = 88.0;
const HEIGHT: f64 = 24.0;
const MOST: usize = 20;

/// `durations`: milliseconds, the oldest first.
#[allow(clippy::cast_precision_loss, reason = "durations are far below the limits of a float")]
pub(in crate::dashboard) fn draw(durations: &[i64]) -> Markup {
    let shown = &durations[durations.len().saturating_sub(MOST)..];
    let Some(last) = shown.last() else { return html! {} };
    let most = shown.iter().copied().max().unwrap_or_default().max(1) as f64;
    let step = WIDTH / MOST as f64;
    let left = WIDTH - step * shown.len() as f64;
    let words = format!(
        "the last {} took {} to {}, the newest {}",
        shown.len(),
        text::millis(shown.iter().copied().min().unwrap_or_default()),
        text::millis(shown.iter().copied().max().unwrap_or_default()),
        text::millis(*last)
    );
    html! {
        svg.spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(words) {
            title { (words) }
            @for (at, duration) in shown.iter().enumerate() {
                @let height = (*duration as f64 / most * HEIGHT).max(1.5);
                rect class=[(at + 1 == shown.len()).then_some("last")]
                    x=(px(left + step * at as f64 + 0.6)) y=(px(HEIGHT - height))
                    width=(px(step - 1.2)) height=(px(height)) rx="0.8" {}
            }
        }
    }
}
