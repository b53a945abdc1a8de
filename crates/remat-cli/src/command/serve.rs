//! `remat serve`: answers nothing on stdout, logs on stderr.

use std::{net::SocketAddr, time::Duration};

use remat::error::Error;

use crate::{
    app::App,
    exit::Exit,
    http::DoorOptions,
    serve::{self, Charge, WorkOptions},
    values::time,
};

/// Run the daemon: it refreshes what falls due, works on what is enqueued, and finds runs that were lost.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    work: WorkOptions,
    /// Where the pages, the HTTP interface and the probes are (127.0.0.1:8080).
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Listen nowhere.
    #[arg(long, conflicts_with = "listen")]
    no_web: bool,
    #[command(flatten)]
    door: DoorOptions,
    /// How often to compare each view that follows changes with its query (24h); 0 for never.
    #[arg(long, value_name = "TIME", value_parser = time)]
    verify_every: Option<Duration>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let web = (!args.no_web).then_some(&args.door);
    serve::run(app, Charge::serve(app, &args.work, args.listen, web, args.verify_every)?).await
}
