//! `remat board`: `{"view","key","served_by","data_as_of","why","entries":[{"rank","member","score"}]}`.

use remat::{
    error::{Error, ErrorKind},
    publish::{Board, Entry, Served, ServedBy, Why},
    view::View,
};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, figure, word},
        text,
    },
    selection,
};

/// How many places are shown above and below a member.
const AROUND: u32 = 5;

/// Show a leaderboard as its readers get it, and who served it: Redis, or the view where Redis has it not.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The view: `name` or `schema.name`, double quotes where SQL needs them.
    name: String,
    /// How many places, from the first.
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with = "member")]
    top: u32,
    /// This member and those around it.
    #[arg(long)]
    member: Option<String>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let publisher = app.publisher()?;
    let remat = app.open().await?;
    let view = selection::one(&remat, &args.name).await?;
    let board = Board::new(&remat, &publisher, &view)?.without_repair();
    let asked = async {
        match &args.member {
            Some(member) => board.around(member, AROUND).await,
            None => board.top(args.top).await,
        }
    };
    let served = app.interrupt.attend(asked).await?;
    if let (Some(member), true) = (&args.member, served.value.is_empty()) {
        let primary = format!("member \"{member}\" has no place in {}", view.definition.name);
        return Err(Error::new(ErrorKind::NotFound, primary).with_detail(source(&served)));
    }
    app.out.show(&document(&view, &served), || {
        format!("{}\n{}", table(&app.out, &served.value), source(&served))
    });
    Ok(Exit::Success)
}

fn document(view: &View, served: &Served<Vec<Entry>>) -> serde_json::Value {
    json!({
        "view": view.definition.name,
        "key": view.definition.publish.as_ref().map(|publish| &publish.key),
        "served_by": served.served_by,
        "data_as_of": served.data_as_of,
        "why": served.why,
        "entries": served.value,
    })
}

fn table(out: &Output, entries: &[Entry]) -> String {
    let mut table = Table::new(out, &["rank", "member", "score"]);
    for entry in entries {
        table.row([figure(text::count(entry.rank)), word(&entry.member), figure(entry.score.to_string())]);
    }
    table.finish()
}

fn source(served: &Served<Vec<Entry>>) -> String {
    let by = match served.served_by {
        ServedBy::Redis => "redis",
        ServedBy::Postgres => "postgres",
    };
    let why = served.why.map_or_else(String::new, |why| format!(" ({})", in_words(why)));
    let data_as_of = text::or_nothing(served.data_as_of, text::time);
    format!("Served by {by}{why}, data as of {data_as_of}.")
}

fn in_words(why: Why) -> &'static str {
    match why {
        Why::ColdStart => "nothing is published there; see `remat publish`",
        Why::Redefined => "what redis has is of another definition",
        Why::Incomplete => "what redis has is not whole",
        Why::Unreachable => "redis does not answer",
        Why::Refused => "redis answers with an error",
    }
}
