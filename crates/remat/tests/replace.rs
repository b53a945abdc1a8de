//! Replacing a relation under its readers: nothing that it carried is lost, what depends on it follows or is named,
//! and a failure leaves nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use remat::{
    failure::{Failure, FailureKind},
    migrate::migrate,
    name::{Identifier, RelationName},
    pg::{Session, Target, catalog},
    replace::{NewRelation, Replaced, Source, preview, replace},
    view::{RelationKind, Settings},
};
use remat_testkit::{TestDb, wait_until};
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
        let sql = include_str!("replace/snapshot.sql");
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

fn rich(db: &TestDb) -> String {
    let (owner, reader, third) =
        (format!("{}_owner", db.name()), format!("{}_reader", db.name()), format!("{}_third", db.name()));
    format!(
        "create role {owner}; create role {reader}; create role {third};
         grant create, usage on schema public to {owner};
         create table sale (id int primary key, shop text not null, total numeric(10,2), note text);
         insert into sale select i, 'shop ' || i % 7, i, repeat('x', i % 50) from generate_series(1, 1000) i;
         grant select on sale to {owner};
         create materialized view mv with (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off)
             as select id, shop, total, note from sale;
         alter materialized view mv owner to {owner};
         alter default privileges for role {owner} grant select on tables to {third};
         grant select on mv to {reader} with grant option;
         grant update (total), select (note) on mv to {third};
         grant select (shop) on mv to public;
         revoke truncate on mv from {owner};
         set role {reader}; grant select on mv to {owner}; reset role;
         comment on materialized view mv is 'it''s a \\ \"view\"';
         comment on column mv.total is 'cents; -- no';
         create unique index mv_id on mv (id) with (fillfactor = 80);
         create index mv_expr on mv (lower(shop) text_pattern_ops desc nulls last, (total * 2)) include (note)
             where total > 5;
         create index mv_coll on mv using btree (shop collate \"C\");
         create index mv_gin on mv using gin (to_tsvector('simple', note));
         create unique index \"mv Odd\"\"Name\" on mv (shop, id) nulls not distinct;
         comment on index mv_expr is 'an index';
         alter index mv_expr alter column 2 set statistics 321;
         cluster mv using mv_id;
         alter materialized view mv alter column total set statistics 77;
         alter materialized view mv alter column shop set (n_distinct = -0.5);
         alter materialized view mv alter column note set storage external;
         alter materialized view mv alter column note set compression pglz;
         create statistics mv_stat (ndistinct, mcv) on shop, total from mv;
         create schema other;
         create statistics other.mv_expr_stat on (total * 2), lower(shop) from mv;
         alter statistics mv_stat set statistics 55;
         comment on statistics mv_stat is 'extended';
         alter statistics mv_stat owner to {owner};
         analyze mv;"
    )
}

#[tokio::test]
async fn a_swap_keeps_everything_that_the_view_carried() {
    let place = Place::with("").await;
    place.db.execute(&rich(&place.db)).await;
    let (before, oid) = (place.facts(&["mv"]).await, place.oid("mv").await);
    place.db.execute("insert into sale values (1001, 'new', 1, null)").await;
    let done = place.swap(&name("mv")).await.unwrap();
    assert_eq!(place.facts(&["mv"]).await, before);
    assert!(before.len() >= 30, "the snapshot sees too little: {before:#?}");
    assert_eq!(done.rows, Some(1001));
    assert_eq!(place.number("select count(*) from mv").await, 1001);
    assert_ne!(place.oid("mv").await, oid);
    assert_eq!(done.notes, Vec::<String>::new());
    assert_eq!(place.leftovers().await, 0);
}

#[tokio::test]
async fn an_invalid_index_comes_back_valid() {
    let place = Place::with(SALES).await;
    let spoil = "create index i on mv (shop); update pg_index set indisvalid = false where indexrelid = 'i'::regclass";
    place.db.execute(spoil).await;
    place.swap(&name("mv")).await.unwrap();
    assert_eq!(
        place.number("select count(*) from pg_index where indexrelid = 'i'::regclass and indisvalid").await,
        1
    );
}

#[tokio::test]
async fn a_view_without_data_stays_so_and_reports_no_rows() {
    let place = Place::with(SALES).await;
    let empty = NewRelation { with_data: false, ..deployed(&name("mv")) };
    let done = place.replace(&name("mv"), &empty).await.unwrap();
    assert_eq!((done.rows, done.data_as_of), (None, None));
    assert_eq!(place.number("select relispopulated::int from pg_class where relname = 'mv'").await, 0);
}

const TREE: &str = "
    create view v1 with (security_barrier) as select id, total from mv where total > 10;
    create view v2 as select mv.id, v1.total, x.shop from mv join v1 using (id) left join mv x on x.id = mv.id;
    create view v3 as select count(*) from v2;
    create materialized view m1 with (fillfactor = 60) as select shop, sum(total) as total from mv group by shop;
    create unique index m1_shop on m1 (shop);
    create view on_m1 as select m1.shop from m1;
    create materialized view m2 as select m1.shop, mv.id, v1.total from m1 join mv using (shop) join v1 using (id);
    create materialized view m_empty as select id from mv with no data;
    comment on view v1 is 'over'; comment on column v2.id is 'id'; comment on materialized view m1 is 'm1';
    grant select on v1 to public; grant select (id), update on v2 to public; grant select on m1, m2 to public;
    alter view v1 alter column total set default 5;
    create function write() returns trigger language plpgsql as 'begin return null; end';
    create trigger write_v2 instead of insert on v2 for each row execute function write();
    create rule nothing as on delete to v1 do instead nothing;";

const TREE_NAMES: [&str; 8] = ["mv", "v1", "v2", "v3", "m1", "on_m1", "m2", "m_empty"];

#[tokio::test]
async fn dependents_of_every_kind_follow_a_swap_with_what_they_carried() {
    let place = Place::with(&format!("{SALES}{TREE} analyze;")).await;
    let before = place.facts(&TREE_NAMES).await;
    let (v1, v2) = (place.oid("v1").await, place.oid("v2").await);
    let (m1, on_m1) = (place.oid("m1").await, place.oid("on_m1").await);
    place
        .db
        .execute("update sale set shop = 'moved'; insert into sale values (2000, 'moved', 50, 'n')")
        .await;
    let done = place.swap(&name("mv")).await.unwrap();
    assert_eq!(place.facts(&TREE_NAMES).await, before);
    assert_eq!(
        (place.oid("v2").await, place.oid("on_m1").await),
        (v2, on_m1),
        "plain views keep their identity"
    );
    assert_ne!((place.oid("m1").await, place.oid("v1").await), (m1, v1));
    let rebuilt: Vec<_> = done.rebuilt.iter().map(|rebuilt| rebuilt.name.name.as_str()).collect();
    assert_eq!(rebuilt, ["v1", "m1", "m_empty", "m2"].as_slice());
    assert_eq!(i64::from(done.rebuilt.iter().find(|r| r.name.name.as_str() == "m1").unwrap().old_oid), m1);
    assert_eq!(place.number("select count(*) from m1 where shop = 'moved'").await, 1);
    assert_eq!(place.number("select count(*) from on_m1").await, 1);
    assert_eq!(place.number("select count from v3").await, 991);
    assert_eq!(place.number("select count(*) from m2").await, 991);
    assert_eq!(place.leftovers().await, 0);
    let scratch = "select count(*) from pg_views where definition ~ '_remat_'";
    assert_eq!(place.number(scratch).await, 0);
    place.swap(&name("mv")).await.unwrap();
    assert_eq!(place.facts(&TREE_NAMES).await, before, "a second swap changes as little as the first");
}

#[tokio::test]
async fn what_cannot_follow_is_refused_by_name() {
    let place = Place::with(&format!(
        "{SALES} create function shops() returns bigint language sql
         begin atomic select count(distinct shop) from mv; end;
         create function row_type(mv) returns int language sql as 'select 1';"
    ))
    .await;
    let refused = place.swap(&name("mv")).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Dependents);
    assert_eq!(refused.complaint.sqlstate.as_deref(), Some("2BP01"));
    let detail = refused.complaint.detail.unwrap();
    assert!(
        detail.contains("function public.shops()") && detail.contains("function public.row_type(public.mv)"),
        "{detail}"
    );
    assert_eq!(place.leftovers().await, 0);
}

