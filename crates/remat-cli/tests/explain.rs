//! `remat explain`, by the real program.

#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use remat::{
    name::Identifier,
    operation::{CreateOptions, RefreshOptions},
    view::{Definition, Strategy},
};
use serde_json::{Value, json};
use support::{World, assert_documented, definition};

const SALES: &str = "
create table users (id int primary key, name text not null);
create table sales (id int primary key, user_id int not null, cents int not null, at timestamptz not null);
insert into users select n, 'user ' || n from generate_series(1, 30) n;
insert into sales select n, 1 + n % 30, n % 11, now() - n * interval '1 hour' from generate_series(1, 300) n;
";

const BY_USER: &str = "select u.id as user_id, u.name, count(*) as n, sum(s.cents) as cents
  from sales s join users u on u.id = s.user_id where s.at > now() - interval '7 days' group by u.id, u.name";

async fn kept(world: &World, name: &str, query: &str, key: &str) {
    let key = vec![Identifier::new(key).unwrap()];
    let definition = Definition { strategy: Strategy::Merge, key, ..definition(name, query) };
    let view = world.define(definition).await;
    world.remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
}

async fn shop() -> World {
    let world = World::new().await;
    world.db.execute(SALES).await;
    world
}

fn only(document: &Value) -> &Value {
    let [view] = document["views"].as_array().unwrap().as_slice() else { panic!("{document}") };
    view
}

