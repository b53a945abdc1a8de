//! `remat audit`: `{"audit":[…]}`.

use jiff::{SignedDuration, Timestamp};
use remat::{
    access::{AuditFilter, AuditLine},
    error::Error,
};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, figure, word},
        text::{self, NOTHING},
    },
    values,
};

/// List who asked for what over HTTP, and who gave access, the newest first.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only of the last time, such as 2d.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    since: Option<SignedDuration>,
    /// Only of this token.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let since = args.since.and_then(|since| Timestamp::now().checked_sub(since).ok());
    let filter =
        AuditFilter { since, who: args.who.clone(), limit: Some(args.limit), ..AuditFilter::default() };
    let lines = remat.audit(&filter).await?;
    app.out.show(&json!({ "audit": lines }), || table(&app.out, &lines));
    Ok(Exit::Success)
}

fn table(out: &Output, lines: &[AuditLine]) -> String {
    if lines.is_empty() {
        return "nobody asked for anything".into();
    }
    let mut table = Table::new(out, &["at", "who", "role", "from", "action", "object", "run"]);
    let or_nothing = |text: &Option<String>| word(text.as_deref().unwrap_or(NOTHING));
    for line in lines {
        table.row([
            word(text::time(line.at)),
            word(&line.who),
            or_nothing(&line.role),
            or_nothing(&line.address),
            word(&line.action),
            or_nothing(&line.object),
            figure(text::or_nothing(line.run_id, |id| id.to_string())),
        ]);
    }
    table.finish()
}
