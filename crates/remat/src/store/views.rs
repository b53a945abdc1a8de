//! `remat.views` and its versions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::{Row, types::Type};

use crate::{
    error::{Error, ErrorKind},
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName},
    pg::{
        Session,
        catalog::{Relation, identifier},
    },
    replace::Rebuilt,
    view::{Definition, MadeRelation, Pause, View},
};

const COLUMNS: &str = "id, schema_name, view_name, query, strategy, key_columns, indexes, schedule, schedule_zone,
    target_lag_s, row_count, settings, tags, owner_role, description, version, relation_oid, relation_fingerprint,
    case when pause is null or (pause->>'until')::timestamptz <= clock_timestamp() then null else pause end,
    dispatch, publish, strict";

/// Every view that is not retired, by name.
pub async fn all(session: &Session) -> Result<Vec<View>, Error> {
    let sql =
        format!("select {COLUMNS} from remat.views where retired_at is null order by schema_name, view_name");
    session.query(&sql, &[]).await?.iter().map(from_row).collect()
}

/// The views of a project, and those of other origin that it names.
pub async fn of_project(
    session: &Session,
    project: &str,
    named: &[RelationName],
) -> Result<Vec<View>, Error> {
    let sql = format!(
        "select {COLUMNS} from remat.views
         where  retired_at is null
         and    (project = $1 or (schema_name, view_name) in (select * from unnest($2::text[], $3::text[])))
         order  by schema_name, view_name"
    );
    let in_schemas: Vec<&str> = named.iter().map(|name| name.schema.as_str()).collect();
    let with_names: Vec<&str> = named.iter().map(|name| name.name.as_str()).collect();
    let params = [
        (&project as _, Type::TEXT),
        (&in_schemas as _, Type::TEXT_ARRAY),
        (&with_names as _, Type::TEXT_ARRAY),
    ];
    session.query(&sql, &params).await?.iter().map(from_row).collect()
}

/// The id of the view of a name, also when it is retired.
pub async fn id_of(session: &Session, name: &RelationName) -> Result<i64, Failure> {
    let sql = "select id from remat.views where schema_name = $1 and view_name = $2";
    let (schema, name) = (name.schema.as_str(), name.name.as_str());
    Ok(session.query_one(sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await?.get(0))
}

/// The project that defines a view, if one does.
pub async fn project_of(session: &Session, name: &RelationName) -> Result<Option<String>, Error> {
    let sql = "select nullif(project, '') from remat.views
               where schema_name = $1 and view_name = $2 and retired_at is null";
    let (schema, name) = (name.schema.as_str(), name.name.as_str());
    let row = session.query_opt(sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await?;
    Ok(row.and_then(|row| row.get(0)))
}

/// Views in managed tables that read a view, through whatever lies between.
pub async fn managed_readers(session: &Session, view_id: i64) -> Result<Vec<RelationName>, Failure> {
    let sql = "select v.schema_name, v.view_name
               from   remat.reads() r join remat.views v on v.id = r.view_id
               where  r.reads_id = $1 and v.program is not null
               order  by v.schema_name, v.view_name";
    let rows = session.query(sql, &[(&view_id, Type::INT8)]).await?;
    rows.iter()
        .map(|row| Ok(RelationName { schema: identifier(row.get(0))?, name: identifier(row.get(1))? }))
        .collect()
}

/// Which views read which others.
pub async fn reads(session: &Session) -> Result<BTreeMap<RelationName, Vec<RelationName>>, Error> {
    let sql = "select v.schema_name, v.view_name, u.schema_name, u.view_name
               from   remat.reads() r join remat.views v on v.id = r.view_id join remat.views u on u.id = r.reads_id";
    let mut reads: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in session.query(sql, &[]).await? {
        let name = |at| RelationName::new(row.get::<_, String>(at), row.get::<_, String>(at + 1));
        reads.entry(name(0)?).or_default().push(name(2)?);
    }
    Ok(reads)
}

/// The view of a name, retired ones left out.
pub async fn find(session: &Session, name: &RelationName) -> Result<Option<View>, Error> {
    let sql = format!(
        "select {COLUMNS} from remat.views where schema_name = $1 and view_name = $2 and retired_at is null"
    );
    let (schema, name) = (name.schema.as_str(), name.name.as_str());
    let row = session.query_opt(&sql, &[(&schema, Type::TEXT), (&name, Type::TEXT)]).await?;
    row.as_ref().map(from_row).transpose()
}

/// The view of a name, or an error that says how to define it.
pub async fn get(session: &Session, name: &RelationName) -> Result<View, Error> {
    find(session, name).await?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("view \"{name}\" is not defined"))
            .with_hint("`remat status` lists the views; `remat apply` defines those of a project folder.")
    })
}

