//! A database that comes out of a dump: nothing that was known of it means anything there, and nothing is claimed.

use remat::{Remat, operation::RefreshOptions, run::Run, status::ViewStatus, view::View};
use remat_testkit::TestDb;
use tokio_postgres::{Client, NoTls};

use crate::{
    dump::{self, Way},
    fixture::{differences, following, refreshes_by},
    support::{self, App, PER_USER},
    victim::Victim,
};

/// A restored database.
struct Restored {
    remat: Remat,
    sql: Client,
    view: View,
}

impl Restored {
    async fn at(url: &str) -> Self {
        let (sql, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let remat = support::connect(url).await;
        remat.check_schema().await.unwrap();
        let view = remat.views().await.unwrap().remove(0);
        Self { remat, sql, view }
    }

    async fn status(&self) -> ViewStatus {
        self.remat.status().await.unwrap().remove(0)
    }

    async fn refreshed(&self) -> Run {
        let run = self.remat.refresh(&self.view, RefreshOptions::default()).await.unwrap();
        run.check().unwrap();
        assert_eq!(differences(&self.sql, &self.view).await, 0, "{run:#?}");
        assert!(self.remat.verify(&self.view).await.unwrap().equal, "{run:#?}");
        run
    }

    /// The first refresh runs the query, whether anybody wrote or not; then changes are followed again.
    async fn is_made_anew(&self) {
        let run = self.refreshed().await;
        assert_eq!(run.strategy.as_deref(), Some("merge"), "{:?}", run.reason);
        for user in 20..23 {
            self.sql.batch_execute(&format!("delete from sales where user_id = {user}")).await.unwrap();
            self.refreshed().await;
        }
        self.sql.batch_execute("update sales set cents = cents + 1 where user_id = 30").await.unwrap();
        assert_eq!(self.refreshed().await.strategy.as_deref(), Some("incremental"));
        assert_eq!(self.refreshed().await.strategy.as_deref(), Some("skip"));
    }
}

/// A database whose view follows changes, some of which wait to be followed.
async fn behind() -> (App, View) {
    let (app, view) = following(PER_USER).await;
    app.change_sales().await;
    refreshes_by(&app, &view, "incremental").await;
    app.db
        .execute("delete from sales where user_id < 5; insert into sales (user_id, cents) values (77, 7)")
        .await;
    (app, view)
}

#[tokio::test]
async fn a_dump_restored_into_the_same_cluster_is_made_anew() {
    let (app, _) = behind().await;
    if !dump::can(app.db.server()) {
        return;
    }
    for way in [Way::Script, Way::Archive] {
        let db = TestDb::create().await;
        dump::copy(app.db.server(), &app.db.url(), &db.url(), way);
        let restored = Restored::at(&db.url()).await;
        // The contents are older than the tables, and are not said to be younger than they were.
        let known = app.remat.status().await.unwrap().remove(0);
        assert_eq!(restored.status().await.data_as_of, known.data_as_of, "{way:?}");
        assert!(!restored.remat.verify(&restored.view).await.unwrap().equal);
        // Writers notice nothing, before anything of remat has run.
        restored.sql.batch_execute("insert into sales (user_id, cents) values (5000, 1)").await.unwrap();
        restored.is_made_anew().await;
    }
}

#[tokio::test]
async fn a_dump_restored_into_another_cluster_is_made_anew() {
    let (app, _) = behind().await;
    if !dump::can(app.db.server()) {
        return;
    }
    let victim = Victim::start("restore").await;
    dump::copy(app.db.server(), &app.db.url(), &victim.url(), Way::Archive);
    let restored = Restored::at(&victim.url()).await;
    let known = app.remat.status().await.unwrap().remove(0);
    assert_eq!(restored.status().await.data_as_of, known.data_as_of);
    restored.is_made_anew().await;
}

#[tokio::test]
async fn a_dump_restored_over_its_own_database_is_made_anew() {
    let (app, view) = behind().await;
    if !dump::can(app.db.server()) {
        return;
    }
    let saved = TestDb::create().await;
    dump::copy(app.db.server(), &app.db.url(), &saved.url(), Way::Script);
    refreshes_by(&app, &view, "incremental").await;
    app.db.execute("delete from sales where user_id = 7").await;
    dump::copy(app.db.server(), &saved.url(), &app.db.url(), Way::ArchiveOver);
    let restored = Restored::at(&app.db.url()).await;
    restored.is_made_anew().await;
}

#[tokio::test]
async fn a_database_made_from_another_as_its_template_is_made_anew() {
    let (app, _) = behind().await;
    let (name, url) = (format!("{}_copy", app.db.name()), app.db.server().url("postgres", ""));
    let App { db, remat, sql } = app;
    drop((remat, sql));
    let (postgres, connection) = tokio_postgres::connect(&format!("{url}postgres"), NoTls).await.unwrap();
    tokio::spawn(connection);
    let others = format!("select count(*) from pg_stat_activity where datname = '{}'", db.name());
    remat_testkit::wait_until("nobody is connected", async || {
        postgres.query_one(&others, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    postgres.batch_execute(&format!("create database {name} template {}", db.name())).await.unwrap();
    let restored = Restored::at(&format!("{url}{name}")).await;
    restored.is_made_anew().await;
    drop(restored);
    postgres.batch_execute(&format!("drop database {name} with (force)")).await.unwrap();
}
