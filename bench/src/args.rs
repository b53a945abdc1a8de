//! What was typed.

use remat::view::Strategy;

/// How to call the program.
pub(crate) const USAGE: &str = "usage: remat-bench \
     <swap|merge|overhead|queue|dispatch|all|writers|skyflow|tpch|compile|incremental> [--rows N] [--rounds K] \
     [--repeats N] [--runs N] [--slots N] [--clients N] [--peer PROGRAM] [--old-runs N] [--definitions N] \
     [--seconds N] [--analyses N] [--scale F] [--strategy NAME] [--database-url URL] [--json]";

/// One of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Swap,
    Merge,
    Overhead,
    Queue,
    Dispatch,
    Writers,
    Skyflow,
    Tpch,
    Compile,
}

/// What to measure, and on how much.
#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) what: Vec<What>,
    /// Rows of the views.
    pub(crate) rows: i64,
    /// How often each refresh is measured.
    pub(crate) rounds: usize,
    /// How often each tiny refresh is measured.
    pub(crate) repeats: usize,
    /// How many runs go through the queue in each phase.
    pub(crate) runs: u32,
    /// How many runs a worker does at once.
    pub(crate) slots: usize,
    /// How many connections enqueue at once.
    pub(crate) clients: u32,
    /// The program that drives another queue through the same phases; see `bench/peers`.
    pub(crate) peer: Option<String>,
    /// How many runs of the past lie in the table while dispatch is measured.
    pub(crate) old_runs: i64,
    /// How many definitions fire, each once a minute.
    pub(crate) definitions: u32,
    /// How long dispatch is measured, and each turn of the writers.
    pub(crate) seconds: Option<u32>,
    /// Rows of `timeline_analyses`.
    pub(crate) analyses: i64,
    /// The scale factor of TPC-H.
    pub(crate) scale: f64,
    /// How the views are refreshed that are compared with materialized views.
    pub(crate) strategy: Strategy,
    /// An empty database to measure in; a private server is started when none is given.
    pub(crate) database_url: Option<String>,
    pub(crate) json: bool,
}

impl Args {
    pub(crate) fn parse(mut typed: impl Iterator<Item = String>) -> Result<Self, String> {
        let what = match typed.next().as_deref() {
            Some("swap") => vec![What::Swap],
            Some("merge") => vec![What::Merge],
            Some("overhead") => vec![What::Overhead],
            Some("queue") => vec![What::Queue],
            Some("dispatch") => vec![What::Dispatch],
            Some("writers") => vec![What::Writers],
            Some("skyflow") => vec![What::Skyflow],
            Some("tpch") => vec![What::Tpch],
            Some("compile") => vec![What::Compile],
            Some("incremental") => vec![What::Writers, What::Skyflow, What::Tpch, What::Compile],
            Some("all") => vec![What::Swap, What::Merge, What::Overhead, What::Queue, What::Dispatch],
            _ => return Err("say what to measure".into()),
        };
        let mut args = Self { what, ..Self::usual() };
        while let Some(option) = typed.next() {
            let mut value = || typed.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--rows" => args.rows = number(&value()?)?,
                "--rounds" => args.rounds = number(&value()?)?,
                "--repeats" => args.repeats = number(&value()?)?,
                "--runs" => args.runs = number(&value()?)?,
                "--slots" => args.slots = number(&value()?)?,
                "--clients" => args.clients = number(&value()?)?,
                "--peer" => args.peer = Some(value()?),
                "--old-runs" => args.old_runs = number(&value()?)?,
                "--definitions" => args.definitions = number(&value()?)?,
                "--seconds" => args.seconds = Some(number(&value()?)?),
                "--analyses" => args.analyses = number(&value()?)?,
                "--scale" => args.scale = scale(&value()?)?,
                "--strategy" => {
                    args.strategy = value()?.parse().map_err(|_| "no such strategy".to_owned())?;
                }
                "--database-url" => args.database_url = Some(value()?),
                "--json" => args.json = true,
                _ => return Err(format!("unknown option \"{option}\"")),
            }
        }
        Ok(args)
    }

    fn usual() -> Self {
        Self {
            what: Vec::new(),
            rows: 1_500_000,
            rounds: 3,
            repeats: 200,
            runs: 20_000,
            slots: 16,
            clients: 4,
            peer: None,
            old_runs: 10_000_000,
            definitions: 1_000,
            seconds: None,
            analyses: 5_000_000,
            scale: 1.0,
            strategy: Strategy::Incremental,
            database_url: None,
            json: false,
        }
    }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let parsed = text.replace('_', "").parse().ok().filter(|number| *number >= N::from(1));
    parsed.ok_or_else(|| format!("\"{text}\" is not a number of at least 1"))
}

fn scale(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|scale| *scale > 0.0 && *scale <= 100.0);
    parsed.ok_or_else(|| format!("\"{text}\" is no scale factor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split(' ').map(String::from))
    }

    #[test]
    fn options_overrule_what_is_usual() {
        let args = parse("all --rows 20_000 --rounds 1 --json").unwrap();
        assert_eq!((args.what.len(), args.rows, args.rounds, args.json), (5, 20_000, 1, true));
        assert_eq!(parse("swap").unwrap().rows, 1_500_000);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "",
            "fast",
            "tpch --scale 0",
            "skyflow --strategy fast",
            "swap --rows",
            "swap --rows 0",
            "merge --rows many",
            "all --color",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
