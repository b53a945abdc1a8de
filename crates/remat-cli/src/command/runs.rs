//! `remat runs`: `{"runs":[…]}`.

use remat::{
    error::Error,
    run::{Operation, Status},
    store::runs::Filter,
};
use serde_json::json;

use crate::{app::App, exit::Exit, render::runs::table, selection, values::one_of};

/// List runs, the newest first.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only of this view.
    name: Option<String>,
    /// Only with this status.
    #[arg(long, value_parser = one_of(Status::ALL, Status::as_str))]
    status: Option<Status>,
    /// Only of this operation.
    #[arg(long, value_parser = one_of(Operation::ALL, Operation::as_str))]
    operation: Option<Operation>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let view_id = match &args.name {
        Some(typed) => Some(selection::one(&remat, typed).await?.id),
        None => None,
    };
    let filter = Filter {
        view_id,
        status: args.status,
        operation: args.operation,
        limit: Some(args.limit),
        ..Filter::default()
    };
    let runs = remat.runs(&filter).await?;
    app.out.show(&json!({ "runs": runs }), || table(&app.out, &runs));
    Ok(Exit::Success)
}
