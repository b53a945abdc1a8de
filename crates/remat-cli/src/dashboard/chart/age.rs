//! How old contents are beside how old they may be.

use maud::{Markup, html};

use super::px;

/// The whole is twice the target; a tick stands at the target.
#[allow(clippy::cast_precision_loss, reason = "targets are far below the limits of a float")]
pub(in crate::dashboard) fn draw(age_s: f64, target_s: i64) -> Markup {
    let share = age_s / target_s as f64;
    let tone = match share {
        share if share > 1.0 => "f-warn",
        share if share > 0.85 => "f-busy",
        _ => "f-good",
    };
    let words = format!("{:.0} % of the target", share * 100.0);
    html! {
        svg.agebar viewBox="0 0 84 6" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            rect.rail width="84" height="6" rx="3" {}
            rect class=(tone) width=(px((share.min(2.0) * 42.0).max(2.0))) height="6" rx="3" {}
            rect.tick x="41.5" y="0" width="1.4" height="6" {}
        }
    }
}
