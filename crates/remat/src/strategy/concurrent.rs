//! `refresh materialized view concurrently`: readers never wait.
//!
//! The server demands a unique index of plain columns without predicate, and says the same about every way to miss
//! that; [`diagnose`] says which index fails which test. A view that was never filled is refreshed plainly first.

use std::time::Instant;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::{Report, Work, regular};
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, list_to_sql},
    pg::{Session, catalog::Relation, lock::Attempts},
    store::runs::Rows,
};

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    diagnose(work.session, work.relation, &work.view.definition.key).await?.into_result()?;
    let before = regular::counters(work).await?;
    let began = Instant::now();
    let mut attempts = Attempts::new(work.session, &work.view.definition.settings, work.relation.oid);
    let data_as_of = loop {
        attempts.begin().await?;
        match attempt(work).await {
            Ok(data_as_of) => break data_as_of,
            Err(failure) => attempts.pause_after(failure).await?,
        }
    };
    let lock_wait = attempts.end().await?;
    work.phases.push("lock", lock_wait);
    work.phases.push("build", began.elapsed().saturating_sub(lock_wait));
    let after = regular::counters(work).await?;
    Ok(Report {
        data_as_of: Some(data_as_of),
        lock_wait,
        rows: rows(work.rows_before(), before, after),
        ..Report::default()
    })
}

async fn attempt(work: &Work<'_>) -> Result<Timestamp, Failure> {
    let data_as_of = work.as_of().await?;
    let sql = format!("refresh materialized view concurrently {}", work.relation.name.to_sql());
    work.session.execute(&sql, &[]).await?;
    Ok(data_as_of)
}

fn rows(known: Option<i64>, before: Option<(i64, i64)>, after: Option<(i64, i64)>) -> Rows {
    let Some(((inserted, deleted), (inserted_then, deleted_then))) = after.zip(before) else {
        return Rows { before: known, ..Rows::default() };
    };
    let (inserted, deleted) = (inserted - inserted_then, deleted - deleted_then);
    Rows {
        before: known,
        after: known.map(|known| known + inserted - deleted),
        inserted: Some(inserted),
        updated: None,
        deleted: Some(deleted),
    }
}

/// Whether a materialized view can be refreshed concurrently, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// Indexes that serve.
    pub usable: Vec<String>,
    /// Unique indexes that do not, each with the test that it fails.
    pub unusable: Vec<(String, String)>,
    /// A statement that would make a usable one.
    pub advice: String,
    relation: String,
}

impl Diagnosis {
    /// The failure that a refresh would meet.
    pub(crate) fn into_result(self) -> Result<(), Failure> {
        if !self.usable.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(
            FailureKind::Prerequisite,
            format!("materialized view \"{}\" cannot be refreshed concurrently", self.relation),
        );
        let reasons: Vec<_> =
            self.unusable.iter().map(|(index, why)| format!("Index \"{index}\" {why}.")).collect();
        let detail = if reasons.is_empty() { "It has no unique index.".into() } else { reasons.join(" ") };
        Err(failure.with_detail(detail).with_hint(self.advice))
    }
}

/// Looks at every index of the view.
pub(crate) async fn diagnose(
    session: &Session,
    relation: &Relation,
    key: &[Identifier],
) -> Result<Diagnosis, Failure> {
    let rows = session.query(include_str!("unique_indexes.sql"), &[(&relation.oid, Type::OID)]).await?;
    let verdicts = rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, Option<String>>(1)));
    let (usable, unusable): (Vec<_>, Vec<_>) = verdicts.partition(|(_, reason)| reason.is_none());
    let columns = if key.is_empty() { "<columns that identify a row>".to_owned() } else { list_to_sql(key) };
    Ok(Diagnosis {
        usable: usable.into_iter().map(|(name, _)| name).collect(),
        unusable: unusable.into_iter().filter_map(|(name, reason)| Some((name, reason?))).collect(),
        advice: format!("create unique index on {} ({columns});", relation.name.to_sql()),
        relation: relation.name.to_string(),
    })
}