#[tokio::test]
async fn what_hangs_on_a_view_that_stays_itself_is_no_obstacle() {
    let place = Place::with(&format!(
        "{SALES} create view v as select id from mv;
         create function over_v() returns bigint language sql begin atomic select count(*) from v; end;"
    ))
    .await;
    place.swap(&name("mv")).await.unwrap();
    assert_eq!(place.number("select over_v()").await, 1000);
}

#[tokio::test]
async fn hostile_names_go_through_a_whole_swap() {
    let long = format!("{}a", "é".repeat(31));
    let names = ["we\"ird; drop table x --", "Ünï🦀 \\ .'$remat$ %I\n", long.as_str(), "select"];
    for hostile in names {
        let relation = RelationName::new(hostile, hostile).unwrap();
        let (view, sql) = (relation.to_sql(), relation.schema.to_sql());
        let place = Place::with(&format!(
            "create schema {sql}; create materialized view {view} as select 1 as {sql};"
        ))
        .await;
        place.db.execute(&format!(
            "create unique index i on {view} ({sql}); create statistics {view} on {sql}, ({sql} + 1) from {view};
             comment on column {view}.{sql} is '{view_comment}';
             create view {sql}.over as select a.{sql} from {view} a;
             create materialized view {sql}.m as select {view}.{sql} from {view};",
            view_comment = view.replace('\'', "''"),
        )).await;
        let watched = [view.clone(), format!("{sql}.over"), format!("{sql}.m")];
        let watched: Vec<_> = watched.iter().map(String::as_str).collect();
        let before = place.facts(&watched).await;
        place.swap(&relation).await.unwrap();
        let after: Vec<_> = place.facts(&watched).await;
        let without_planner = |facts: Vec<String>| -> Vec<String> {
            facts.into_iter().filter(|fact| !fact.starts_with("planner")).collect()
        };
        assert_eq!(without_planner(after), without_planner(before), "{hostile}");
        assert_eq!(place.leftovers().await, 0);
    }
}