/// The view with this id, unless it is retired.
pub async fn by_id(session: &Session, view_id: i64) -> Result<Option<View>, Failure> {
    let sql = format!("select {COLUMNS} from remat.views where id = $1 and retired_at is null");
    let row = session.query_opt(&sql, &[(&view_id, Type::INT8)]).await?;
    Ok(row.as_ref().map(from_row).transpose()?)
}

/// The view with this id as it stands now, or with another definition in place of its own.
pub async fn standing(
    session: &Session,
    view_id: i64,
    definition: Option<&Definition>,
) -> Result<View, Failure> {
    let view = by_id(session, view_id).await?.ok_or_else(retired)?;
    Ok(match definition {
        Some(definition) => View { definition: definition.clone(), ..view },
        None => view,
    })
}

/// The views with these ids as they stand now, each or why there is none, in the order of the ids.
pub(crate) async fn all_standing(
    session: &Session,
    view_ids: &[i64],
) -> Result<Vec<Result<View, Failure>>, Failure> {
    let sql = format!("select {COLUMNS} from remat.views where id = any($1) and retired_at is null");
    let rows = session.query(&sql, &[(&view_ids, Type::INT8_ARRAY)]).await?;
    let views: Vec<View> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    let standing = |id: &i64| views.iter().find(|view| view.id == *id).cloned().ok_or_else(retired);
    Ok(view_ids.iter().map(standing).collect())
}

fn retired() -> Failure {
    Failure::new(FailureKind::UndefinedObject, "the view is not defined any more")
        .with_hint("Somebody retired it; define it again.")
}

/// The views in an order in which each comes after those that it reads.
pub async fn refresh_order(session: &Session, view_ids: &[i64]) -> Result<Vec<i64>, Failure> {
    let sql = "select remat.refresh_order($1)";
    Ok(session.query_one(sql, &[(&view_ids, Type::INT8_ARRAY)]).await?.get(0))
}

/// Writes a definition: inserts it, revives a retired one, or makes a new version of the one that is there.
/// A definition that did not change keeps its version. Without a project, the view stays with the one that it has.
pub async fn save(session: &Session, definition: &Definition, project: Option<&str>) -> Result<View, Error> {
    let d = definition;
    let keys: Vec<&str> = d.key.iter().map(Identifier::as_str).collect();
    let (indexes, settings, dispatch) = (to_json(&d.indexes), to_json(&d.settings), to_json(&d.dispatch));
    let (strategy, row_count) = (d.strategy.as_str(), d.row_count.as_str());
    let (schema, name) = (d.name.schema.as_str(), d.name.name.as_str());
    let owner = d.owner.as_ref().map(Identifier::as_str);
    let (fingerprint, whole) = (d.fingerprint(), to_json(d));
    let params = [
        (&schema as _, Type::TEXT),
        (&name as _, Type::TEXT),
        (&d.query as _, Type::TEXT),
        (&strategy as _, Type::TEXT),
        (&keys as _, Type::TEXT_ARRAY),
        (&indexes as _, Type::JSONB),
        (&d.schedule as _, Type::TEXT),
        (&d.schedule_zone as _, Type::TEXT),
        (&d.target_lag_s as _, Type::INT8),
        (&row_count as _, Type::TEXT),
        (&settings as _, Type::JSONB),
        (&d.tags as _, Type::TEXT_ARRAY),
        (&owner as _, Type::TEXT),
        (&d.description as _, Type::TEXT),
        (&fingerprint as _, Type::TEXT),
        (&whole as _, Type::JSONB),
        (&project as _, Type::TEXT),
        (&dispatch as _, Type::JSONB),
    ];
    session.execute(include_str!("save_view.sql"), &params).await?;
    get(session, &d.name).await
}

