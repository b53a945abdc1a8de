//! The same queries as views of remat and as materialized views, refreshed side by side and compared.
//!
//! Law: both read the same rows. What remat refreshed is compared with its query as of the time of its run, so that a
//! row that a window left in the meantime is no difference. A difference is an error.

use remat::{
    capture,
    error::Error,
    name::{Identifier, RelationName},
    operation::{Chain, CreateOptions, RefreshOptions},
    run::{Run, Status},
    view::{Definition, Strategy, View},
};
use tokio_postgres::Client;

use crate::{Outcome, place::Place};

/// A query with a name and a key.
#[derive(Clone)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) key: Vec<String>,
    /// A column that is a rounded float: it may differ by one in the sixth place.
    pub(crate) rounded: Option<&'static str>,
}

/// A question that several relations answer: a view of remat and a materialized view of the same name.
pub(crate) struct Contest {
    pub(crate) question: Question,
    /// As of when remat last refreshed it, as a text of SQL.
    as_of: Option<String>,
    view: View,
}

/// Where the views of remat stand, and where the materialized views do.
const OURS: &str = "followed";
const THEIRS: &str = "refreshed";

/// Makes the schemas. `path` is where the queries find their tables.
pub(crate) async fn prepare(place: &Place, path: &str) -> Outcome {
    let sql = format!(
        "create schema if not exists {OURS}; create schema if not exists {THEIRS}; set search_path = {path}; set time zone 'UTC'"
    );
    Ok(place.sql.batch_execute(&sql).await?)
}

impl Contest {
    /// Makes both, filled.
    pub(crate) async fn open(
        place: &Place,
        question: Question,
        path: &str,
        strategy: Strategy,
    ) -> Outcome<Self> {
        let Question { name, query, key, .. } = &question;
        eprintln!("{name}: making it");
        let theirs = format!("{THEIRS}.{name}");
        let make = format!(
            "create materialized view {theirs} as {query}; create unique index on {theirs} ({})",
            key.join(", ")
        );
        place.sql.batch_execute(&make).await?;
        let mut definition =
            Definition { strategy, ..Definition::new(RelationName::new(OURS, name)?, query.as_str()) };
        definition.key = key.iter().map(Identifier::new).collect::<Result<_, _>>()?;
        definition.settings.search_path = vec![Identifier::new(path)?];
        let view = place.remat.define(&definition).await?;
        let _ = succeeded(place.remat.create(&view, CreateOptions::default()).await?)?;
        let view = place.remat.view(&definition.name).await?;
        let mut contest = Self { question, as_of: None, view };
        // Whatever it keeps beside the view is made and filled by its first refresh.
        let _ = contest.follow(place, None).await?;
        Ok(contest)
    }

    /// Lets remat refresh it.
    pub(crate) async fn follow(&mut self, place: &Place, strategy: Option<Strategy>) -> Outcome<Run> {
        let options = RefreshOptions { strategy, ..RefreshOptions::default() };
        let run = succeeded(place.remat.refresh(&self.view, options).await?)?;
        self.note(&run);
        Ok(run)
    }

    /// Lets remat refresh all of them together, as the command line does.
    pub(crate) async fn follow_all(contests: &mut [Self], place: &Place) -> Outcome<Vec<Run>> {
        let views: Vec<View> = contests.iter().map(|contest| contest.view.clone()).collect();
        let mut runs = Vec::new();
        let options = RefreshOptions::default();
        for group in place.remat.groups(views, options).await? {
            runs.extend(place.remat.refresh_group(&group, options, &Chain::default()).await?);
        }
        let runs: Vec<Run> = runs.into_iter().map(succeeded).collect::<Outcome<_>>()?;
        for (contest, run) in contests.iter_mut().zip(&runs) {
            contest.note(run);
        }
        Ok(runs)
    }

    /// A run that found nothing changed leaves the time as it was.
    fn note(&mut self, run: &Run) {
        if let Some(as_of) = run.data_as_of {
            self.as_of = Some(format!("timestamptz '{as_of}'"));
        }
    }

    /// Refreshes the materialized view.
    pub(crate) async fn refresh(&self, sql: &Client, concurrently: bool) -> Outcome {
        let how = if concurrently { "concurrently" } else { "" };
        let statement = format!("refresh materialized view {how} {THEIRS}.{}", self.question.name);
        Ok(sql.batch_execute(&statement).await?)
    }

    /// Compares what remat refreshed with the query.
    pub(crate) async fn check(&self, sql: &Client) -> Outcome {
        let now = self.as_of.as_deref().unwrap_or("now()");
        self.compare(sql, &format!("({})", self.question.query.replace("now()", now))).await
    }

    /// Compares it with the materialized view, refreshed from the same rows.
    pub(crate) async fn check_with_theirs(&self, sql: &Client) -> Outcome {
        self.compare(sql, &format!("{THEIRS}.{}", self.question.name)).await
    }

    async fn compare(&self, sql: &Client, source: &str) -> Outcome {
        let Question { name, key, rounded, .. } = &self.question;
        let ours = format!("{OURS}.{name}");
        let columns = columns(sql, &ours).await?;
        let exact: Vec<&String> = columns.iter().filter(|column| Some(column.as_str()) != *rounded).collect();
        let exact = exact.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let beside = rounded.map_or_else(
            || "0".to_owned(),
            |column| {
                format!(
                    "(select count(*) from wanted w join {ours} o using ({})
                      where abs(w.{column} - o.{column}) > 0.000001 or (w.{column} is null) <> (o.{column} is null))",
                    key.join(", ")
                )
            },
        );
        let statement = format!(
            "with wanted as materialized (select * from {source} q)
             select (select count(*) from (select {exact} from wanted except all select {exact} from {ours}) a)
                  + (select count(*) from (select {exact} from {ours} except all select {exact} from wanted) b)
                  + {beside}"
        );
        let differences: i64 = sql.query_one(&statement, &[]).await?.get(0);
        if differences == 0 {
            return Ok(());
        }
        Err(format!("{differences} rows of {ours} differ from its query").into())
    }
}

/// What a daemon and autovacuum do between refreshes: the logs are pruned and vacuumed.
pub(crate) async fn tidy(place: &Place) -> Outcome {
    let session = place.remat.session().await?;
    capture::prune(&session).await.map_err(Error::from)?;
    place.remat.give_back(session);
    let logs = "select format('vacuum (analyze) remat_log.%I', relname) from pg_class
                where relnamespace = to_regnamespace('remat_log') and relkind = 'r'";
    for row in place.sql.query(logs, &[]).await? {
        place.sql.batch_execute(row.get(0)).await?;
    }
    Ok(())
}

/// What a run did, in a word: the strategy that ran, or that it found nothing to do.
pub(crate) fn told(run: &Run) -> String {
    run.strategy.clone().unwrap_or_else(|| run.status.to_string())
}

fn succeeded(run: Run) -> Outcome<Run> {
    if run.status == Status::Success { Ok(run) } else { Err(format!("a run failed: {run:?}").into()) }
}

async fn columns(sql: &Client, relation: &str) -> Outcome<Vec<String>> {
    let statement = "select attname::text from pg_attribute
                     where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum";
    Ok(sql.query(statement, &[&relation]).await?.iter().map(|row| row.get(0)).collect())
}
