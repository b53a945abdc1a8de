//! `remat migrate`: `{"applied":["0001_tables"]}`, or `{"sql":"…"}` with `--print`.

use remat::error::Error;
use serde_json::json;

use crate::{app::App, exit::Exit};

/// Make or update remat's own tables, in schema `remat` of the database.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print the SQL that would run, and run nothing.
    #[arg(long)]
    print: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.connect().await?;
    if args.print {
        let sql = remat.migration_sql().await?;
        app.out.show(&json!({ "sql": sql }), || sql.clone());
        return Ok(Exit::Success);
    }
    let applied = remat.migrate().await?;
    app.out.report(&json!({ "applied": applied }), || match applied.as_slice() {
        [] => "remat's tables are up to date".into(),
        names => format!("applied {}", names.join(", ")),
    });
    Ok(Exit::Success)
}
