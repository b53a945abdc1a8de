//! A case in words: what a driver plays.

use jiff::{SignedDuration, Timestamp};

use super::{case::Case, kind::Fidelity, schema, tell::Teller};

/// When a story begins: on a day that has an hour less in New York.
const BEGIN: &str = "2026-03-08T12:00:00Z";

/// How far the clock may move at a time, in seconds.
const ADVANCES: [i64; 8] = [0, 3600, 1800, 7200, 86_400, 60, 43_200, 3600];

/// Statements and what is said of them; no names but those of tables without a schema.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// The time zone of the session.
    pub(crate) zone: &'static str,
    /// Makes the tables, and their rows.
    pub(crate) tables: Vec<String>,
    /// The query of the view.
    pub(crate) query: String,
    /// The columns that tell its rows apart.
    pub(crate) key: Vec<String>,
    /// How each column is compared, by its name.
    pub(crate) columns: Vec<(String, Fidelity)>,
    pub(crate) moments: Vec<Moment>,
}

/// What is written, and when the refresh after it runs.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) work: Vec<String>,
    pub(crate) now: Timestamp,
}

pub(crate) fn begin() -> Timestamp {
    BEGIN.parse().expect("it is a time")
}

/// Tells a case.
pub(crate) fn tell(case: &Case) -> Story {
    let told = Teller::new(schema::relations(case)).query(&case.ctes, &case.body);
    let key = told.key.unwrap_or_default().into_iter().map(|place| told.columns[place].sql.clone()).collect();
    let mut now = begin();
    let moments = case.steps.iter().map(|step| {
        now += SignedDuration::from_secs(ADVANCES[usize::from(step.advance) % ADVANCES.len()]);
        Moment { work: step.work.iter().flat_map(|work| schema::work(case, work)).collect(), now }
    });
    Story {
        zone: if case.zone { "America/New_York" } else { "UTC" },
        moments: moments.collect(),
        tables: schema::create(case),
        query: told.sql,
        key,
        columns: told.columns.into_iter().map(|column| (column.sql, column.fidelity)).collect(),
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "-- begins at {}, time zone {}", begin(), self.zone)?;
        for statement in &self.tables {
            writeln!(f, "{statement};")?;
        }
        writeln!(f, "-- key: {}\ncreate view v as {};", self.key.join(", "), self.query)?;
        for moment in &self.moments {
            for statement in &moment.work {
                writeln!(f, "{statement};")?;
            }
            writeln!(f, "-- refresh at {}", moment.now)?;
        }
        Ok(())
    }
}