#[tokio::test]
async fn two_names_that_agree_in_62_bytes_swap_in_one_transaction() {
    let [one, other] = ["a", "b"].map(|last| name(&format!("{}{last}", "x".repeat(62))));
    let script = [&one, &other].map(|view| {
        let (view, index) = (view.to_sql(), view.name.to_sql().replacen('x', "y", 1));
        format!(
            "create materialized view {view} as select 1 as a; create unique index {index} on {view} (a);"
        )
    });
    let place = Place::with(&script.concat()).await;
    place.session.batch("begin; set local search_path = public").await.unwrap();
    for view in [&one, &other] {
        let old = catalog::relation_named(&place.session, view).await.unwrap();
        replace(&place.session, &patience(), old.as_ref(), &deployed(view), 1).await.unwrap();
    }
    place.session.batch("commit").await.unwrap();
    assert_eq!(place.leftovers().await, 0);
}

#[tokio::test]
async fn a_reader_that_holds_its_transaction_is_named_and_nothing_is_left_behind() {
    let place = Place::with(&format!("{SALES} create view v as select id from mv;")).await;
    let before = (place.oid("mv").await, place.facts(&["mv", "v"]).await);
    for read in ["mv", "v"] {
        let reader = place.db.connect().await;
        reader
            .batch_execute(&format!("set application_name = 'the reader'; begin; select from {read}"))
            .await
            .unwrap();
        let failed = place.swap(&name("mv")).await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::LockTimeout, "{failed:?}");
        assert!(failed.complaint.detail.unwrap().contains("the reader"));
        assert_eq!(place.leftovers().await, 0);
        reader.batch_execute("commit").await.unwrap();
    }
    assert_eq!((place.oid("mv").await, place.facts(&["mv", "v"]).await), before);
    place.swap(&name("mv")).await.unwrap();
}

