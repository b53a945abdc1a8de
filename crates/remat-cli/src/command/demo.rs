//! `remat demo`: `{"server","rows","rounds","changes_per_round","views":[{"view","strategy","rows","rows_changed",
//! "duration_ms","plain_ms","concurrent_ms","times_faster_than_plain","times_faster_than_concurrent","incremental_ms",
//! "incremental_by","incremental_times_faster_than_concurrent","equal","refreshed_again"}],"runs":[…]}`; exit 1 when a view differs from its query.

use std::path::PathBuf;

use remat::error::{Error, ErrorKind};

use crate::{
    app::App,
    demo::{self, Server, Wishes},
    exit::Exit,
    render,
};

/// What the demo takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// End after the report. Without it, the demo goes on writing and refreshing until it is interrupted.
    #[arg(long)]
    once: bool,
    /// How many rows of the largest table to load.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    rows: u32,
    /// Where the private server keeps its data.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Leave the private server running at the end.
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    if app.out.json && !args.once {
        return Err(Error::new(ErrorKind::InvalidSettings, "a demo that goes on has no JSON document")
            .with_hint("Pass --once with --json."));
    }
    let wishes = Wishes { target: app.named_target()?, data_dir: args.data_dir.clone() };
    let server = Server::open(&app.out, wishes).await?;
    let (remat, report) = demo::once(&app.out, &server, args.rows).await?;
    app.out.show(&report, || render::demo::report(&app.out, &report));
    if !args.once {
        demo::live(&app.out, &remat).await?;
    }
    drop(remat);
    server.end(args.keep).await?;
    if !app.out.json {
        app.out.report(&(), || render::demo::farewell(&report.server, args.keep));
    }
    Ok(if report.views.iter().all(|view| view.equal) { Exit::Success } else { Exit::Failed })
}
