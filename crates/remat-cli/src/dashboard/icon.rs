//! Signs, drawn here: one shape for each state, so that nobody needs to tell colours apart.

use maud::{Markup, html};

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    Overview,
    Views,
    Graph,
    Runs,
    Schedule,
    Alerts,
    Audit,
    System,
    Fresh,
    Plain,
    Stale,
    Failed,
    Running,
    Paused,
    Absent,
    Empty,
    Skipped,
    Waiting,
    Unknown,
    Table,
    Foreign,
    Refresh,
    Up,
    Down,
}

/// The strokes of a sign on a field of 16 by 16.
pub(super) fn strokes(icon: Icon) -> &'static str {
    match icon {
        Icon::Overview => "M2.5 9.5 8 3.5l5.5 6M4.5 8v5.5h7V8",
        Icon::Views => "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
        Icon::Graph => {
            "M3 4.5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0ZM10 8a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0ZM3 11.5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0ZM6 5l4 2.5M6 11l4-2.5"
        }
        Icon::Runs => "M5 3.5v9l7.5-4.5Z",
        Icon::Schedule => "M2.5 8a5.5 5.5 0 1 0 11 0 5.5 5.5 0 0 0-11 0ZM8 5v3.2l2.2 1.6",
        Icon::Alerts => "M4 11V7a4 4 0 0 1 8 0v4l1 1.2H3ZM6.8 13.8h2.4",
        Icon::Audit => "M4 2.5h8v11H4ZM6 5.5h4M6 8h4M6 10.5h2.5",
        Icon::System => "M2.5 3.5h11v4h-11ZM2.5 9h11v4h-11ZM5 5.5h.01M5 11h.01",
        Icon::Fresh => "M2.5 8a5.5 5.5 0 1 0 11 0 5.5 5.5 0 0 0-11 0ZM5.5 8.2l1.8 1.8 3.3-3.6",
        Icon::Plain => "M2.5 8a5.5 5.5 0 1 0 11 0 5.5 5.5 0 0 0-11 0ZM6.2 8h3.6",
        Icon::Stale => {
            "M4.5 2.5h7M4.5 13.5h7M5.5 2.5c0 3 2.5 4 2.5 5.5S5.5 10.5 5.5 13.5M10.5 2.5c0 3-2.5 4-2.5 5.5s2.5 2.5 2.5 5.5"
        }
        Icon::Failed => "M5.5 2.5h5l3 3v5l-3 3h-5l-3-3v-5ZM6.2 6.2l3.6 3.6M9.8 6.2 6.2 9.8",
        Icon::Running => "M13.2 8A5.2 5.2 0 1 1 8 2.8M8 2.8h3.4M11.4 2.8v3",
        Icon::Paused => "M5.5 3.5v9M10.5 3.5v9",
        Icon::Absent => {
            "M4 2.8 13.2 12M2.5 8a5.5 5.5 0 0 1 1-3.2M5.6 3A5.5 5.5 0 0 1 13 10.4M11.3 12.4A5.5 5.5 0 0 1 2.7 9.5"
        }
        Icon::Empty => "M3 3.5h10v9H3ZM3 6.5h10",
        Icon::Skipped => "M3.5 4.5 8 8l-4.5 3.5ZM8.5 4.5 13 8l-4.5 3.5Z",
        Icon::Waiting => "M4 8h.01M8 8h.01M12 8h.01",
        Icon::Unknown => "M6 6.2a2 2 0 1 1 2.6 2c-.4.2-.6.5-.6 1v.3M8 11.8h.01",
        Icon::Table => "M2.5 3.5h11v9h-11ZM2.5 6.5h11M6.2 6.5v6",
        Icon::Foreign => {
            "M2.5 8a5.5 5.5 0 1 0 11 0 5.5 5.5 0 0 0-11 0ZM2.5 8h11M8 2.5c3.2 3 3.2 8 0 11M8 2.5c-3.2 3-3.2 8 0 11"
        }
        Icon::Refresh => "M12.8 6.2A5.2 5.2 0 1 0 13.2 9M13.2 3v3.4H9.8",
        Icon::Up => "M8 12.5v-9M4.5 7 8 3.5 11.5 7",
        Icon::Down => "M8 3.5v9M4.5 9 8 12.5 11.5 9",
    }
}

/// A sign beside a word; readers of the screen hear the word only.
pub(super) fn of(icon: Icon) -> Markup {
    let turning = (icon == Icon::Running).then_some("turning");
    html! {
        svg.icon viewBox="0 0 16 16" aria-hidden="true" focusable="false" { path class=[turning] d=(strokes(icon)) {} }
    }
}

/// A sign in a coloured field.
pub(super) fn state(icon: Icon, tone: &str) -> Markup {
    html! { span class={ "chip " (tone) } aria-hidden="true" { (of(icon)) } }
}

/// The mark of the product.
pub(super) fn brand() -> Markup {
    html! {
        svg viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
            rect.mark-back width="32" height="32" rx="8" {}
            path.mark-line d="M22.6 12.2A8 8 0 1 0 24 17M23.6 7.6v5h-5M12 16h8M12 19.6h5" {}
        }
    }
}
