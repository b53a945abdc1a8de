//! `remat run`: `{"run":{…}}`.

use remat::error::Error;
use serde_json::json;

use crate::{app::App, exit::Exit, render::runs::detail};

/// Show one run with everything that is known about it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The number of the run.
    id: i64,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let run = remat.run(args.id).await?;
    app.out.show(&json!({ "run": run }), || detail(&run));
    Ok(Exit::Success)
}
