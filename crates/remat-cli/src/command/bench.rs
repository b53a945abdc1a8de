//! `remat bench`: `{"views":[{"view","rows","query_ms","view_ms","ratio","repeats","equal"}]}`; exit 1 when the contents
//! differ.

use remat::{compare::Benchmark, error::Error};
use serde_json::json;

use crate::{
    app::App,
    exit::Exit,
    render::{
        Output, Progress,
        table::{Table, Tone, figure, toned, word},
        text,
    },
    selection::Selection,
};

/// Time the query against reading the view, every row of both, and check that both give the same rows.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: Selection,
    /// How often each is run; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit, Error> {
    let remat = app.open().await?;
    let views = args.selection.resolve(&remat).await?;
    let progress = Progress::start(&app.out, views.len());
    let mut benchmarks = Vec::new();
    for view in views.iter().take_while(|_| !app.interrupt.is_asked()) {
        progress.step(&format!("timing {}", view.definition.name));
        benchmarks.push(app.interrupt.attend(remat.bench(view, args.repeats.into())).await?);
    }
    progress.finish();
    app.out.show(&json!({ "views": benchmarks }), || table(&app.out, &benchmarks));
    Ok(if benchmarks.iter().all(|benchmark| benchmark.equal) { Exit::Success } else { Exit::Failed })
}

fn table(out: &Output, benchmarks: &[Benchmark]) -> String {
    let mut table = Table::new(out, &["view", "rows", "query", "view read", "times faster", "equal"]);
    for benchmark in benchmarks {
        table.row([
            word(text::name(&benchmark.view)),
            figure(text::count(benchmark.rows)),
            figure(format!("{:.1} ms", benchmark.query_ms)),
            figure(format!("{:.1} ms", benchmark.view_ms)),
            figure(format!("{:.1}", benchmark.ratio)),
            if benchmark.equal { toned("yes", Tone::Good) } else { toned("no", Tone::Bad) },
        ]);
    }
    table.finish()
}
