//! Comparing a view with its query: `verify` proves that they are equal, `bench` says what the view saves.
//!
//! Law: both sides are read in one snapshot, with the settings that a refresh pins, and compared as multisets of whole
//! rows: a duplicate on one side counts. The rows themselves are never fetched.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{
    error::Error,
    failure::{Failure, FailureKind},
    name::RelationName,
    pg::{
        Session,
        catalog::{self, Relation},
    },
    snapshot,
    strategy::millis_f64,
    view::{RelationKind, View},
};

/// Whether a view's contents equal its query.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Comparison))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The view.
    pub view: RelationName,
    /// True when nothing is missing and nothing is extra.
    pub equal: bool,
    /// Rows of the query that the view has not.
    pub missing: i64,
    /// Rows of the view that the query has not.
    pub extra: i64,
}

/// What reading the view saves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Benchmark {
    /// The view.
    pub view: RelationName,
    /// Rows that the query gives.
    pub rows: i64,
    /// Milliseconds of the query, the median.
    pub query_ms: f64,
    /// Milliseconds of reading the whole view, the median.
    pub view_ms: f64,
    /// How many times faster the view is.
    pub ratio: f64,
    /// How often each was run.
    pub repeats: usize,
    /// True when both gave the same rows.
    pub equal: bool,
}

/// Compares both ways in one snapshot.
pub(crate) async fn verify(session: &Session, view: &View) -> Result<Verification, Error> {
    let verification =
        in_snapshot(session, view, async |source| difference(session, view, source).await).await?;
    Ok(verification)
}

/// Runs each side `repeats` times in turn, reading every row at the server.
pub(crate) async fn bench(session: &Session, view: &View, repeats: usize) -> Result<Benchmark, Error> {
    let benchmark = in_snapshot(session, view, async |source| {
        let target = format!("select * from {}", view.definition.name.to_sql());
        let (mut query, mut read) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for _ in 0..repeats.max(1) {
            let (count, took) = time(session, source).await?;
            rows = count;
            query.push(took);
            read.push(time(session, &target).await?.1);
        }
        let (query, read) = (median(query), median(read));
        Ok(Benchmark {
            view: view.definition.name.clone(),
            rows,
            query_ms: millis_f64(query),
            view_ms: millis_f64(read),
            ratio: (query.as_secs_f64() / read.as_secs_f64().max(1e-9) * 10.0).round() / 10.0,
            repeats: repeats.max(1),
            equal: difference(session, view, source).await?.equal,
        })
    })
    .await?;
    Ok(benchmark)
}

/// Gives `work` the view's query inside a read-only snapshot with the pinned settings.
async fn in_snapshot<T, W>(session: &Session, view: &View, work: W) -> Result<T, Error>
where
    W: AsyncFnOnce(&str) -> Result<T, Failure>,
{
    let result = async {
        let source = take_snapshot(session, view).await?;
        Ok(work(&source).await?)
    }
    .await;
    session.batch("rollback").await?;
    result
}

/// Begins a snapshot that holds the view as it stands, becomes its owner, and gives its query.
async fn take_snapshot(session: &Session, view: &View) -> Result<String, Error> {
    let relation = snapshot::hold(session, view).await?;
    let source = source_of(session, view, &relation).await?;
    snapshot::act_as_owner(session, &relation).await?;
    Ok(source)
}

/// The query as the database has it: what the relation was made from, not what a file says now.
async fn source_of(session: &Session, view: &View, relation: &Relation) -> Result<String, Failure> {
    let printed = catalog::printed_query(session, relation.oid).await?;
    Ok(match (relation.kind, printed) {
        (Some(RelationKind::Table), _) => {
            format!("select * from {}", crate::strategy::merge::defining_view(view.id).to_sql())
        }
        (_, Some(query)) => query.trim_end().trim_end_matches(';').to_owned(),
        (_, None) => view.definition.query.clone(),
    })
}

async fn difference(session: &Session, view: &View, source: &str) -> Result<Verification, Failure> {
    let sql = difference_sql(source, &view.definition.name.to_sql());
    let counts: Vec<i64> = session.query_one(&sql, &[]).await?.get(0);
    let &[missing, extra] = &counts[..] else {
        return Err(Failure::new(FailureKind::Other, "the comparison did not count"));
    };
    Ok(Verification { view: view.definition.name.clone(), equal: missing == 0 && extra == 0, missing, extra })
}

/// Selects an array of two numbers: rows of the query that the relation has not, and rows of the relation that the query has
/// not. It counts by hash of the row's image: so it needs no equality of the column types, and `json` compares like text.
pub(crate) fn difference_sql(source: &str, relation: &str) -> String {
    format!(
        "with expected as (select pg_catalog.md5((q.*)::text) as row, count(*) as n from (\n{source}\n) q group by 1),
              actual as (select pg_catalog.md5((t.*)::text) as row, count(*) as n from {relation} t group by 1)
         select array[coalesce(sum(greatest(coalesce(e.n, 0) - coalesce(a.n, 0), 0)), 0),
                      coalesce(sum(greatest(coalesce(a.n, 0) - coalesce(e.n, 0), 0)), 0)]::pg_catalog.int8[]
         from   expected e full join actual a on a.row = e.row"
    )
}

/// Reads every column of every row at the server and sends only a count.
async fn time(session: &Session, source: &str) -> Result<(i64, Duration), Failure> {
    let began = Instant::now();
    let sql = format!("select pg_catalog.count((q.*)::text) from (\n{source}\n) q");
    let rows = session.query_one(&sql, &[]).await?.get(0);
    Ok((rows, began.elapsed()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
