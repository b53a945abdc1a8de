//! What a relation carries is there after a replacement, whatever it is called.

use remat::name::RelationName;
use remat::pg::catalog;
use remat::replace::NewRelation;
use remat::replace::replace;
use remat::view::RelationKind;
use remat_testkit::TestDb;

use super::{Place, SALES, deployed, ident, name, patience, queried};

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
