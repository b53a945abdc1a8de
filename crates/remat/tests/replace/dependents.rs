//! What depends on a relation follows it, or is named in a refusal.

use remat::failure::FailureKind;
use remat::view::RelationKind;

use super::{Place, SALES, name, queried};

const TREE: &str = "
    create view v1 with (security_barrier) as select id, total from mv where total > 10;
    create view v2 with (security_barrier) as select mv.id, v1.total, x.shop from mv join v1 using (id) left join mv x on x.id = mv.id;
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
async fn a_column_that_a_view_reads_cannot_go() {
    let place = Place::with(&format!("{SALES} create view v as select note from mv;")).await;
    let new = queried(&name("mv"), RelationKind::Matview, "select id from sale");
    let refused = place.replace(&name("mv"), &new).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Dependents);
    assert!(refused.complaint.detail.unwrap().contains("view public.v reads column note"));
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
