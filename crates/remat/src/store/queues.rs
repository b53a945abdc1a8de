//! `remat.queues`: how many runs of a queue may be at work at once.

use tokio_postgres::types::Type;

use crate::{error::Error, pg::Session, project::Queue};

/// Every queue that has a limit, by name.
pub async fn all(session: &Session) -> Result<Vec<Queue>, Error> {
    let rows = session.query("select name, concurrency from remat.queues order by name", &[]).await?;
    Ok(rows.iter().map(|row| Queue { name: row.get(0), concurrency: row.get(1) }).collect())
}

/// The queues that a project wrote.
pub async fn of_project(session: &Session, project: &str) -> Result<Vec<String>, Error> {
    let sql = "select name from remat.queues where project = $1 order by name";
    Ok(session.query(sql, &[(&project, Type::TEXT)]).await?.iter().map(|row| row.get(0)).collect())
}

/// Writes a queue: inserts it or changes the one of that name.
pub async fn save(session: &Session, queue: &Queue, project: Option<&str>) -> Result<(), Error> {
    let sql = "insert into remat.queues as q (name, concurrency, project) values ($1, $2, $3)
               on conflict (name) do update
               set concurrency = excluded.concurrency, project = coalesce(excluded.project, q.project)";
    let params =
        [(&queue.name as _, Type::TEXT), (&queue.concurrency as _, Type::INT4), (&project as _, Type::TEXT)];
    session.execute(sql, &params).await?;
    Ok(())
}

/// Removes a queue's limit; true when it was there.
pub async fn remove(session: &Session, name: &str) -> Result<bool, Error> {
    Ok(session.execute("delete from remat.queues where name = $1", &[(&name, Type::TEXT)]).await? > 0)
}
