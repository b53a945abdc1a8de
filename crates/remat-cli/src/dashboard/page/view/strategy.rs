//! By which strategies a view could be refreshed, and how it follows changes.

use maud::{Markup, html};
use remat::{eligibility::Eligibility, maintain::Explanation};

use super::Told;
use crate::{
    dashboard::{
        ask::Ask,
        icon::{self, Icon},
        part,
    },
    render::text,
};

pub(super) fn cards(_ask: &Ask, told: &Told) -> Markup {
    let judged = told.ground.as_ref().map_or(&[][..], |ground| &ground.eligibility);
    let more = html! { "defined: " b { (told.view.definition.strategy) } };
    let body = html! {
        div.stack {
            div.cols-3 { @for one in judged { (card(one)) } }
            @match &told.explanation {
                Some(Ok(explanation)) => { (explain(explanation)) }
                Some(Err(error)) => { p.soft.small { "Its plan of maintenance could not be made: " (part::short(&error.complaint().primary, 200)) "." } }
                None => {}
            }
        }
    };
    part::card("strategy", "How it can be refreshed", &more, &body)
}

fn card(one: &Eligibility) -> Markup {
    let look =
        if one.possible { ("possible", Icon::Fresh, "good") } else { ("not now", Icon::Absent, "plain") };
    html! {
        div.tight {
            div.row { h3 { (one.strategy) } (part::chip(look)) }
            p.small { (part::prose(&one.why)) }
            @if let Some(proposal) = &one.proposal {
                details.fold {
                    summary { "An index would make it possible" }
                    @if let Some(check) = &one.check { p.small.soft { "First see that no row comes twice and no key is null:" } pre { code { (part::lines(check)) } } }
                    pre { code { (part::lines(proposal)) } }
                }
            }
        }
    }
}

/// How it follows changes, or why it does not.
fn explain(explanation: &Explanation) -> Markup {
    let title =
        if explanation.incremental { "How it follows changes" } else { "Why it does not follow changes" };
    html! {
        details.fold open[explanation.wanted && !explanation.incremental] {
            summary { (title) }
            div.stack {
                @if let Some(refusal) = &explanation.refusal {
                    div.callout.t-warn { (icon::of(Icon::Stale)) div.says {
                        b { (refusal.code) ": " (part::short(&refusal.construct, 120)) }
                        span { (part::lines(&refusal.reason)) }
                        @if let Some(place) = &refusal.place { code { "line " (place.line) ": " (part::short(&place.text, 160)) } }
                        @if let Some(hint) = &refusal.hint { span.soft { (part::prose(hint)) } }
                    } }
                }
                @if let Some(obstacle) = &explanation.obstacle { p.ink-warn { (part::lines(&obstacle.primary)) } }
                @if !explanation.sources.is_empty() {
                    div.tight { h3 { "Tables that it follows" }
                        ul { @for source in &explanation.sources {
                            li.small { (text::name(&source.table)) " (" (part::short(&source.columns.join(", "), 120)) ")" span.soft { (if source.captured { ", captured" } else { ", not captured yet" }) } }
                        } }
                    }
                }
                @if !explanation.hidden.is_empty() {
                    div.tight { h3 { "Tables beside it" }
                        ul { @for hidden in &explanation.hidden { li.small { (text::name(&hidden.table)) ", " (part::maybe(hidden.bytes, text::bytes)) } } }
                    }
                }
                @if !explanation.stages.is_empty() { (stages(explanation)) }
                @if !explanation.advice.is_empty() {
                    div.tight { h3 { "Indexes that would serve it" }
                        @for advice in &explanation.advice { p.small { (part::lines(&advice.reason)) ":" } pre { code { (part::lines(&advice.sql)) } } }
                    }
                }
            }
        }
    }
}

fn stages(explanation: &Explanation) -> Markup {
    html! {
        div.tight { h3 { "Stages of a refresh" }
            ol { @for (at, stage) in explanation.stages.iter().enumerate() {
                li {
                    details.fold {
                        summary {
                            (at + 1) ". " (part::short(&stage.title, 120)) " · " (serde_json::to_value(stage.technique).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default())
                            @if let Some(cost) = stage.cost { " · cost " (format!("{cost:.0}")) }
                        }
                        pre { code { (part::lines(&stage.sql)) } }
                    }
                }
            } }
        }
    }
}
