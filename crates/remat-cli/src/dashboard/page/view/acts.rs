//! The buttons of a view. Each says what follows from it before it is pressed.

use maud::{Markup, html};
use remat::{access::Role, view::Strategy};

use super::Told;
use crate::{
    dashboard::{
        ask::Ask,
        chart,
        icon::{self, Icon},
        part,
    },
    render::text,
};

pub(super) fn all(ask: &Ask, told: &Told) -> Markup {
    let path = ask.link(&part::view_path(&told.view.definition.name));
    let is_there = told.glance.oid.is_some();
    html! {
        div.acts {
            @if ask.may(Role::Operator) {
                @if is_there { (refresh(told, &path)) } @else { (create(&path)) }
                @if told.view.pause.is_some() { (simple(&path, "resume", "Resume")) } @else { (pause(ask, &path)) }
            }
            @if ask.may(Role::Editor) {
                a.btn href={ (path) "/edit" } { "Edit" }
                @if is_there { (delete(told, &path)) }
            }
            @if !ask.may(Role::Operator) { span.hint { "Your role may look only." } }
        }
    }
}

fn simple(path: &str, act: &str, word: &str) -> Markup {
    html! { form method="post" action={ (path) "/" (act) } { button type="submit" { (word) } } }
}

fn create(path: &str) -> Markup {
    html! { form method="post" action={ (path) "/create" } { button.btn-main type="submit" { "Create" } } }
}

/// What readers feel of a refresh.
fn consequence(told: &Told) -> String {
    let last = told.past.points.iter().find(|point| point.strategy.is_some());
    let usual = chart::duration::usual(&told.past.points).map(|(p50, _)| text::millis(p50));
    let about = usual.map_or_else(String::new, |usual| format!(" about {usual}"));
    let strategy = match told.view.definition.strategy {
        Strategy::Auto => {
            last.and_then(|point| point.strategy.as_deref()?.parse().ok()).unwrap_or(Strategy::Auto)
        }
        other => other,
    };
    match strategy {
        Strategy::Regular => format!("readers wait{about}"),
        Strategy::Swap => format!("reads go on but for a moment; it takes{about}"),
        Strategy::Concurrent | Strategy::Merge | Strategy::Incremental => {
            format!("reads go on; it takes{about}")
        }
        Strategy::Auto => format!("the strategy is chosen as it begins; it takes{about}"),
    }
}

fn refresh(told: &Told, path: &str) -> Markup {
    html! {
        form method="post" action={ (path) "/refresh" } {
            button.btn-main type="submit" aria-describedby="consequence" { (icon::of(Icon::Refresh)) "Refresh now" }
        }
        span.hint id="consequence" { (consequence(told)) }
    }
}

fn pause(ask: &Ask, path: &str) -> Markup {
    html! {
        details.act {
            summary.btn { "Pause" }
            form.pop method="post" action={ (path) "/pause" } {
                div.field { label for="reason" { "Why" } input id="reason" name="reason" maxlength="500" placeholder="for those who wonder"; }
                div.field {
                    label for="for" { "For how long" }
                    select id="for" name="for" {
                        option value="60" { "1 hour" } option value="240" { "4 hours" } option value="1440" { "1 day" } option value="10080" { "1 week" }
                        option value="" { "until somebody resumes it" }
                    }
                }
                div.field { label for="until" { "Or until (" (ask.zone_name) ")" } input id="until" name="until" type="datetime-local"; }
                button.btn-main type="submit" { "Pause it" }
            }
        }
    }
}

fn delete(told: &Told, path: &str) -> Markup {
    let dependents = told.ground.as_ref().map_or(&[][..], |ground| &ground.dependents);
    let name = told.view.definition.name.name.as_str();
    html! {
        details.act {
            summary.btn.btn-bad { "Delete" }
            form.pop method="post" action={ (path) "/delete" } {
                p { "Drops " b { (part::short(name, 63)) } " with its rows, indexes and grants. Its definition and its runs stay." }
                @if dependents.is_empty() { p.small.soft { "Nothing depends on it." } }
                @else {
                    p.small { (dependents.len()) " objects depend on it; without the tick below the deletion is refused:" }
                    ul.small { @for dependent in dependents.iter().take(8) { li.soft { (part::short(dependent, 90)) } } @if dependents.len() > 8 { li.soft { "…" } } }
                    label.check { input type="checkbox" name="cascade" value="yes"; "Drop these too" }
                }
                div.field { label for="sure" { "Type its name to say that it is meant" } input id="sure" name="sure" required autocomplete="off"; }
                button.btn-bad type="submit" { "Delete it" }
            }
        }
    }
}
