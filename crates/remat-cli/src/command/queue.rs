//! `remat queue`: `{"queues":[…],"concurrency":…}`.

use remat::{error::Error, store::backlog::Backlog};

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output,
        table::{Table, figure, word},
        text,
    },
};

/// Show what waits and works in which queue.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

pub(crate) async fn run(app: &App, _args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let backlog = remat.backlog().await?;
    app.out.show(&backlog, || table(&app.out, &backlog));
    Ok(Exit::Success)
}

fn table(out: &Output, backlog: &Backlog) -> String {
    let limit = |limit: Option<i32>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    if backlog.queues.is_empty() {
        return "nothing waits and nothing is at work".into();
    }
    let mut table = Table::new(out, &["queue", "due", "later", "waiting for others", "at work", "at most"]);
    for queue in &backlog.queues {
        let counts = [queue.due, queue.later, queue.waiting, queue.running];
        let figures = counts.into_iter().map(|count| figure(text::count(count)));
        let cells = [word(&queue.queue)].into_iter().chain(figures);
        table.row(cells.chain([figure(limit(queue.concurrency))]));
    }
    match backlog.concurrency {
        Some(most) => format!("{}\nAt most {most} at work in all queues together.", table.finish()),
        None => table.finish(),
    }
}