#[tokio::test]
async fn a_reader_of_a_dependent_does_not_make_the_swap_block_other_readers() {
    let place = Place::with(&format!("{SALES} create view v as select id from mv;")).await;
    let holder = place.db.connect().await;
    holder.batch_execute("begin; lock table only v in access share mode").await.unwrap();
    let pid: i32 = holder.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let other = session(&place.db.url()).await;
    let patient = Settings { lock_timeout_ms: 20, lock_budget_ms: 60_000, ..Settings::default() };
    let swap = tokio::spawn(async move {
        other.batch("begin; set local search_path = public").await.unwrap();
        let old = catalog::relation_named(&other, &name("mv")).await.unwrap();
        let done = replace(&other, &patient, old.as_ref(), &deployed(&name("mv")), 1).await;
        other.batch("commit").await.unwrap();
        done
    });
    let waits = format!(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and {pid} = any (pg_blocking_pids(pid))"
    );
    wait_until("the swap waits for the reader", async || place.number(&waits).await > 0).await;
    let reader = place.db.connect().await;
    reader.batch_execute("set statement_timeout = '1s'").await.unwrap();
    // long enough for several attempts at the lock
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(500) {
        reader.query("select count(*) from mv", &[]).await.unwrap();
    }
    holder.batch_execute("commit").await.unwrap();
    let done = swap.await.unwrap().unwrap();
    assert!(done.lock_wait.as_millis() >= 20);
}

#[tokio::test]
async fn readers_in_a_loop_never_see_an_error_or_an_empty_view() {
    let place = Place::with(&format!(
        "{SALES} create view v as select id from mv; create materialized view m as select id from mv;"
    ))
    .await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut readers = Vec::new();
    for relation in ["mv", "v", "m"] {
        let client = place.db.connect().await;
        let stopped = stopped.clone();
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !*stopped.borrow() {
                let row = client.query_one(&format!("select count(*) from {relation}"), &[]).await.unwrap();
                assert!(row.get::<_, i64>(0) >= 1000);
                reads += 1;
            }
            reads
        }));
    }
    for extra in 0..10 {
        place.db.execute(&format!("insert into sale values ({}, 'new', 1, null)", 5000 + extra)).await;
        let settings = Settings { lock_timeout_ms: 20, lock_budget_ms: 30_000, ..Settings::default() };
        place.session.batch("begin; set local search_path = public").await.unwrap();
        let old = catalog::relation_named(&place.session, &name("mv")).await.unwrap();
        replace(&place.session, &settings, old.as_ref(), &deployed(&name("mv")), 1).await.unwrap();
        place.session.batch("commit").await.unwrap();
    }
    stop.send(true).unwrap();
    for reader in readers {
        assert!(reader.await.unwrap() > 10);
    }
    assert_eq!(place.number("select count(*) from m").await, 1010);
}

#[tokio::test]
async fn a_grant_given_during_the_build_ends_the_swap_instead_of_being_lost() {
    let place = Place::with(&format!(
        "create function slow() returns int language sql as 'select 1 from (select pg_advisory_xact_lock_shared(42)) x';
         {SALES} create materialized view slowly as select slow() as one;"
    ))
    .await;
    let gate = place.db.connect().await;
    gate.batch_execute("begin; select pg_advisory_xact_lock(42)").await.unwrap();
    let other = session(&place.db.url()).await;
    let swap =
        tokio::spawn(async move { replace_in(&other, &name("slowly"), &deployed(&name("slowly"))).await });
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    wait_until("the build waits", async || place.number(waits).await == 1).await;
    place.db.execute("grant select on slowly to public").await;
    gate.batch_execute("commit").await.unwrap();
    let failed = swap.await.unwrap().unwrap_err();
    assert_eq!(failed.kind, FailureKind::Serialization, "{failed:?}");
    assert_eq!(place.leftovers().await, 0);
}

#[tokio::test]
async fn a_new_query_keeps_what_fits_and_says_what_does_not() {
    let place = Place::with(&format!(
        "{SALES} create index gone on mv (lower(note)); create index stays on mv (shop);
         comment on column mv.total is 'cents'; grant select on mv to public;
         create view v as select id, total from mv; create view vv as select total from v;"
    ))
    .await;
    let query = "select id, shop, total::float8 as total, 1 as more from sale -- the end";
    let new = queried(&name("mv"), RelationKind::Matview, query);
    let done = place.replace(&name("mv"), &new).await.unwrap();
    assert_eq!(done.notes, ["index gone was dropped: the query no longer has its column note"]);
    let facts = place.facts(&["mv", "v", "vv"]).await.join(
        "
",
    );
    for kept in ["column vv.total double precision", "comment on mv part 3: cents", "stays ON public.mv"] {
        assert!(facts.contains(kept), "{kept} is not in {facts}");
    }
    assert!(facts.contains("grants SELECT to public on mv"));
}

