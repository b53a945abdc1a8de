//! Alerts: what fires, what was told of it and how that went, what is muted, where messages go.

use axum::response::IntoResponse;
use maud::{Markup, html};
use remat::{
    access::Role,
    alert::{Destination, Rules, Severity},
    error::Error,
    store::{
        alerts::{Alert, AlertFilter, Muted},
        deliveries::Delivery,
    },
};

use super::LIVE;
use crate::{
    dashboard::{
        ask::{Ask, Page, Same},
        icon::{self, Icon},
        part,
    },
    render::text,
};

const ENDED: i64 = 40;

pub(in crate::dashboard) async fn show(ask: Ask) -> impl IntoResponse {
    ask.answer(draw(&ask).await)
}

async fn draw(ask: &Ask) -> Result<Page, Error> {
    let remat = ask.remat();
    let of = async |is_open, limit| {
        let filter = AlertFilter { is_open: Some(is_open), limit: Some(limit), ..AlertFilter::default() };
        let mut found = remat.alerts(&filter).await?;
        found.retain(|alert| ask.sees(alert.view.as_ref()));
        Ok::<_, Error>(found)
    };
    let (open, ended) = (of(true, 200).await?, of(false, ENDED).await?);
    let (rules, mutes, destinations) =
        (remat.alert_rules().await?, remat.mutes().await?, remat.destinations().await?);
    let is_whole = ask.who.scope.is_all();
    let body = html! {
        header.head { div { h1 { "Alerts" } p.soft { "What fires, what was told of it, and how that went." } } }
        div id=(LIVE) data-live .stack {
            (part::wide("firing", "Firing", &html! { (open.len()) }, &firing(ask, &open)))
            div.cols {
                (part::wide("muted", "Muted", &html! {}, &muted(ask, &mutes)))
                @if is_whole { (part::wide("destinations", "Where messages go", &html! {}, &places(ask, &destinations))) }
            }
            (part::wide("ended", "Ended", &html! { "the last " (ended.len()) }, &past(ask, &ended)))
            (part::wide("rules", "Rules", &html! { code { "[alerts]" } " in remat.toml" }, &told(&rules)))
        }
    };
    Ok(Page {
        title: "Alerts".into(),
        place: "/alerts",
        body,
        same: Same::new("remat alert", "GET /api/v1/alerts"),
    })
}

fn severity(severity: Severity) -> Markup {
    part::chip(match severity {
        Severity::Critical => ("critical", Icon::Failed, "bad"),
        Severity::Warning => ("warning", Icon::Stale, "warn"),
    })
}

fn subject(ask: &Ask, alert: &Alert) -> Markup {
    html! {
        @match &alert.view { Some(view) => { (part::view_link(ask, view)) } None => { (part::short(&alert.subject, 80)) } }
    }
}

fn firing(ask: &Ask, open: &[Alert]) -> Markup {
    html! {
        @if open.is_empty() { (part::empty("Nothing fires.")) }
        @else { ul.list { @for alert in open { (one(ask, alert)) } } }
    }
}

fn one(ask: &Ask, alert: &Alert) -> Markup {
    html! {
        li.concern {
            div.what {
                (severity(alert.severity)) span.strong { (subject(ask, alert)) } span.tag { (part::short(&alert.rule, 40)) }
                @if alert.is_muted { (part::chip(("muted", Icon::Paused, "rest"))) }
                span.small.soft { "since " (part::ago(ask, alert.fired_at)) }
            }
            div.why {
                (part::lines(&alert.reason)) ". " (part::prose(&alert.advice))
                @if let Some(run) = alert.run_id { " " (part::run_link(ask, run)) }
                (sent(ask, &alert.deliveries))
            }
            div.acts { @if ask.may(Role::Operator) && !alert.is_muted { (mute(ask, alert)) } }
        }
    }
}

/// The messages of an alert, and how they fared.
fn sent(ask: &Ask, deliveries: &[Delivery]) -> Markup {
    html! {
        @if !deliveries.is_empty() {
            details.fold { summary { "Messages: " (deliveries.len()) } ul.tight {
                @for delivery in deliveries { li.row.small {
                    (part::chip(look(delivery))) span { (part::short(&delivery.subject, 120)) " to " (part::short(&delivery.destination, 40)) }
                    span.soft { (delivery.attempts) " tries, " (part::ago(ask, delivery.ended_at.unwrap_or(delivery.due_at))) }
                    @if let Some(answer) = &delivery.answer { span.soft { "“" (part::short(answer, 120)) "”" } }
                } }
            } }
        }
    }
}

fn look(delivery: &Delivery) -> (&'static str, Icon, &'static str) {
    match delivery.status.as_str() {
        "sent" => ("sent", Icon::Fresh, "good"),
        "failed" => ("given up", Icon::Failed, "bad"),
        "sending" => ("sending", Icon::Running, "busy"),
        _ => ("waits", Icon::Waiting, "plain"),
    }
}

fn mute(ask: &Ask, alert: &Alert) -> Markup {
    html! {
        details.act {
            summary.btn.btn-small aria-label={ "Mute: " (part::short(&alert.subject, 80)) } { "Mute" }
            form.pop method="post" action=(ask.link("/alerts/mute")) {
                input type="hidden" name="rule" value=(alert.rule);
                @if let Some(view) = &alert.view {
                    input type="hidden" name="schema" value=(view.schema.as_str());
                    input type="hidden" name="name" value=(view.name.as_str());
                }
                div.field { label for={ "why-" (alert.id) } { "Why" } input id={ "why-" (alert.id) } name="reason" maxlength="500"; }
                div.field { label for={ "for-" (alert.id) } { "For how long" }
                    select id={ "for-" (alert.id) } name="for" {
                        option value="60" { "1 hour" } option value="480" { "8 hours" } option value="1440" { "1 day" } option value="" { "until somebody ends it" }
                    }
                }
                p.small.soft { "The alert goes on being written; nobody is told." }
                button.btn-main type="submit" { "Mute it" }
            }
        }
    }
}