/// Notes what stands in the database after a create, or that nothing does.
pub async fn set_relation(
    session: &Session,
    view_id: i64,
    relation: Option<&Relation>,
) -> Result<(), Failure> {
    let sql =
        "update remat.views set relation_oid = $2, relation_fingerprint = remat.relation_fingerprint($2),
                      system_identifier = (select system_identifier from pg_catalog.pg_control_system())
               where id = $1";
    let oid = relation.map(|relation| relation.oid);
    session.execute(sql, &[(&view_id, Type::INT8), (&oid, Type::OID)]).await.map(drop)
}

/// Notes the new object ids of views that were rebuilt because what they read was replaced.
pub async fn follow(session: &Session, rebuilt: &[Rebuilt]) -> Result<(), Failure> {
    let sql =
        "update remat.views set relation_oid = $2, relation_fingerprint = remat.relation_fingerprint($2)
               where relation_oid = $1";
    for Rebuilt { old_oid, new_oid, .. } in rebuilt {
        session.execute(sql, &[(old_oid, Type::OID), (new_oid, Type::OID)]).await?;
    }
    Ok(())
}

/// The views whose relation stands in the database.
pub async fn with_relation(session: &Session) -> Result<Vec<i64>, Failure> {
    let sql = "select v.id from remat.views v join pg_catalog.pg_class c on c.oid = v.relation_oid";
    Ok(session.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// Notes of these views that nothing stands under their name, where that is so.
pub async fn forget_dropped(session: &Session, view_ids: &[i64]) -> Result<(), Failure> {
    let sql = "update remat.views v set relation_oid = null, relation_fingerprint = null, program = null
               where  v.id = any($1)
               and    not exists (select from pg_catalog.pg_class c where c.oid = v.relation_oid)";
    session.execute(sql, &[(&view_ids, Type::INT8_ARRAY)]).await.map(drop)
}

/// Keeps the statements of a view's merge for the SQL interface.
pub async fn set_program(session: &Session, view_id: i64, program: Option<&Value>) -> Result<(), Failure> {
    let sql = "update remat.views set program = $2 where id = $1";
    session.execute(sql, &[(&view_id, Type::INT8), (&program, Type::JSONB)]).await.map(drop)
}

/// Gives the view another name; its runs and versions stay with it. A retired view that had the name gives it up.
pub async fn rename(session: &Session, view_id: i64, to: &RelationName) -> Result<(), Failure> {
    let retired = "update remat.views set view_name = 'retired ' || id
                   where schema_name = $1 and view_name = $2 and retired_at is not null";
    let taken = (to.schema.as_str(), to.name.as_str());
    session.execute(retired, &[(&taken.0, Type::TEXT), (&taken.1, Type::TEXT)]).await?;
    let sql = "update remat.views set schema_name = $2, view_name = $3, updated_at = clock_timestamp() where id = $1";
    let (schema, name) = (to.schema.as_str(), to.name.as_str());
    let params = [(&view_id as _, Type::INT8), (&schema as _, Type::TEXT), (&name as _, Type::TEXT)];
    session.execute(sql, &params).await.map(drop)
}

/// Takes the view out of every list; its runs stay.
pub async fn retire(session: &Session, view_id: i64) -> Result<(), Failure> {
    let sql =
        "update remat.views set retired_at = clock_timestamp(), updated_at = clock_timestamp() where id = $1";
    session.execute(sql, &[(&view_id, Type::INT8)]).await.map(drop)
}

/// Pauses a view, or lets it go on.
pub async fn set_pause(session: &Session, view_id: i64, pause: Option<&Pause>) -> Result<(), Failure> {
    let sql = "update remat.views set pause = $2, updated_at = clock_timestamp() where id = $1";
    let pause = pause.map(to_json);
    session.execute(sql, &[(&view_id, Type::INT8), (&pause, Type::JSONB)]).await.map(drop)
}

fn to_json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("definitions serialize")
}

fn from_row(row: &Row) -> Result<View, Error> {
    let keys: Vec<String> = row.get(5);
    let oid: Option<u32> = row.get(16);
    let fingerprint: Option<String> = row.get(17);
    let definition = Definition {
        strategy: row.get::<_, &str>(4).parse()?,
        key: keys.into_iter().map(Identifier::new).collect::<Result<_, _>>()?,
        indexes: from_json(row.get(6))?,
        schedule: row.get(7),
        schedule_zone: row.get(8),
        target_lag_s: row.get(9),
        row_count: row.get::<_, &str>(10).parse()?,
        settings: from_json(row.get(11))?,
        tags: row.get(12),
        owner: row.get::<_, Option<String>>(13).map(Identifier::new).transpose()?,
        description: row.get(14),
        dispatch: from_json(row.get(19))?,
        strict: row.get("strict"),
        publish: row.get::<_, Option<Value>>("publish").map(from_json).transpose()?,
        ..Definition::new(
            RelationName::new(row.get::<_, String>(1), row.get::<_, String>(2))?,
            row.get::<_, String>(3),
        )
    };
    Ok(View {
        id: row.get(0),
        definition,
        version: row.get(15),
        relation: oid.zip(fingerprint).map(|(oid, fingerprint)| MadeRelation { oid, fingerprint }),
        pause: row.get::<_, Option<Value>>(18).map(from_json).transpose()?,
    })
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| {
        Error::new(ErrorKind::Schema, format!("a row of remat.views cannot be read: {error}"))
    })
}

