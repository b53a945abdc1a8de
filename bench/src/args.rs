//! What was typed.

/// How to call the program.
pub(crate) const USAGE: &str = "usage: remat-bench <swap|merge|overhead|all> [--rows N] [--rounds K] \
     [--repeats N] [--database-url URL] [--json]";

/// One of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Swap,
    Merge,
    Overhead,
}

/// What to measure, and on how much.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) what: Vec<What>,
    /// Rows of the views.
    pub(crate) rows: i64,
    /// How often each refresh is measured.
    pub(crate) rounds: usize,
    /// How often each tiny refresh is measured.
    pub(crate) repeats: usize,
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
            Some("all") => vec![What::Swap, What::Merge, What::Overhead],
            _ => return Err("say what to measure".into()),
        };
        let mut args =
            Self { what, rows: 1_500_000, rounds: 3, repeats: 200, database_url: None, json: false };
        while let Some(option) = typed.next() {
            let mut value = || typed.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--rows" => args.rows = number(&value()?)?,
                "--rounds" => args.rounds = number(&value()?)?,
                "--repeats" => args.repeats = number(&value()?)?,
                "--database-url" => args.database_url = Some(value()?),
                "--json" => args.json = true,
                _ => return Err(format!("unknown option \"{option}\"")),
            }
        }
        Ok(args)
    }
}

fn number<N: std::str::FromStr + PartialOrd + From<u8>>(text: &str) -> Result<N, String> {
    let parsed = text.replace('_', "").parse().ok().filter(|number| *number >= N::from(1));
    parsed.ok_or_else(|| format!("\"{text}\" is not a number of at least 1"))
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
        assert_eq!((args.what.len(), args.rows, args.rounds, args.json), (3, 20_000, 1, true));
        assert_eq!(parse("swap").unwrap().rows, 1_500_000);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in ["", "fast", "swap --rows", "swap --rows 0", "merge --rows many", "all --color"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
