//! `remat worker`: answers nothing on stdout, logs on stderr.

use std::net::SocketAddr;

use remat::error::Error;

use crate::{
    app::App,
    exit::Exit,
    serve::{self, Charge, WorkOptions},
};

/// Run workers alone: they do what others enqueue, and fire nothing.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    work: WorkOptions,
    /// Where to answer probes; nowhere when none is given.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    serve::run(app, Charge::work(app, &args.work, args.listen)?).await
}
