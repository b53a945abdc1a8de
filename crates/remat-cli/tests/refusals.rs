//! Exit codes, the voice of errors, and what must never be shown.

#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use remat::name::RelationName;
use remat::view::Definition;
use support::{World, answer, assert_documented, definition};

#[tokio::test]
async fn an_unknown_view_is_told_with_a_hint_and_nothing_is_done() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    let told = world.run(&["refresh", "numbers", "nmbers"]);
    assert_eq!(told.code, 7, "{told:?}");
    assert_eq!(
        told.stderr,
        "error: view \"public.nmbers\" is not defined\n  hint: `remat status` lists the views; `remat apply` defines those of a project folder.\n"
    );
    assert_eq!(told.stdout, "");
    assert_eq!(world.json(&["runs", "--operation", "refresh"], 0)["runs"].as_array().unwrap().len(), 0);
    let document = world.json(&["refresh", "nmbers"], 7);
    assert_documented("error", &document);
    assert_eq!(
        world.json(&["refresh", "--tag", "nobody"], 7)["error"]["message"],
        "no view has the tag \"nobody\""
    );
    world.json(&["run", "4711"], 7);
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense_is_a_usage_error() {
    let world = World::unmigrated().await;
    for args in [
        &["refresh"][..],
        &["refresh", "a", "--all"],
        &["refresh", "a", "--strategy", "magic"],
        &["status", "a", "--tag", "b"],
        &["bench", "a", "--repeats", "0"],
        &["frobnicate"],
    ] {
        let told = world.run(args);
        assert_eq!((told.code, told.stdout.as_str()), (2, ""), "{args:?} {told:?}");
        let document = world.json(args, 2);
        assert_documented("error", &document);
        assert_eq!(document["error"]["kind"], "usage");
    }
}

#[tokio::test]
async fn a_name_that_no_database_can_hold_is_invalid() {
    let world = World::new().await;
    let long = "x".repeat(64);
    for name in [long.as_str(), "a.b.c", "\"open", ""] {
        assert_eq!(world.json(&["refresh", name], 4)["error"]["kind"], "invalid_definition", "{name}");
    }
}

#[tokio::test]
async fn delete_needs_yes_where_nobody_can_be_asked() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    world.db.execute("create view reader as select * from numbers").await;
    let told = world.run(&["delete", "numbers", "--cascade"]);
    assert_eq!(told.code, 6, "{told:?}");
    assert!(
        told.stderr.contains("public.numbers; view public.reader (depends on public.numbers)"),
        "{told:?}"
    );
    assert!(told.stderr.contains("hint: Pass --yes"), "{told:?}");
    assert_eq!(world.json(&["delete", "numbers"], 6)["error"]["kind"], "needs_confirmation");

    let refused = world.json(&["delete", "numbers", "--yes"], 1);
    assert_eq!(refused["runs"][0]["error"]["sqlstate"], "2BP01");
    let document = world.json(&["delete", "numbers", "--cascade", "--yes"], 0);
    assert_documented("refresh", &document);
    assert_eq!(
        world.db.query_one_i64("select count(*) from pg_class where relname in ('numbers', 'reader')").await,
        0
    );
    world.json(&["delete", "numbers", "--yes"], 1);
    assert_eq!(world.json(&["delete", "numbers", "--yes", "--if-exists"], 0)["runs"][0]["status"], "skipped");
}