/// One version of a view's definition.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// Counts the changes, from 1.
    pub version: i32,
    /// The whole definition, as it was written then.
    pub definition: Value,
    /// Equal where nothing that matters differs.
    pub fingerprint: String,
    /// When it was written.
    pub changed_at: Timestamp,
    /// By which role of the database.
    pub changed_by: String,
}

/// Versions of a view, the newest first: those before the one given, at most `limit`.
pub async fn versions(
    session: &Session,
    view_id: i64,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<Version>, Failure> {
    let sql = "select version, definition, fingerprint, changed_at, changed_by from remat.view_versions
               where  view_id = $1 and ($2::int4 is null or version < $2)
               order  by version desc limit $3";
    let params = [(&view_id as _, Type::INT8), (&before as _, Type::INT4), (&limit as _, Type::INT8)];
    let version = |row: &Row| Version {
        version: row.get(0),
        definition: row.get(1),
        fingerprint: row.get(2),
        changed_at: row.get(3),
        changed_by: row.get(4),
    };
    Ok(session.query(sql, &params).await?.iter().map(version).collect())
}

/// What the contents of a view depend on, as `remat.basis` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// None where it cannot be told, as with any table that others write.
    pub now: Option<String>,
    /// Since when the contents provably equal the query.
    pub unchanged_since: Option<Timestamp>,
}

/// Reads the basis of a view. Whoever keeps it with a run reads it before the query runs; whoever concludes from it that
/// the contents are new as of a time takes that time before.
pub async fn basis(session: &Session, view_id: i64) -> Result<Basis, Failure> {
    let sql = "select basis, since from remat.unchanged($1)";
    let row = session.query_one(sql, &[(&view_id, Type::INT8)]).await?;
    Ok(Basis { now: row.get(0), unchanged_since: row.get(1) })
}