#[tokio::test]
async fn a_column_that_a_view_reads_cannot_go() {
    let place = Place::with(&format!("{SALES} create view v as select note from mv;")).await;
    let new = queried(&name("mv"), RelationKind::Matview, "select id from sale");
    let refused = place.replace(&name("mv"), &new).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Dependents);
    assert!(refused.complaint.detail.unwrap().contains("view public.v reads column note"));
}

#[tokio::test]
async fn a_view_becomes_a_managed_table_and_a_view_again() {
    let place = Place::with(&format!(
        "{SALES} grant select on mv to public; comment on materialized view mv is 'sales';
         create index by_shop on mv (shop); create view v as select id, total from mv;"
    ))
    .await;
    let view = place.oid("v").await;
    let table = NewRelation {
        key: vec![ident("id")],
        ..queried(&name("mv"), RelationKind::Table, "select id, shop, total, note from sale")
    };
    let done = place.replace(&name("mv"), &table).await.unwrap();
    assert_eq!(done.rows, Some(1000));
    let facts = place.facts(&["mv"]).await.join(
        "
",
    );
    for expected in [
        "constraint mv_remat_key PRIMARY KEY (id)",
        "by_shop ON public.mv",
        "comment on mv part 0: sales",
        "grants SELECT to public",
        "trigger CREATE TRIGGER remat_guard",
    ] {
        assert!(facts.contains(expected), "{expected} is not in {facts}");
    }
    let refused = place.db.connect().await.batch_execute("delete from mv").await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().code().code(), "42809");
    place.db.execute("begin; set local remat.writing = 'on'; delete from mv where id = 1; commit").await;
    assert_eq!(place.number("select count(*) from v").await, 999);
    // its defining view refills it
    place
        .db
        .execute("alter table mv alter note set storage external; alter table mv alter id set statistics 9")
        .await;
    let again = NewRelation { kind: RelationKind::Table, ..deployed(&name("mv")) };
    let before = place.facts(&["mv", "v"]).await;
    assert_eq!(place.replace(&name("mv"), &again).await.unwrap().rows, Some(1000));
    assert_eq!(place.facts(&["mv", "v"]).await, before);
    let back = NewRelation { kind: RelationKind::Matview, ..table };
    place.replace(&name("mv"), &back).await.unwrap();
    let facts = place.facts(&["mv"]).await.join(
        "
",
    );
    assert!(facts.contains("INDEX mv_remat_key") && !facts.contains("constraint"), "{facts}");
    assert_eq!(place.oid("v").await, view);
    assert_eq!(
        place.number("select count(*) from pg_class where relnamespace = 'remat_query'::regnamespace").await,
        0
    );
}

