//! Parts of a whole, and how far something is.

use maud::{Markup, html};

use super::px;

/// A part: how many, its tone, its name.
pub(in crate::dashboard) type Part = (usize, &'static str, &'static str);

/// All states side by side.
#[allow(clippy::cast_precision_loss, reason = "views are counted in thousands")]
pub(in crate::dashboard) fn parts(parts: &[Part]) -> Markup {
    let total = parts.iter().map(|(count, ..)| *count).sum::<usize>().max(1) as f64;
    let words = parts.iter().map(|(count, _, name)| format!("{count} {name}")).collect::<Vec<_>>().join(", ");
    let widths = parts.iter().map(|(count, ..)| *count as f64 / total * 1000.0);
    let ends = widths.scan(0.0, |at, width| {
        *at += width;
        Some((*at - width, width))
    });
    html! {
        svg.states viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            @for ((_, tone, _), (at, width)) in parts.iter().zip(ends) {
                rect class={ "f-" (tone) } x=(px(at)) width=(px((width - 3.0).max(1.5))) height="10" {}
            }
        }
    }
}

/// How far a run is by what it usually takes: the whole is what 95 of 100 take, or what it has taken already.
#[allow(clippy::cast_precision_loss, reason = "durations are far below the limits of a float")]
pub(in crate::dashboard) fn elapsed(elapsed_ms: f64, p50_ms: i64, p95_ms: i64) -> Markup {
    let (p50, p95) = (p50_ms as f64, p95_ms as f64);
    let whole = (p95 * 1.1).max(elapsed_ms).max(1.0);
    let tone = if elapsed_ms > p95 { "late" } else { "done" };
    let words = format!("{:.0} % of what it usually takes", elapsed_ms / p50.max(1.0) * 100.0);
    html! {
        svg.progress viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            rect.rail width="1000" height="10" rx="4" {}
            rect class=(tone) width=(px((elapsed_ms / whole * 1000.0).max(4.0))) height="10" rx="4" {}
            rect.mark x=(px(p50 / whole * 1000.0)) width="3" height="10" {}
        }
    }
}

/// How far the server says it is.
#[allow(clippy::cast_precision_loss, reason = "a share is shown")]
pub(in crate::dashboard) fn done(done: i64, total: i64) -> Markup {
    let share = if total > 0 { (done as f64 / total as f64).clamp(0.0, 1.0) } else { 0.0 };
    let words = format!("{:.0} % done", share * 100.0);
    html! {
        svg.progress viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            rect.rail width="1000" height="10" rx="4" {}
            rect.done width=(px((share * 1000.0).max(4.0))) height="10" rx="4" {}
        }
    }
}
