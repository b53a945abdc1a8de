//! Stories played by the whole: the public interface, real capture, writers that do not wait for refreshes.
//!
//! Law: the writers of a moment are other sessions than the one that refreshes, and run at the same time; when they
//! have ended, one more refresh must leave nothing to be done. What one writer may not do because of another is taken
//! back by it.

use remat::{
    Remat,
    name::{Identifier, RelationName},
    operation::{CreateOptions, RefreshOptions},
    pg::Target,
    run::Status,
    view::{Definition, Strategy, View},
};
use remat_testkit::TestDb;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::{
    stage::{COMMON, Fault, differs},
    story::{Moment, Story},
};

/// What became of a story.
pub(crate) enum Played {
    /// It has no plan.
    Refused,
    /// How many refreshes followed changes.
    Followed(usize),
}

pub(crate) async fn play(story: &Story) -> Result<Played, Fault> {
    let db = TestDb::create().await;
    db.execute(&format!("{COMMON}; {};", story.tables.join(";"))).await;
    let remat = Remat::connect(Target::resolve(Some(&db.url()), &|_| None).unwrap()).await.unwrap();
    remat.migrate().await.unwrap();
    let told = |error: remat::error::Error| format!("{error:?}");
    let name = RelationName::new("public", "p").unwrap();
    let key = story.key.iter().map(|name| Identifier::new(name).unwrap()).collect();
    let definition =
        Definition { strategy: Strategy::Incremental, key, ..Definition::new(name, &story.query) };
    let view = remat.define(&definition).await.map_err(told)?;
    remat.create(&view, CreateOptions::default()).await.map_err(told)?.check().map_err(told)?;
    let view = remat.view(&view.definition.name).await.map_err(told)?;
    if !remat.explain(&view).await.map_err(told)?.incremental {
        return Ok(Played::Refused);
    }
    let sql = db.connect().await;
    sql.batch_execute(&format!("create view v as {}", story.query)).await.unwrap();
    refreshed(&remat, &view).await?;
    let mut followed = 0;
    for moments in story.moments.chunks(3) {
        let mut writers = JoinSet::new();
        for moment in moments {
            let (client, moment) = (db.connect().await, moment.clone());
            writers.spawn(async move { write(&client, &moment).await });
        }
        while !writers.is_empty() {
            followed += usize::from(refreshed(&remat, &view).await?);
            while writers.try_join_next().is_some() {}
        }
        followed += usize::from(refreshed(&remat, &view).await?);
        if let Some(differs) = differs(&sql, story, ["public.p", "public.v"]).await? {
            return Err(differs);
        }
    }
    Ok(Played::Followed(followed))
}

/// Whether the refresh followed changes. A writer that locks tables in another order than the query may meet it in a
/// deadlock; what the server ended because of that is done again.
async fn refreshed(remat: &Remat, view: &View) -> Result<bool, Fault> {
    let run = loop {
        let run =
            remat.refresh(view, RefreshOptions::default()).await.map_err(|error| format!("{error:?}"))?;
        if run.error.as_ref().is_none_or(|error| error.sqlstate.as_deref() != Some("40P01")) {
            break run;
        }
    };
    if run.status != Status::Success {
        return Err(format!("{run:#?}"));
    }
    let reason = run.reason.clone().unwrap_or_default();
    if reason.contains("fail") {
        return Err(format!("a statement of the plan failed: {run:#?}"));
    }
    Ok(run.strategy.as_deref() == Some("incremental"))
}

/// Each statement in a transaction of its own, then all in one that is taken back, then all in one that stays.
async fn write(client: &Client, moment: &Moment) {
    let all = moment.work.join(";");
    let alone = moment.work.iter().filter(|statement| !statement.contains("savepoint")).cloned();
    let scripts = alone.chain([format!("begin; {all}; rollback"), format!("begin; {all}; commit")]);
    for script in scripts {
        if client.batch_execute(&script).await.is_err() {
            client.batch_execute("rollback").await.unwrap();
        }
    }
}