fn muted(ask: &Ask, mutes: &[Muted]) -> Markup {
    let seen: Vec<&Muted> = mutes.iter().filter(|mute| ask.sees(mute.view.as_ref())).collect();
    html! {
        @if seen.is_empty() { (part::empty("Nothing is muted.")) }
        @else { ul.list { @for mute in seen { li.concern {
            div.what { span.strong { (if mute.rule == "*" { "every rule" } else { mute.rule.as_str() }) }
                @if let Some(view) = &mute.view { " of " (part::view_link(ask, view)) } }
            div.why { "by " (part::short(&mute.by, 60)) @if let Some(reason) = &mute.reason { ": “" (part::short(reason, 160)) "”" }
                @match mute.until { Some(until) => { ", until " (part::instant(ask, until)) } None => { ", until somebody ends it" } } }
            div.acts { @if ask.may(Role::Operator) {
                form method="post" action=(ask.link("/alerts/unmute")) {
                    input type="hidden" name="rule" value=(mute.rule);
                    @if let Some(view) = &mute.view {
                        input type="hidden" name="schema" value=(view.schema.as_str());
                        input type="hidden" name="name" value=(view.name.as_str());
                    }
                    button.btn-small type="submit" { "End it" }
                }
            } }
        } } } }
    }
}

fn places(ask: &Ask, destinations: &[Destination]) -> Markup {
    html! {
        @if destinations.is_empty() { p.empty { "None: " code { "[destinations.NAME]" } " in remat.toml makes one." } }
        @else { ul.list { @for destination in destinations { li.row {
            span.strong { (part::short(&destination.name, 60)) } span.tag { (destination.route.kind()) }
            @if ask.may(Role::Operator) {
                form.push method="post" action=(ask.link("/alerts/test")) {
                    input type="hidden" name="destination" value=(destination.name);
                    button.btn-small type="submit" aria-label={ "Send a test to " (part::short(&destination.name, 60)) } { "Send a test" }
                }
            }
        } } } }
    }
}

fn past(ask: &Ask, ended: &[Alert]) -> Markup {
    html! {
        @if ended.is_empty() { (part::empty("None that is kept.")) }
        @else { div.scroll tabindex="0" role="region" aria-label="Table of alerts that ended" { table.table.cards {
            caption.sr { "Alerts that ended" }
            thead { tr { th scope="col" { "About" } th scope="col" { "Severity" } th scope="col" { "Rule" } th scope="col" { "Fired" } th scope="col" { "Lasted" } th scope="col" { "Messages" } } }
            tbody { @for alert in ended { tr {
                td.name { (subject(ask, alert)) }
                td data-label="Severity" { (severity(alert.severity)) }
                td data-label="Rule" { (part::short(&alert.rule, 40)) }
                td.nowrap data-label="Fired" { (part::ago(ask, alert.fired_at)) }
                td data-label="Lasted" { (part::maybe(alert.resolved_at, |end| text::age(end.duration_since(alert.fired_at).as_secs_f64()))) }
                td data-label="Messages" { @if alert.deliveries.is_empty() { (part::nothing()) } @else { (sent(ask, &alert.deliveries)) } }
            } } }
        } } }
    }
}

fn told(rules: &Rules) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of rules" { table.table.cards {
            caption.sr { "Rules" }
            thead { tr { th scope="col" { "Rule" } th scope="col" { "Looks for" } th scope="col" { "Severity" } th scope="col" { "Views" } th scope="col" { "Tells" } } }
            tbody { @for (name, rule) in rules.iter() { tr {
                td.name { (part::short(name, 60)) @if !rule.enabled { " " (part::chip(("off", Icon::Paused, "rest"))) } }
                td data-label="Looks for" { (rule.kind) }
                td data-label="Severity" { (severity(rule.severity)) }
                td data-label="Views" { (names(&rule.views, &rule.tags)) }
                td data-label="Tells" { (if rule.destinations.is_empty() { "all destinations".to_owned() } else { part::short(&rule.destinations.join(", "), 80) }) }
            } } }
        } }
    }
}

fn names(views: &[String], tags: &[String]) -> String {
    let all: Vec<String> = views.iter().cloned().chain(tags.iter().map(|tag| format!("tag {tag}"))).collect();
    if all.is_empty() { "all".into() } else { part::short(&all.join(", "), 120) }
}

/// What fires now, for the overview: the worst first.
pub(super) async fn card(ask: &Ask) -> Result<Markup, Error> {
    let filter = AlertFilter { is_open: Some(true), limit: Some(20), ..AlertFilter::default() };
    let mut open = ask.remat().alerts(&filter).await?;
    open.retain(|alert| ask.sees(alert.view.as_ref()) && !alert.is_muted && alert.caused_by.is_none());
    let more = html! { a href=(ask.link("/alerts")) { "Alerts" } };
    let body = html! {
        @if open.is_empty() { (part::empty("Nothing fires.")) }
        @else { ul.list { @for alert in open.iter().take(5) { li.tight {
            div.row { (severity(alert.severity)) span.strong { (subject(ask, alert)) } span.small.push { (part::ago(ask, alert.fired_at)) } }
            p.soft.small.clamp { (icon_word(alert)) }
        } } } }
    };
    Ok(part::wide("alerts", "Alerts firing", &more, &body))
}

fn icon_word(alert: &Alert) -> Markup {
    html! { span.sr { (icon::of(Icon::Alerts)) } (part::short(&alert.reason, 200)) }
}
