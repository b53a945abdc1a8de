//! A project folder through `plan` and `apply`.

#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use serde_json::{Value, json};
use support::{World, assert_documented};

fn write(world: &World, path: &str, text: &str) {
    let path = world.dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

async fn shop() -> World {
    let world = World::new().await;
    let job = "[[job]]\nname = \"nightly\"\nschedule = \"@daily\"\ntag = \"sales\"\n";
    write(&world, "remat.toml", &format!("[project]\nname = \"shop\"\n{job}"));
    write(&world, "views/daily.sql", "/* remat\ntags = [\"sales\"]\n*/\nselect 1 as id");
    world
}

#[tokio::test]
async fn a_project_is_planned_applied_and_then_at_rest() {
    let world = shop().await;
    let plan = world.json(&["plan"], 0);
    assert_documented("plan", &plan);
    assert_eq!(
        (&plan["steps"][0]["action"], &plan["steps"][0]["view"]),
        (&json!("create"), &json!("public.daily"))
    );
    let dry = world.json(&["apply", "--dry-run"], 0);
    assert_eq!(dry, plan);
    assert_eq!(world.json(&["status"], 0)["views"], json!([]));

    let applied = world.json(&["apply"], 0);
    assert_documented("apply", &applied);
    assert_documented("refresh", &json!({ "runs": [applied["applied"][0]["run"]] }));
    assert_eq!(applied["jobs"], json!([{"action": "create", "job": "nightly"}]));
    assert_eq!(world.json(&["plan"], 0), json!({ "steps": [], "jobs": [], "queues": [], "alerts": [] }));
    assert_eq!(world.run(&["plan"]).stdout, "the database matches the project\n");
    world.json(&["refresh", "--tag", "sales"], 0);
}

#[tokio::test]
async fn the_sql_of_a_plan_is_shown_on_demand() {
    let world = shop().await;
    let plan = world.json(&["plan", "--sql"], 0);
    let statements = plan["sql"][0]["statements"].as_array().unwrap();
    assert!(statements.iter().any(|sql| sql.as_str().unwrap().contains("select 1 as id")), "{plan}");
    let told = world.run(&["plan", "--sql"]);
    assert!(told.stdout.contains("create public.daily (strategy auto)\n"), "{told:?}");
    assert!(told.stdout.contains("-- public.daily\n"), "{told:?}");
}

#[tokio::test]
async fn a_removal_needs_yes() {
    let world = shop().await;
    world.json(&["apply"], 0);
    std::fs::remove_file(world.dir.join("views/daily.sql")).unwrap();
    let told = world.run(&["apply"]);
    assert_eq!(told.code, 6, "{told:?}");
    assert!(told.stderr.contains("The relation public.daily is dropped"), "{told:?}");
    assert_eq!(world.json(&["status"], 0)["views"][0]["state"], "ok");
    let applied = world.json(&["apply", "--yes"], 0);
    assert_eq!(applied["applied"][0]["action"], "remove");
    assert_eq!(world.json(&["status"], 0)["views"], json!([]));
}

#[tokio::test]
async fn a_changed_query_is_shown_line_by_line() {
    let world = shop().await;
    world.json(&["apply"], 0);
    write(&world, "views/daily.sql", "/* remat\ntags = [\"sales\"]\n*/\nselect 2 as id");
    let told = world.run(&["plan"]);
    assert!(told.stdout.contains("- select 1 as id\n"), "{told:?}");
    assert!(told.stdout.contains("+ select 2 as id\n"), "{told:?}");
    world.json(&["apply"], 0);
    assert_eq!(world.db.query_one_i64("select id from daily").await, 2);
}

#[tokio::test]
async fn a_step_that_fails_is_told_and_the_jobs_stay() {
    let world = shop().await;
    write(&world, "views/daily.sql", "select missing from nowhere");
    let applied = world.json(&["apply"], 1);
    assert_eq!(
        (&applied["applied"][0]["run"]["error"]["sqlstate"], &applied["jobs"]),
        (&json!("42P01"), &json!([]))
    );
}

#[tokio::test]
async fn a_folder_that_is_no_project_or_has_a_faulty_file_is_invalid() {
    let world = World::new().await;
    let told = world.json(&["plan"], 4);
    assert_eq!(told["error"]["message"], "there is no remat.toml in the current directory");
    write(&world, "remat.toml", "[project]\nname = \"shop\"\n");
    write(&world, "views/two.sql", "select 1; drop table remat.runs");
    let told = world.json(&["apply", "--project", "."], 4);
    assert!(told["error"]["message"].as_str().unwrap().starts_with("views/two.sql:1"), "{told}");
    assert_eq!(told["error"]["kind"], Value::from("invalid_definition"));
}