#[tokio::test]
async fn a_failed_run_is_told_in_the_servers_voice() {
    let world = World::new().await;
    world.db.execute("create table divisors as select 1 as d").await;
    world.made("ratio", "select 1 / d as id from divisors").await;
    world.db.execute("update divisors set d = 0").await;
    let told = world.run(&["refresh", "ratio"]);
    assert_eq!(told.code, 1);
    assert!(
        told.stderr.starts_with("error: refresh of public.ratio failed: division by zero\n  hint: "),
        "{told:?}"
    );
    assert!(told.stdout.contains("failed"), "{told:?}");
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let world = World::new().await;
    let url = world.db.url().replace("postgres@", "nobody-here:hunter2@");
    let told = answer(world.command(&["status", "-vv"]).env("DATABASE_URL", &url));
    assert_eq!(told.code, 5, "{told:?}");
    assert!(told.stderr.contains("could not connect to nobody-here@127.0.0.1"), "{told:?}");
    assert!(!told.all().contains("hunter2"), "{told:?}");

    let told = world.run(&["status", "--database-url", &url]);
    assert_eq!(told.code, 4, "{told:?}");
    assert!(told.stderr.contains("hint: Put the URL into DATABASE_URL"), "{told:?}");
    assert!(!told.all().contains("hunter2"), "{told:?}");
    let broken =
        answer(world.command(&["status", "--json"]).env("DATABASE_URL", "postgres://u:hunter2@h:port/d"));
    assert_eq!(broken.code, 4, "{broken:?}");
    assert!(!broken.all().contains("hunter2"), "{broken:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_has_its_own_code() {
    let world = World::unmigrated().await;
    let told = answer(world.command(&["status", "--json"]).env("DATABASE_URL", "postgres://u@127.0.0.1:1/d"));
    assert_eq!(told.code, 5, "{told:?}");
    assert_documented("error", &told.json());
}

#[tokio::test]
async fn the_project_says_where_the_database_is() {
    let world = World::new().await;
    let settings = "[project]\nname = \"shop\"\n[database]\nurl_env = \"SHOP_URL\"\n";
    std::fs::write(world.dir.join("remat.toml"), settings).unwrap();
    let told = answer(world.command(&["status"]).env_remove("DATABASE_URL").env("SHOP_URL", world.db.url()));
    assert_eq!(told.code, 0, "{told:?}");
    let told = answer(world.command(&["status"]).env_remove("DATABASE_URL"));
    assert_eq!(told.code, 4, "{told:?}");
    assert!(told.stderr.starts_with("error: environment variable SHOP_URL is not set"), "{told:?}");
    let told = world.run(&["status", "--project", "elsewhere", "--database-url", &world.db.url()]);
    assert_eq!(told.code, 0, "a project that is not needed is not read: {told:?}");
}

#[tokio::test]
async fn hostile_names_go_through_and_cannot_move_the_cursor() {
    let world = World::new().await;
    world.db.execute("create schema \"My; Schema\"").await;
    for name in ["x'); drop table remat.runs; --", "quo\"te", "größe ünïcode", "\u{1b}[2J", "--all"] {
        let name = RelationName::new("My; Schema", name).unwrap();
        world.define(Definition::new(name.clone(), "select 1 as id")).await;
        let typed = name.to_string();
        assert_eq!(world.json(&["create", &typed], 0)["runs"][0]["view"], typed.as_str());
        assert_eq!(world.json(&["verify", &typed], 0)["views"][0]["equal"], true);
    }
    for command in [
        &["refresh", "--all"][..],
        &["status"],
        &["runs"],
        &["stats"],
        &["verify", "--all"],
        &["bench", "--all"],
    ] {
        let told = world.run(command);
        assert_eq!(told.code, 0, "{told:?}");
        assert!(!told.all().contains('\u{1b}'), "{told:?}");
        assert!(told.stdout.contains("größe ünïcode"), "{told:?}");
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    // More than a pipe holds, so that the writer meets the closed end.
    world.db.execute("update remat.runs set meta = jsonb_build_object('note', repeat('x', 500000))").await;
    let mut child =
        world.command(&["runs", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "{\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn colours_are_for_terminals_or_on_demand() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    assert!(!world.run(&["status"]).stdout.contains('\u{1b}'));
    assert!(world.run(&["status", "--color", "always"]).stdout.contains('\u{1b}'));
    let told = world.run(&["refresh", "unknown", "--color", "always"]);
    assert!(told.stderr.contains('\u{1b}'), "{told:?}");
}

#[tokio::test]
async fn quiet_keeps_reports_back_and_answers_not() {
    let world = World::new().await;
    world.define(definition("numbers", "select 1 as id")).await;
    assert_eq!(world.run(&["create", "numbers", "-q"]).all(), "");
    assert_eq!(world.run(&["refresh", "numbers", "-q"]).all(), "");
    assert!(world.run(&["status", "-q"]).stdout.contains("public.numbers"));
}

#[tokio::test]
async fn help_shows_the_exit_codes_and_scripts_are_printed() {
    let world = World::unmigrated().await;
    let help = world.run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("130  interrupted"), "{help:?}");
    assert!(world.run(&["completions", "bash"]).stdout.contains("_remat()"));
    assert!(world.run(&["man"]).stdout.contains(".TH remat 1"));
    let pages = world.json(&["man", "--dir", "pages"], 0);
    assert!(pages["files"].as_array().unwrap().contains(&"remat-refresh.1".into()), "{pages}");
}
