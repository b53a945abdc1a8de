//! Measures remat beside what PostgreSQL does by itself: readers during a swap, merge against REFRESH, and what remat
//! adds to a statement; and how many runs go through its queue, and how soon one begins that is due. See README.md for
//! the method.
//!
//! Law: everything that is compared is measured in one run on one server, in turns; contents are compared after each
//! refresh, and a figure without equal contents is an error. Figures go to the output, progress to the error stream.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

mod args;
mod compile;
mod contest;
mod dispatch;
mod measure;
mod merge;
mod overhead;
mod place;
mod processor;
mod queue;
mod readers;
mod report;
mod skyflow;
mod swap;
mod tpch;
mod writers;

use std::process::ExitCode;

use args::{Args, What};
use place::Place;
use report::{Report, Section};

/// Whatever ended a measurement.
type Failed = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failed>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(complaint) => {
            eprintln!("error: {complaint}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    // A dropped run stops its server, also when it ends here.
    let ended = tokio::select! {
        ended = run(&args) => ended,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("error: {error}{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Outcome {
    let place = Place::open(args).await?;
    let mut report = Report::new(place.facts().await?);
    for what in &args.what {
        match what {
            What::Swap => report.add(Box::pin(swap::measure(&place, args)).await?),
            What::Merge => {
                for section in Box::pin(merge::measure(&place, args)).await? {
                    report.add(section);
                }
            }
            What::Overhead => report.add(Box::pin(overhead::measure(&place, args)).await?),
            What::Queue => {
                for section in Box::pin(queue::measure(&place, args)).await? {
                    report.add(section);
                }
            }
            What::Dispatch => report.add(Box::pin(dispatch::measure(&place, args)).await?),
            What::Writers => add(&mut report, Box::pin(writers::measure(&place, args)).await?),
            What::Compile => report.add(Box::pin(compile::measure(&place)).await?),
            What::Skyflow => report.add(Box::pin(skyflow::measure(&place, args)).await?),
            What::Tpch => add(&mut report, Box::pin(tpch::measure(&place, args)).await?),
        }
    }
    let text = if args.json { format!("{:#}", report.to_json()) } else { report.to_markdown() };
    println!("{text}");
    Ok(())
}

fn add(report: &mut Report, sections: Vec<Section>) {
    for section in sections {
        report.add(section);
    }
}
