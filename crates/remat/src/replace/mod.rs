//! Builds a new relation beside the old one and lets it take the name.
//!
//! Law: it all happens in the transaction that the caller has begun, so readers see the old relation or the new one
//! and a failure leaves nothing. The long work is done before any lock that a reader would notice; under the lock only
//! the catalog changes. Whatever the old relation carried the new one carries, which is read back and compared; a
//! change that somebody made meanwhile ends the replacement instead of being undone by it. Views over the relation
//! follow; if something else depends on it, it is refused with its name.
//!
//! It commits nothing, takes no advisory lock, and does not touch `remat.views`: [`Replaced::rebuilt`] names what has a
//! new object id.

mod build;
mod carry;
mod dependents;
mod follow;
mod layout;
mod picture;
mod run;
mod script;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::types::Type;

pub use build::{NewRelation, Source};
pub use script::Phase;

use self::{
    build::Contents,
    carry::Column,
    layout::{Found, Layout},
    picture::Picture,
    run::{Home, Runner},
};
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName},
    pg::{
        Session,
        catalog::{self, Relation},
        lock::patiently,
    },
    view::{RelationKind, Settings},
};

/// What a replacement did.
#[derive(Clone, Debug, PartialEq)]
pub struct Replaced {
    /// The object id of the new relation.
    pub oid: u32,
    /// Its rows; none when it was made without data.
    pub rows: Option<u64>,
    /// The contents are at least as new as this; none when it was made without data.
    pub data_as_of: Option<Timestamp>,
    /// Time in attempts to get the lock that failed.
    pub lock_wait: Duration,
    /// What could not be carried, as sentences without a full stop.
    pub notes: Vec<String>,
    /// Where the time went.
    pub phases: Vec<(Phase, Duration)>,
    /// Dependents that were replaced, too.
    pub rebuilt: Vec<Rebuilt>,
}

/// A dependent view that is another object now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Its name, which it kept.
    pub name: RelationName,
    /// The object id that it had.
    pub old_oid: u32,
    /// The object id that it has.
    pub new_oid: u32,
}

/// Makes `new` and lets it take its name from `old`, which goes. The transaction must be READ COMMITTED, with the
/// settings of the view set in it. `view_id` names the defining view of a managed table.
pub async fn replace(
    session: &Session,
    settings: &Settings,
    old: Option<&Relation>,
    new: &NewRelation,
    view_id: i64,
) -> Result<Replaced, Failure> {
    let home = Home::of(session).await?;
    let picture = picture(session, old).await?;
    let layout = lay_out(session, settings, picture.as_ref(), new, view_id, &home).await?;
    let script = layout.script(&settings.search_path, &home.user);
    let mut runner = Runner::new(session, home);
    for (phase, step) in &script.build {
        runner.run(*phase, step).await?;
    }
    let new_oids = check_carried(session, &layout).await?;
    let lock_wait = match (&picture, script.lock()) {
        (Some(picture), Some(lock)) => {
            let waited = lock_in(session, settings, picture, &[lock], &mut runner).await?;
            let locked = Instant::now();
            picture.check_unchanged(session, &new_oids).await?;
            runner.note(Phase::Swap, locked.elapsed());
            waited
        }
        _ => Duration::ZERO,
    };
    for step in &script.swap {
        runner.run(Phase::Swap, step).await?;
    }
    runner.run(Phase::Swap, &script::search_path(&settings.search_path)).await?;
    Ok(report(runner, &layout, &new_oids, lock_wait))
}

/// The statements that [`replace`] would run. It needs the same transaction, which the caller rolls back.
pub async fn preview(
    session: &Session,
    settings: &Settings,
    old: Option<&Relation>,
    new: &NewRelation,
    view_id: i64,
) -> Result<Vec<String>, Failure> {
    let home = Home::of(session).await?;
    let picture = picture(session, old).await?;
    let layout = lay_out(session, settings, picture.as_ref(), new, view_id, &home).await?;
    Ok(layout.script(&settings.search_path, &home.user).statements(&home.user))
}

async fn picture(session: &Session, old: Option<&Relation>) -> Result<Option<Picture>, Failure> {
    match old {
        Some(old) => Picture::take(session, old.oid).await.map(Some),
        None => Ok(None),
    }
}

/// Asks the server what the decisions need, and decides.
async fn lay_out(
    session: &Session,
    settings: &Settings,
    picture: Option<&Picture>,
    new: &NewRelation,
    view_id: i64,
    home: &Home,
) -> Result<Layout, Failure> {
    let inherited_owner = picture.map(|picture| picture.carried.owner.clone());
    let owner = new.owner.clone().or(inherited_owner).unwrap_or_else(|| home.user.clone());
    let columns = match (&new.source, picture) {
        (Source::Query(query), Some(_)) => Some(probe(session, settings, query, &new.name, &owner).await?),
        _ => None,
    };
    let defining_view = catalog_name("remat_query", &format!("v{view_id}"))?;
    let contents = contents(session, settings, picture, new, &defining_view).await?;
    let mut layout =
        Layout::new(Found { new, picture, columns: columns.as_deref(), contents, owner, defining_view })?;
    for built in layout.built_mut() {
        built.default_grantees =
            carry::default_grantees(session, &built.carried.owner, &built.name.schema).await?;
    }
    Ok(layout)
}

