//! `remat.scheduled_jobs`: what fires by the clock.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::types::{Json, Type};

use crate::{
    error::{Error, ErrorKind},
    name::RelationName,
    pg::Session,
    schedule::Dispatch,
};

/// One entry of the table.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduledJob {
    /// Its name.
    pub name: String,
    /// A cron line.
    pub schedule: String,
    /// The zone in which the line is read.
    pub zone: String,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
    /// False when it does not fire.
    pub enabled: bool,
    /// How its runs reach a worker.
    pub dispatch: Dispatch,
    /// When it fired last.
    pub last_fire: Option<Timestamp>,
}

/// What a job does.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Refreshes one view.
    View(RelationName),
    /// Refreshes every view with the tag.
    Tag(String),
    /// Runs SQL.
    Sql(String),
}

/// Every job by name.
pub async fn all(session: &Session) -> Result<Vec<ScheduledJob>, Error> {
    let sql =
        "select j.name, j.schedule, j.zone, v.schema_name, v.view_name, j.tag, j.sql, j.enabled, j.last_fire, j.dispatch
               from   remat.scheduled_jobs j left join remat.views v on v.id = j.view_id
               order  by j.name";
    let rows = session.query(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let view: (Option<String>, Option<String>) = (row.get(3), row.get(4));
            let work = match (view, row.get(5), row.get(6)) {
                ((Some(schema), Some(name)), _, _) => Work::View(RelationName::new(schema, name)?),
                (_, Some(tag), _) => Work::Tag(tag),
                (_, _, Some(sql)) => Work::Sql(sql),
                _ => return Err(unreadable()),
            };
            Ok(ScheduledJob {
                name: row.get(0),
                schedule: row.get(1),
                zone: row.get(2),
                work,
                enabled: row.get(7),
                last_fire: row.get(8),
                dispatch: serde_json::from_value(row.get(9)).map_err(|_| unreadable())?,
            })
        })
        .collect()
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Schema, "a row of remat.scheduled_jobs cannot be read")
}

/// The jobs that a project wrote.
pub async fn of_project(session: &Session, project: &str) -> Result<Vec<String>, Error> {
    let sql = "select name from remat.scheduled_jobs where project = $1 order by name";
    Ok(session.query(sql, &[(&project, Type::TEXT)]).await?.iter().map(|row| row.get(0)).collect())
}

/// Writes a job: inserts it or changes the one of that name.
pub async fn save(session: &Session, job: &ScheduledJob, project: Option<&str>) -> Result<(), Error> {
    let (mut schema, mut name, mut tag, mut sql) = (None, None, None, None);
    match &job.work {
        Work::View(view) => (schema, name) = (Some(view.schema.as_str()), Some(view.name.as_str())),
        Work::Tag(word) => tag = Some(word),
        Work::Sql(text) => sql = Some(text),
    }
    let dispatch = Json(&job.dispatch);
    let params = [
        (&job.name as _, Type::TEXT),
        (&job.schedule as _, Type::TEXT),
        (&job.zone as _, Type::TEXT),
        (&schema as _, Type::TEXT),
        (&name as _, Type::TEXT),
        (&tag as _, Type::TEXT),
        (&sql as _, Type::TEXT),
        (&job.enabled as _, Type::BOOL),
        (&project as _, Type::TEXT),
        (&dispatch as _, Type::JSONB),
    ];
    session.execute(include_str!("save_job.sql"), &params).await?;
    Ok(())
}

/// Removes a job; true when it was there.
pub async fn remove(session: &Session, name: &str) -> Result<bool, Error> {
    let removed =
        session.execute("delete from remat.scheduled_jobs where name = $1", &[(&name, Type::TEXT)]).await?;
    Ok(removed > 0)
}
