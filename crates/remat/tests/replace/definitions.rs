//! New relations, new queries, other kinds, other names, and whose rights are used.

use remat::failure::FailureKind;
use remat::name::RelationName;
use remat::pg::catalog;
use remat::replace::NewRelation;
use remat::replace::preview;
use remat::view::RelationKind;

use super::{Place, SALES, deployed, ident, name, patience, queried, replace_in, session};

#[tokio::test]
async fn a_view_without_data_stays_so_and_reports_no_rows() {
    let place = Place::with(SALES).await;
    let empty = NewRelation { with_data: false, ..deployed(&name("mv")) };
    let done = place.replace(&name("mv"), &empty).await.unwrap();
    assert_eq!((done.rows, done.data_as_of), (None, None));
    assert_eq!(place.number("select relispopulated::int from pg_class where relname = 'mv'").await, 0);
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