async fn contents(
    session: &Session,
    settings: &Settings,
    picture: Option<&Picture>,
    new: &NewRelation,
    defining_view: &RelationName,
) -> Result<Contents, Failure> {
    Ok(match (&new.source, new.kind) {
        (Source::Query(query), RelationKind::Matview) => Contents::Pinned(query.clone()),
        (Source::Query(query), RelationKind::Table) => {
            Contents::Defined { view: defining_view.derived("new"), query: Some(query.clone()) }
        }
        (Source::Deployed, RelationKind::Table) => {
            Contents::Defined { view: defining_view.clone(), query: None }
        }
        (Source::Deployed, RelationKind::Matview) => {
            let picture = picture.ok_or_else(|| {
                Failure::new(FailureKind::Drifted, format!("\"{}\" does not stand in the database", new.name))
            })?;
            Contents::Pinned(deployed_query(session, settings, picture.oid).await?)
        }
    })
}

/// The query in the database, printed under the search path under which it will be parsed again.
async fn deployed_query(session: &Session, settings: &Settings, oid: u32) -> Result<String, Failure> {
    set_path(session, &settings.search_path).await?;
    let row = session.query_one("select pg_catalog.pg_get_viewdef($1)", &[(&oid, Type::OID)]).await?;
    set_path(session, &[]).await?;
    let query =
        row.get::<_, Option<String>>(0).ok_or_else(|| picture::vanished("the relation to be replaced"))?;
    Ok(query.trim_end().trim_end_matches(';').to_owned())
}

/// The columns that a query gives, from a view that is made and taken back.
async fn probe(
    session: &Session,
    settings: &Settings,
    query: &str,
    name: &RelationName,
    owner: &Identifier,
) -> Result<Vec<Column>, Failure> {
    session.batch("savepoint remat_probe").await?;
    let mut runner = Runner::new(session, Home::of(session).await?);
    runner.run(Phase::Build, &script::Step::Become(owner.clone())).await?;
    set_path(session, &settings.search_path).await?;
    let scratch = name.derived("new");
    session.execute(&format!("create view {} as\n{query}\n", scratch.to_sql()), &[]).await?;
    set_path(session, &[]).await?;
    let made = catalog::relation_named(session, &scratch).await?;
    let oids: Vec<u32> = made.iter().map(|relation| relation.oid).collect();
    let read = carry::read(session, &oids).await?.pop();
    session.batch("rollback to savepoint remat_probe; release savepoint remat_probe").await?;
    read.map(|(_, _, carried)| carried.columns)
        .ok_or_else(|| Failure::new(FailureKind::Other, "the columns of the query cannot be read"))
}

/// Reads back what was built and compares; gives the new object ids in the order of [`Layout::built`].
async fn check_carried(session: &Session, layout: &Layout) -> Result<Vec<u32>, Failure> {
    catalog::print_full_names(session).await?;
    let mut oids = Vec::new();
    for built in layout.built() {
        let made = catalog::relation_named(session, &built.scratch).await?;
        oids.push(made.map_or(0, |relation| relation.oid));
    }
    let read = carry::read(session, &oids).await?;
    for (built, oid) in layout.built().zip(&oids) {
        let given = read.iter().find(|(made, ..)| made == oid).map(|(.., given)| given);
        let missing =
            given.map_or_else(|| vec!["everything".into()], |given| built.carried.missing_in(given));
        if !missing.is_empty() {
            let primary = format!("the replacement of \"{}\" does not carry everything", built.name);
            return Err(Failure::new(FailureKind::Other, primary)
                .with_detail(format!("It differs in: {}.", missing.join(", "))));
        }
    }
    Ok(oids)
}

async fn lock_in(
    session: &Session,
    settings: &Settings,
    picture: &Picture,
    lock: &[String],
    runner: &mut Runner<'_>,
) -> Result<Duration, Failure> {
    let started = Instant::now();
    let waited = patiently(session, settings, picture.oid, lock).await?;
    runner.note(Phase::Lock, started.elapsed());
    Ok(waited)
}

fn report(runner: Runner<'_>, layout: &Layout, new_oids: &[u32], lock_wait: Duration) -> Replaced {
    let rebuilt = layout.dependents.iter().zip(&new_oids[1..]).filter_map(|(built, new_oid)| {
        let old_oid = built.old.as_ref()?.oid;
        Some(Rebuilt { name: built.name.clone(), old_oid, new_oid: *new_oid })
    });
    Replaced {
        oid: new_oids[0],
        rebuilt: rebuilt.collect(),
        rows: runner.rows,
        data_as_of: runner.data_as_of,
        lock_wait,
        notes: layout.notes.clone(),
        phases: runner.phases,
    }
}

async fn set_path(session: &Session, schemas: &[Identifier]) -> Result<(), Failure> {
    match script::search_path(schemas) {
        script::Step::Sql(sql) => session.execute(&sql, &[]).await.map(drop),
        _ => Ok(()),
    }
}

fn catalog_name(schema: &str, name: &str) -> Result<RelationName, Failure> {
    Ok(RelationName { schema: catalog::identifier(schema.into())?, name: catalog::identifier(name.into())? })
}
