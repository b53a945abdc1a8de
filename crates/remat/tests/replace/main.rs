//! Replacing a relation under its readers: nothing that it carried is lost, what depends on it follows or is named,
//! and a failure leaves nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod carried;
mod definitions;
mod dependents;
mod readers;

use remat::{
    failure::Failure,
    migrate::migrate,
    name::{Identifier, RelationName},
    pg::{Session, Target, catalog},
    replace::{NewRelation, Replaced, Source, replace},
    view::{RelationKind, Settings},
};
use remat_testkit::TestDb;
use tokio_postgres::types::Type;

struct Place {
    db: TestDb,
    session: Session,
}

impl Place {
    async fn with(script: &str) -> Self {
        let db = TestDb::create().await;
        let session = session(&db.url()).await;
        migrate(&session).await.unwrap();
        db.execute(script).await;
        Self { db, session }
    }

    /// Replaces in a transaction of its own, which ends as the replacement did.
    async fn replace(&self, old: &RelationName, new: &NewRelation) -> Result<Replaced, Failure> {
        replace_in(&self.session, old, new).await
    }

    async fn swap(&self, name: &RelationName) -> Result<Replaced, Failure> {
        self.replace(name, &deployed(name)).await
    }

    async fn facts(&self, names: &[&str]) -> Vec<String> {
        let sql = include_str!("snapshot.sql");
        let rows = self.session.query(sql, &[(&names, Type::TEXT_ARRAY)]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn number(&self, query: &str) -> i64 {
        self.db.query_one_i64(query).await
    }

    async fn oid(&self, name: &str) -> i64 {
        self.number(&format!("select '{name}'::regclass::oid::bigint")).await
    }

    /// Names of relations that a replacement uses on its way.
    async fn leftovers(&self) -> i64 {
        self.number("select count(*) from pg_class where relname ~ '_remat_(.*_)?(new|old)$'").await
    }
}

async fn session(url: &str) -> Session {
    Target::resolve(Some(url), &|_| None).unwrap().connect().await.unwrap()
}

async fn replace_in(session: &Session, old: &RelationName, new: &NewRelation) -> Result<Replaced, Failure> {
    session.batch("begin isolation level read committed; set local search_path = public").await.unwrap();
    let old = catalog::relation_named(session, old).await.unwrap();
    let done = replace(session, &patience(), old.as_ref(), new, 7).await;
    session.batch(if done.is_ok() { "commit" } else { "rollback" }).await.unwrap();
    done
}

fn patience() -> Settings {
    Settings { lock_timeout_ms: 20, lock_budget_ms: 200, ..Settings::default() }
}

fn name(text: &str) -> RelationName {
    RelationName::new("public", text).unwrap()
}

fn ident(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

fn deployed(name: &RelationName) -> NewRelation {
    NewRelation {
        name: name.clone(),
        kind: RelationKind::Matview,
        source: Source::Deployed,
        owner: None,
        key: Vec::new(),
        indexes: Vec::new(),
        with_data: true,
    }
}

fn queried(name: &RelationName, kind: RelationKind, query: &str) -> NewRelation {
    NewRelation { kind, source: Source::Query(query.into()), ..deployed(name) }
}

const SALES: &str = "
    create table sale (id int primary key, shop text not null, total numeric(10,2), note text);
    insert into sale select i, 'shop ' || i % 7, i, repeat('x', i % 50) from generate_series(1, 1000) i;
    create materialized view mv as select id, shop, total, note from sale;";