#[tokio::test]
async fn a_view_that_can_follow_changes_is_told_with_its_stages_and_sources() {
    let world = shop().await;
    kept(&world, "by_user", BY_USER, "user_id").await;
    let document = world.json(&["explain", "by_user"], 0);
    assert_documented("explain", &document);
    let view = only(&document);
    assert_eq!((&view["incremental"], &view["otherwise"]), (&json!(true), &json!("merge")));
    assert_eq!(view["refusal"], Value::Null);
    assert!(!view["stages"].as_array().unwrap().is_empty(), "{view}");
    let sources = view["sources"].as_array().unwrap();
    let columns = |table: &str| {
        let source = sources.iter().find(|source| source["table"] == format!("public.{table}")).unwrap();
        assert_eq!(source["captured"], json!(false));
        let mut columns: Vec<_> =
            source["columns"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        columns.sort();
        columns
    };
    assert_eq!(columns("sales"), ["at", "cents", "user_id"]);
    assert_eq!(columns("users"), ["id", "name"]);
}

#[tokio::test]
async fn indexes_are_advised_that_are_not_there() {
    let world = shop().await;
    kept(&world, "by_user", BY_USER, "user_id").await;
    let advised = |world: &World| -> Vec<String> {
        let document = world.json(&["explain", "by_user"], 0);
        let advice = only(&document)["advice"].as_array().unwrap().clone();
        advice.iter().map(|one| one["sql"].as_str().unwrap().to_owned()).collect()
    };
    let wanted = [
        r#"create index concurrently on "public"."sales" ("at")"#,
        r#"create index concurrently on "public"."sales" ("user_id")"#,
    ];
    assert_eq!(advised(&world), wanted);
    for statement in wanted {
        world.db.execute(statement).await;
    }
    assert_eq!(advised(&world), [""; 0]);
    world.db.execute("drop index sales_at_idx; analyze sales").await;
    assert_eq!(advised(&world), [""; 0], "a small table needs none");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_its_place_and_what_to_do() {
    let world = shop().await;
    let query = "select id,\n random() as r from users";
    kept(&world, "lots", query, "id").await;
    let document = world.json(&["explain", "lots"], 0);
    assert_documented("explain", &document);
    let view = only(&document);
    assert_eq!((&view["incremental"], &view["otherwise"]), (&json!(false), &json!("merge")));
    let refusal = &view["refusal"];
    assert_eq!((&refusal["code"], &refusal["construct"]), (&json!("R024"), &json!("random()")));
    assert_eq!(refusal["place"], json!({ "line": 2, "column": 5, "text": "random() AS r" }));
    let told = world.run(&["explain", "lots"]);
    assert_eq!(told.code, 0);
    for part in [
        "public.lots does not follow changes; the strategy merge serves it",
        "R024 random(): function \"random\" is volatile",
        "line 2, column 5: random() AS r",
        "hint: Compute it",
    ] {
        assert!(told.stdout.contains(part), "{part}\n{}", told.stdout);
    }
}

#[tokio::test]
async fn statements_are_shown_where_they_are_asked_for_and_the_server_reads_them() {
    let world = shop().await;
    kept(&world, "by_user", BY_USER, "user_id").await;
    let plain = world.run(&["explain", "by_user"]).stdout;
    assert!(
        plain.contains("public.by_user could follow changes in one stage; its strategy merge does not")
            && !plain.contains("insert into"),
        "{plain}"
    );
    let shown = world.run(&["explain", "by_user", "--sql"]).stdout;
    assert!(shown.starts_with(&plain.trim_end().to_owned()), "{shown}");
    assert!(shown.contains(r#"insert into "public"."by_user""#), "{shown}");
    assert!(shown.contains("\"changes of public.sales\""), "a log that is not there yet has a telling name");
}

#[tokio::test]
async fn what_stands_already_is_told_with_its_size_and_the_cost_of_the_statements() {
    let world = shop().await;
    kept(&world, "by_user", BY_USER, "user_id").await;
    let before = world.json(&["explain", "by_user"], 0);
    let view = only(&before);
    let nothing = (&view["wanted"], &view["hidden"][0]["bytes"], &view["stages"][0]["cost"]);
    assert_eq!(nothing, (&json!(false), &Value::Null, &Value::Null));

    let key = vec![Identifier::new("user_id").unwrap()];
    let followed = Definition { strategy: Strategy::Incremental, key, ..definition("followed", BY_USER) };
    let view = world.define(followed).await;
    world.remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    world.remat.refresh(&view, RefreshOptions::default()).await.unwrap().check().unwrap();
    let after = world.json(&["explain", "followed"], 0);
    assert_documented("explain", &after);
    let told = only(&after);
    assert_eq!((&told["wanted"], &told["obstacle"]), (&json!(true), &Value::Null));
    assert!(told["hidden"][0]["bytes"].as_i64().unwrap() > 0, "{told}");
    assert!(
        told["sources"].as_array().unwrap().iter().all(|source| source["captured"] == json!(true)),
        "{told}"
    );
    assert!(told["stages"][0]["cost"].as_f64().unwrap() > 0.0, "{told}");

    world.db.execute("alter table sales disable trigger all").await;
    let told = world.json(&["explain", "followed"], 0);
    let sources = only(&told)["sources"].as_array().unwrap();
    let sales = sources.iter().find(|source| source["table"] == "public.sales").unwrap();
    assert_eq!(sales["captured"], json!(false), "changes can pass the log by");
}

#[tokio::test]
async fn explain_changes_nothing_and_refuses_what_does_not_exist() {
    let world = shop().await;
    kept(&world, "by_user", BY_USER, "user_id").await;
    let state = "(select string_agg(c::text, ',' order by c.oid) from pg_class c)
                 || (select string_agg(r::text, ',' order by r.id) from remat.runs r)";
    let before = world.db.query_one_text(state).await;
    world.json(&["explain", "--all"], 0);
    assert_eq!(world.db.query_one_text(state).await, before);
    world.define(definition("absent", "select 1 as id")).await;
    let absent = world.run(&["explain", "absent"]);
    assert_ne!(absent.code, 0);
    assert!(absent.stderr.contains("remat create public.absent"), "{}", absent.stderr);
}

#[tokio::test]
async fn a_materialized_view_is_explained_too() {
    let world = shop().await;
    world.made("plain", "select s.user_id, count(*) as n from sales s group by s.user_id").await;
    let document = world.json(&["explain", "plain"], 0);
    assert_documented("explain", &document);
    let view = only(&document);
    assert_eq!((&view["strategy"], &view["otherwise"]), (&json!("auto"), &json!("auto")));
}
