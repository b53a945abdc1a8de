//! `remat openapi`: the document of the HTTP interface, the same with and without `--json`.

use remat::error::Error;

use crate::{app::App, exit::Exit, http};

/// Print the OpenAPI document of the HTTP interface.
#[derive(clap::Args, Debug)]
#[allow(clippy::doc_markdown, reason = "help texts are for a terminal")]
pub(crate) struct Args {}

#[allow(clippy::unnecessary_wraps, reason = "every command answers so")]
pub(crate) fn run(app: &App, _args: &Args) -> Result<Exit, Error> {
    app.out.show(http::document(), || {
        serde_json::to_string_pretty(http::document()).expect("the document has text keys")
    });
    Ok(Exit::Success)
}