#[tokio::test]
async fn a_first_relation_is_made_with_its_key_and_indexes() {
    let place = Place::with("create table t as select 1 as a, 2 as b").await;
    let indexes =
        serde_json::from_str(r#"[{"columns": ["b", "a"]}, {"columns": ["b"], "method": "hash"}]"#).unwrap();
    let new = NewRelation {
        key: vec![ident("a")],
        indexes,
        ..queried(&name("first"), RelationKind::Matview, "select a, b from t;".trim_end_matches(';'))
    };
    let done = place.replace(&name("first"), &new).await.unwrap();
    assert_eq!((done.rows, place.oid("first").await), (Some(1), i64::from(done.oid)));
    let facts = place.facts(&["first"]).await.join(
        "
",
    );
    assert!(facts.contains("CREATE UNIQUE INDEX first_remat_key ON public.first USING btree (a)"), "{facts}");
    assert!(facts.contains("USING btree (b, a)") && facts.contains("USING hash (b)"), "{facts}");
    // the definition drops one index and keeps the other; a swap of what is deployed keeps both
    place.swap(&name("first")).await.unwrap();
    assert_eq!(
        place.facts(&["first"]).await.join(
            "
"
        ),
        facts
    );
    let fewer = NewRelation { indexes: new.indexes[..1].to_vec(), ..new };
    place.replace(&name("first"), &fewer).await.unwrap();
    let facts = place.facts(&["first"]).await.join(
        "
",
    );
    assert!(facts.contains("USING btree (b, a)") && !facts.contains("USING hash"), "{facts}");
}

#[tokio::test]
async fn the_query_runs_with_the_rights_of_the_owner() {
    let place =
        Place::with("create table secret as select 1 as a; grant create on schema public to public;").await;
    let owner = place.db.create_role("owner").await;
    for kind in [RelationKind::Matview, RelationKind::Table] {
        let new = NewRelation {
            owner: Some(ident(&owner)),
            key: vec![ident("a")],
            ..queried(&name("open"), kind, "select a, current_user::text as who from secret")
        };
        let refused = place.replace(&name("open"), &new).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::PermissionDenied);
        place.db.execute(&format!("grant select on secret to {owner}")).await;
        place.replace(&name("open"), &new).await.unwrap();
        assert_eq!(place.db.query_one_text("select who from open").await, owner);
        let facts = place.facts(&["open"]).await.join(
            "
",
        );
        assert!(facts.contains(&format!("owner {owner}")), "{facts}");
        place.db.execute(&format!("revoke select on secret from {owner}")).await;
    }
    let role = place.session.query_one("select current_user::text", &[]).await.unwrap();
    assert_eq!(role.get::<_, String>(0), "postgres");
}

