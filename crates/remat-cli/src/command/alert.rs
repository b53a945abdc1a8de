//! `remat alert list`: `{"alerts":[…],"mutes":[…]}`; `deliveries`: `{"deliveries":[…]}`; `mute`: `{"mute":{…}}`; `unmute`:
//! `{"ended":…}`; `test`: `{"delivery":{…}}`, exit 1 when it was not delivered.

use jiff::Timestamp;
use remat::{
    NewMute, Remat,
    alert::Severity,
    error::Error,
    name::RelationName,
    store::{
        alerts::{Alert, AlertFilter, Muted},
        deliveries::Delivery,
    },
};
use serde_json::json;

use super::pause::who;
use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, Tone, figure, toned, word},
        text::{self, NOTHING},
    },
    selection, values,
};

/// Show what alerts fire, mute them, and try where they go.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    act: Act,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Act {
    /// List the alerts that fire, and the mutes that hold.
    List(ListArgs),
    /// Tell nothing of a rule or a view for a while. Alerts go on being written.
    Mute(MuteArgs),
    /// End a mute.
    Unmute(UnmuteArgs),
    /// Send a message that says it is a test, and tell how that went.
    #[cfg(feature = "alerts")]
    Test(TestArgs),
    /// List the messages, the newest first, with what became of them.
    Deliveries(DeliveriesArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Also those that have ended.
    #[arg(long)]
    all: bool,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

#[derive(clap::Args, Debug)]
struct MuteArgs {
    /// A rule, or a rule of one view: RULE, RULE:VIEW, `*:VIEW`, or `*` for everything.
    #[arg(value_name = "RULE[:VIEW]")]
    what: String,
    /// When it ends by itself: an instant such as 2026-08-01T06:00:00Z, or a length of time such as 2h.
    #[arg(long, value_name = "WHEN", value_parser = values::instant)]
    until: Option<Timestamp>,
    /// Why; kept for those who wonder.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(clap::Args, Debug)]
struct UnmuteArgs {
    /// What was muted, as it was written then.
    #[arg(value_name = "RULE[:VIEW]")]
    what: String,
}

#[cfg(feature = "alerts")]
#[derive(clap::Args, Debug)]
struct TestArgs {
    /// The destination, by the name that remat.toml gives it.
    destination: String,
}

#[derive(clap::Args, Debug)]
struct DeliveriesArgs {
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    match &args.act {
        Act::List(args) => list(app, &remat, args).await,
        Act::Mute(args) => mute(app, &remat, args).await,
        Act::Unmute(args) => unmute(app, &remat, args).await,
        #[cfg(feature = "alerts")]
        Act::Test(args) => test(app, &remat, args).await,
        Act::Deliveries(args) => deliveries(app, &remat, args).await,
    }
}

async fn list(app: &App, remat: &Remat, args: &ListArgs) -> Result<Exit, Error> {
    let is_open = (!args.all).then_some(true);
    let filter = AlertFilter { is_open, limit: Some(args.limit), ..AlertFilter::default() };
    let (alerts, mutes) = (remat.alerts(&filter).await?, remat.mutes().await?);
    app.out.show(&json!({ "alerts": alerts, "mutes": mutes }), || {
        let lines = [table(&app.out, &alerts)].into_iter().chain(mutes.iter().map(muted));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(Exit::Success)
}

fn table(out: &Output, alerts: &[Alert]) -> String {
    if alerts.is_empty() {
        return "no alert fires".into();
    }
    let mut table = Table::new(out, &["alert", "since", "until", "rule", "what is the matter", "told"]);
    for alert in alerts {
        let tone = match (alert.resolved_at, alert.severity) {
            (Some(_), _) => Tone::Neutral,
            (None, Severity::Critical) => Tone::Bad,
            (None, Severity::Warning) => Tone::Notable,
        };
        table.row([
            figure(alert.id.to_string()),
            word(text::time(alert.fired_at)),
            word(text::or_nothing(alert.resolved_at, text::time)),
            word(text::clean(&alert.rule)),
            toned(text::clean(&format!("{} {}", alert.subject, alert.reason)), tone),
            word(told(alert)),
        ]);
    }
    table.finish()
}

/// Whom it was told, or why it was not.
fn told(alert: &Alert) -> String {
    match (alert.announced_at, alert.caused_by) {
        _ if alert.is_muted => "muted".into(),
        (None, Some(cause)) => format!("within alert {cause}"),
        _ if alert.deliveries.is_empty() => NOTHING.into(),
        _ => {
            let one =
                |delivery: &Delivery| format!("{} ({})", text::clean(&delivery.destination), delivery.status);
            alert.deliveries.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

fn muted(mute: &Muted) -> String {
    let what = match &mute.view {
        Some(view) => format!("{}:{}", text::clean(&mute.rule), text::name(view)),
        None => text::clean(&mute.rule),
    };
    let until = mute
        .until
        .map_or_else(|| "until it is unmuted".into(), |until| format!("until {}", text::time(until)));
    let why = mute.reason.as_deref().map(|reason| format!(": {}", text::clean(reason))).unwrap_or_default();
    format!("{what} is muted by {} {until}{why}", text::clean(&mute.by))
}

/// Reads `RULE`, `RULE:VIEW`.
async fn meant<'a>(remat: &Remat, typed: &'a str) -> Result<(&'a str, Option<RelationName>), Error> {
    match typed.split_once(':') {
        None => Ok((typed, None)),
        Some((rule, view)) => Ok((rule, Some(selection::one(remat, view).await?.definition.name))),
    }
}

async fn mute(app: &App, remat: &Remat, args: &MuteArgs) -> Result<Exit, Error> {
    let (rule, view) = meant(remat, &args.what).await?;
    let wanted =
        NewMute { rule: Some(rule.into()), view, until: args.until, reason: args.reason.clone(), by: who() };
    let mute = remat.mute(&wanted).await?;
    app.out.report(&json!({ "mute": mute }), || muted(&mute));
    Ok(Exit::Success)
}

async fn unmute(app: &App, remat: &Remat, args: &UnmuteArgs) -> Result<Exit, Error> {
    let (rule, view) = meant(remat, &args.what).await?;
    let ended = remat.unmute(Some(rule), view.as_ref()).await?;
    app.out.report(&json!({ "ended": ended }), || match ended {
        0 => "nothing of that was muted".into(),
        _ => format!("{} is no longer muted", text::clean(&args.what)),
    });
    Ok(Exit::Success)
}

#[cfg(feature = "alerts")]
async fn test(app: &App, remat: &Remat, args: &TestArgs) -> Result<Exit, Error> {
    let delivery = app.interrupt.attend(remat.test_destination(&args.destination)).await?;
    let sent = delivery.status == "sent";
    app.out.show(&json!({ "delivery": delivery }), || {
        let answer = text::clean(delivery.answer.as_deref().unwrap_or(NOTHING));
        let became = if sent { "delivered" } else { "not delivered" };
        format!("{became} to {}: {answer}", text::clean(&delivery.destination))
    });
    Ok(if sent { Exit::Success } else { Exit::Failed })
}

async fn deliveries(app: &App, remat: &Remat, args: &DeliveriesArgs) -> Result<Exit, Error> {
    let deliveries = remat.deliveries(args.limit).await?;
    app.out.show(&json!({ "deliveries": deliveries }), || {
        if deliveries.is_empty() {
            return "no message was written".into();
        }
        let mut table =
            Table::new(&app.out, &["message", "written", "to", "status", "attempts", "answer", "subject"]);
        for delivery in &deliveries {
            let tone = match delivery.status.as_str() {
                "sent" => Tone::Good,
                "failed" => Tone::Bad,
                _ => Tone::Notable,
            };
            table.row([
                figure(delivery.id.to_string()),
                word(text::time(delivery.created_at)),
                word(text::clean(&delivery.destination)),
                toned(&delivery.status, tone),
                figure(delivery.attempts.to_string()),
                word(text::clean(delivery.answer.as_deref().unwrap_or(NOTHING))),
                word(text::clean(&delivery.subject)),
            ]);
        }
        table.finish()
    });
    Ok(Exit::Success)
}