#[tokio::test]
async fn a_preview_lists_the_statements_and_runs_none() {
    let place = Place::with(&format!("{SALES} create view v as select id from mv;")).await;
    let before = place.oid("mv").await;
    place.session.batch("begin").await.unwrap();
    let old = catalog::relation_named(&place.session, &name("mv")).await.unwrap();
    let new = queried(&name("mv"), RelationKind::Matview, "select id from public.sale");
    let statements = preview(&place.session, &patience(), old.as_ref(), &new, 1).await.unwrap();
    place.session.batch("rollback").await.unwrap();
    let text = statements.join(
        ";
",
    );
    for expected in
        ["materialized view \"public\".\"mv_remat_new\"", "do 'begin alter view", "drop materialized view"]
    {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert_eq!((place.oid("mv").await, place.leftovers().await), (before, 0));
}

#[tokio::test]
async fn a_change_of_owner_takes_the_grants_along() {
    let place = Place::with(&format!("{SALES} grant select on mv to public;")).await;
    let owner = place.db.create_role("owner").await;
    place
        .db
        .execute(&format!("grant create on schema public to {owner}; grant select on sale to {owner}"))
        .await;
    let query = "select id, shop, total, note from sale";
    let new =
        NewRelation { owner: Some(ident(&owner)), ..queried(&name("mv"), RelationKind::Matview, query) };
    place.replace(&name("mv"), &new).await.unwrap();
    let facts = place.facts(&["mv"]).await.join("\n");
    assert!(facts.contains(&format!("{owner} grants SELECT to public on mv")), "{facts}");
    assert!(facts.contains(&format!("{owner} grants TRUNCATE to {owner}")), "{facts}");
    assert!(!facts.contains("postgres"), "{facts}");
}

#[tokio::test]
async fn an_owner_who_is_no_superuser_can_swap() {
    let place = Place::with(&format!("{SALES} create view v as select id from mv;")).await;
    let owner = place.db.create_role("owner").await;
    place
        .db
        .execute(&format!(
            "grant create on schema public to {owner}; grant select on sale to {owner};
             alter materialized view mv owner to {owner}; alter view v owner to {owner};"
        ))
        .await;
    let before = place.facts(&["mv", "v"]).await;
    let theirs = session(&place.db.role_url(&owner)).await;
    replace_in(&theirs, &name("mv"), &deployed(&name("mv"))).await.unwrap();
    let facts: Vec<_> = place.facts(&["mv", "v"]).await;
    assert_eq!(facts.iter().filter(|fact| !fact.starts_with("planner")).count(), before.len());
}

#[tokio::test]
async fn a_plain_view_becomes_a_materialized_one_and_takes_another_name() {
    let place = Place::with(
        "create view plain with (security_barrier) as select 1 as a; grant select on plain to public;
         create view over as select plain.a from plain; create schema elsewhere;",
    )
    .await;
    let renamed = RelationName::new("elsewhere", "solid").unwrap();
    let new = queried(&renamed, RelationKind::Matview, "select 1 as a");
    place.replace(&name("plain"), &new).await.unwrap();
    let facts = place.facts(&["elsewhere.solid"]).await.join("\n");
    assert!(facts.contains("elsewhere.solid m") && facts.contains("SELECT to public"), "{facts}");
    assert_eq!(place.number("select a from over").await, 1);
    assert_eq!(place.number("select (to_regclass('plain') is null)::int").await, 1);
}

#[tokio::test]
async fn what_hangs_on_a_managed_table_is_refused_one_by_one() {
    let place = Place::with(
        "create table t as select 1 as a; alter table t add primary key (a), add check (a > 0);
         create table child (a int references t); create publication p for table t;
         create policy only_mine on t using (true); create rule r as on delete to t do nothing;
         create function f() returns trigger language plpgsql as 'begin return null; end';
         create trigger mine before insert on t for each row execute function f();
         alter table t alter a set default 5; create table heir () inherits (t);",
    )
    .await;
    let again = queried(&name("t"), RelationKind::Table, "select 1 as a");
    let refused = place.replace(&name("t"), &again).await.unwrap_err();
    let detail = refused.complaint.detail.unwrap();
    for what in [
        "constraint t_a_check",
        "constraint child_a_fkey",
        "publication",
        "policy only_mine",
        "rule r on",
        "trigger mine",
        "default value",
        "table public.heir",
    ] {
        assert!(detail.contains(what), "{what} is not in: {detail}");
    }
    let theirs = place.db.connect().await;
    theirs
        .batch_execute(
            "create materialized view m as select 1 as a; create temp view mine as select a from m",
        )
        .await
        .unwrap();
    let refused = place.swap(&name("m")).await.unwrap_err();
    assert!(refused.complaint.detail.unwrap().contains("mine"));
}

#[tokio::test]
async fn tablespaces_and_extensions_stay() {
    let place = Place::with("").await;
    let space = format!("{}_space", place.db.name());
    let made = place.db.connect().await;
    made.batch_execute("set allow_in_place_tablespaces = on").await.unwrap();
    made.batch_execute(&format!("create tablespace {space} location ''")).await.unwrap();
    place
        .db
        .execute(&format!(
            "create materialized view mv tablespace {space} as select 1 as a;
             create index near on mv (a); create index far on mv (a) tablespace {space};
             alter materialized view mv depends on extension plpgsql; analyze mv;"
        ))
        .await;
    let before = place.facts(&["mv"]).await;
    assert!(before.iter().any(|fact| fact.contains("goes with extension plpgsql")));
    let swapped = place.swap(&name("mv")).await;
    let after = place.facts(&["mv"]).await;
    place.db.execute("drop materialized view mv").await;
    place.db.execute(&format!("drop tablespace {space}")).await;
    swapped.unwrap();
    assert_eq!(after, before);
}

#[tokio::test]
async fn default_privileges_add_nothing_and_grants_of_grantees_keep_their_grantor() {
    let place = Place::with(SALES).await;
    let (one, two) = (place.db.create_role("one").await, place.db.create_role("two").await);
    place
        .db
        .execute(&format!(
            "analyze mv; alter default privileges in schema public grant all on tables to {two};
             alter default privileges grant select on tables to public;"
        ))
        .await;
    let untouched = place.facts(&["mv"]).await;
    place.swap(&name("mv")).await.unwrap();
    assert_eq!(place.facts(&["mv"]).await, untouched);
    place
        .db
        .execute(&format!(
            "grant select on mv to {one} with grant option; revoke all on mv from postgres;
             set role {one}; grant select on mv to {two}; grant select on mv to public; reset role;"
        ))
        .await;
    let granted = place.facts(&["mv"]).await;
    place.swap(&name("mv")).await.unwrap();
    assert_eq!(place.facts(&["mv"]).await, granted);
}
