//! The HTTP interface: the real listener over a real database.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/http.rs"]
mod http;
#[path = "support/service.rs"]
mod service_of_a_world;
#[path = "support/site.rs"]
mod site;
mod support;

use std::thread;

use http::Ask;
use remat::{access::Role, name::RelationName, view::Definition};
use remat_testkit::wait_until;
use serde_json::{Value, json};
use site::Site;
use support::World;

#[tokio::test]
async fn the_committed_document_is_that_of_this_program() {
    let world = World::new().await;
    let printed = world.run(&["openapi"]);
    let committed = include_str!("../../../docs/openapi.json");
    assert!(
        printed.stdout.trim() == committed.trim(),
        "docs/openapi.json is not what `remat openapi` prints; write it anew"
    );
}

/// A request to each operation of the document, which finds nothing where it could find something.
fn operations(document: &Value) -> Vec<(Ask, Role)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["security"][0]["token"][0].as_str().unwrap().parse().unwrap();
            let path = path.replace("{run}", "999999999").replace("{view}", "nothing");
            let path = path.replace("{job}", "nothing").replace("{name}", "nothing");
            found.push((Ask::new(&method.to_uppercase(), &path), role));
        }
    }
    found
}

#[tokio::test]
async fn each_role_may_what_the_document_says_and_nothing_else() {
    let site = Site::start(&[]).await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((*role, site.token(role.as_str(), *role).await));
    }
    let document = site.get("/api/v1/openapi.json", &tokens[0].1);
    let operations = operations(&document);
    assert!(operations.len() > 35, "{}", operations.len());
    for (ask, needed) in &operations {
        assert_eq!(site.ask(ask).status, 401, "{ask:?}");
        for (role, token) in &tokens {
            let reply = site.ask(&ask.clone().token(token));
            if role.may(*needed) {
                assert!(
                    ![401, 403].contains(&reply.status) && reply.status < 500,
                    "{role} {ask:?}: {reply:?}"
                );
            } else {
                assert_eq!(reply.status, 403, "{role} {ask:?}: {reply:?}");
                assert_eq!(reply.json()["type"], "urn:remat:problem:forbidden");
            }
        }
    }
    // What the document leaves out: itself, and what is not there.
    for path in ["/api/v1/openapi.json", "/api/v1/nothing", "/api/v2/views", "/api"] {
        assert_eq!(site.ask(&Ask::get(path)).status, 401, "{path}");
    }
    site.served.drained().await;
}

async fn made_in(site: &Site, schema: &str, name: &str) {
    site.world.db.execute(&format!("create schema if not exists {schema}")).await;
    let name = RelationName::new(schema, name).unwrap();
    let tags = vec!["all".to_owned()];
    let view = site.world.define(Definition { tags, ..Definition::new(name, "select 1 as id") }).await;
    site.world
        .remat
        .create(&view, remat::operation::CreateOptions::default())
        .await
        .unwrap()
        .check()
        .unwrap();
}

#[tokio::test]
async fn a_token_of_some_schemas_sees_nothing_of_the_others() {
    let site = Site::start(&["--queues", "nobody"]).await;
    made_in(&site, "sales", "daily").await;
    made_in(&site, "people", "wages").await;
    let token = site.scoped("seller", Role::Editor, &["sales"]).await;
    let all = site.token("boss", Role::Admin).await;
    let run =
        site.json(Ask::post("/api/v1/views/people.wages/refresh"), &all, 202)["enqueued"][0]["run"].clone();

    assert_eq!(site.get("/api/v1/views", &token)["views"].as_array().unwrap().len(), 1);
    assert_eq!(site.get("/api/v1/stats", &token)["views"].as_array().unwrap().len(), 1);
    assert_eq!(site.get("/api/v1/health", &token)["views"]["ok"], 1);
    for path in ["", "/explain", "/versions", "/dependents"] {
        let unseen = site.json(Ask::get(&format!("/api/v1/views/people.wages{path}")), &token, 404);
        assert_eq!(unseen["title"], "view \"people.wages\" is not defined");
        site.get(&format!("/api/v1/views/sales.daily{path}"), &token);
    }
    for path in ["refresh", "create", "pause", "resume", "verify"] {
        site.json(Ask::post(&format!("/api/v1/views/people.wages/{path}")), &token, 404);
    }
    site.json(Ask::new("DELETE", "/api/v1/views/people.wages"), &token, 404);
    let definition = json!({ "query": "select 1 as id" });
    site.json(Ask::new("PUT", "/api/v1/views/people.mine").json(&definition), &token, 404);
    site.json(Ask::get("/api/v1/runs?view=people.wages"), &token, 404);
    site.json(Ask::get(&format!("/api/v1/runs/{run}")), &token, 404);
    site.json(Ask::post(&format!("/api/v1/runs/{run}/cancel")), &token, 404);
    assert_eq!(site.get(&format!("/api/v1/runs/{run}"), &all)["status"], "pending", "nobody cancelled it");

    let tagged = site.json(Ask::post("/api/v1/refresh").json(&json!({ "tag": "all" })), &token, 202);
    assert_eq!(tagged["enqueued"].as_array().unwrap().len(), 1, "{tagged}");
    let beyond = json!({ "all": true, "with_upstream": true });
    site.json(Ask::post("/api/v1/refresh").json(&beyond), &token, 403);
    for list in ["runs", "audit"] {
        let seen = site.get(&format!("/api/v1/{list}"), &token).to_string();
        assert!(seen.contains("sales.daily") && !seen.contains("wages"), "{seen}");
    }
    site.served.drained().await;
}

#[tokio::test]
async fn a_definition_is_previewed_written_changed_and_deleted() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Editor).await;
    let put = |query: &str, definition: &Value| {
        Ask::new("PUT", &format!("/api/v1/views/numbers{query}")).json(definition)
    };
    let definition = json!({ "query": "select n from generate_series(1, 3) n", "tags": ["a"] });
    let preview = site.json(put("?dry_run=true", &definition), &token, 200);
    assert_eq!((&preview["steps"][0]["action"], &preview["applied"]), (&json!("create"), &Value::Null));
    assert!(preview["sql"].to_string().contains("create materialized view"), "{preview}");
    site.json(Ask::get("/api/v1/views/numbers"), &token, 404);

    let made = site.json(put("", &definition), &token, 200);
    assert_eq!(made["applied"][0]["run"]["status"], "success", "{made}");
    let one = site.get("/api/v1/views/public.numbers", &token);
    assert_eq!(
        (&one["version"], &one["exists"], &one["status"]["state"]),
        (&json!(1), &json!(true), &json!("ok"))
    );
    // What was shown may be sent back, and changes nothing.
    let again = site.json(put("", &one["definition"]), &token, 200);
    assert_eq!(again["steps"], json!([]));

    let changed = json!({ "query": "select n from generate_series(1, 4) n" });
    site.json(put("", &changed), &token, 200);
    let versions = site.get("/api/v1/views/numbers/versions?limit=1", &token);
    assert_eq!(versions["versions"][0]["definition"]["query"], changed["query"]);
    assert_eq!(versions["next"], 2);
    let older = site.get("/api/v1/views/numbers/versions?after=2", &token);
    assert_eq!((&older["versions"][0]["definition"]["tags"], &older["next"]), (&json!(["a"]), &Value::Null));

    for (wrong, status) in [
        (json!({ "query": "select 1; drop table x" }), 422),
        (json!({ "query": "select * from nowhere" }), 422),
        (json!({ "query": "select 1 / (n - n) as id from generate_series(1, 2) n" }), 200),
        (json!({ "query": "select 1 as id", "strategy": "merge" }), 422),
        (json!({ "query": "select 1 as id", "colour": "red" }), 422),
        (json!({ "query": "select 1 as id", "name": "public.others" }), 422),
        (json!({}), 422),
    ] {
        let answer = site.json(put("", &wrong), &token, status);
        if status == 200 {
            assert_eq!(answer["applied"][0]["run"]["error"]["sqlstate"], "22012", "{answer}");
        }
    }
    assert_eq!(site.get("/api/v1/views/numbers", &token)["version"], 2, "what failed changed nothing");
    let deleted = site.json(Ask::new("DELETE", "/api/v1/views/numbers"), &token, 200);
    assert_eq!((&deleted["retired"], &deleted["run"]["status"]), (&json!(true), &json!("success")));
    site.json(Ask::get("/api/v1/views/numbers"), &token, 404);

    let audit = site.world.json(&["audit", "--who", "ada"], 0);
    let actions: Vec<_> = audit["audit"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["view.delete", "view.define", "view.define", "view.define", "view.define"]);
    let change = &audit["audit"][2];
    assert_eq!(change["before"]["tags"], json!(["a"]), "{change}");
    assert_eq!(change["after"]["query"], changed["query"]);
    site.served.drained().await;
}

#[tokio::test]
async fn what_is_dropped_with_dependents_is_said_before() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Editor).await;
    site.world.made("numbers", "select 1 as id").await;
    site.world.db.execute("create view reader as select * from numbers").await;
    let dependents = site.get("/api/v1/views/numbers/dependents", &token);
    assert_eq!(dependents["dependents"], json!(["view public.reader"]));
    let refused = site.json(Ask::new("DELETE", "/api/v1/views/numbers"), &token, 409);
    assert_eq!(
        (&refused["type"], &refused["sqlstate"]),
        (&json!("urn:remat:problem:run_failed"), &json!("2BP01"))
    );
    let kept =
        site.json(Ask::new("DELETE", "/api/v1/views/numbers?cascade=true&keep_definition=true"), &token, 200);
    assert_eq!(kept["retired"], false);
    assert_eq!(site.get("/api/v1/views/numbers", &token)["exists"], false);
    site.served.drained().await;
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let site = Site::start(&["--queues", "nobody"]).await;
    let token = site.token("ada", Role::Operator).await;
    let other = site.token("eve", Role::Operator).await;
    // Requests are not joined here, so each would be a run of its own.
    let dispatch = remat::schedule::Dispatch {
        overlap: remat::schedule::Overlap::Queue,
        ..remat::schedule::Dispatch::default()
    };
    let definition = Definition { dispatch, ..support::definition("numbers", "select 1 as id") };
    site.world.define(definition).await;
    let refresh = Ask::post("/api/v1/views/numbers/refresh");
    let keyed = |key: &str, body: &Value| refresh.clone().header("Idempotency-Key", key).json(body);
    let count = async || site.world.db.query_one_i64("select count(*) from remat.runs").await;

    let first = site.ask(&keyed("a", &json!({})).token(&token));
    let again = site.ask(&keyed("a", &json!({})).token(&token));
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!((first.header("location"), &first.text), (again.header("location"), &again.text));
    let run = first.json()["enqueued"][0]["run"].clone();
    assert_eq!(first.header("location"), Some(format!("/api/v1/runs/{run}").as_str()));
    assert_eq!(count().await, 1);
    let reused = site.json(keyed("a", &json!({ "force": true })), &token, 422);
    assert_eq!(reused["type"], "urn:remat:problem:key_reused");
    site.json(keyed("a", &json!({})), &other, 202);
    assert_eq!(count().await, 2, "the keys of others are others");
    site.json(refresh.clone(), &token, 202);
    site.json(refresh.clone(), &token, 202);
    assert_eq!(count().await, 4, "without a key each request is one");

    let askers: Vec<_> = (0..8)
        .map(|_| {
            let (ask, address) = (keyed("b", &json!({})).token(&token), site.address.clone());
            thread::spawn(move || ask.send(&address).status)
        })
        .collect();
    let statuses: Vec<u16> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
    assert!(
        statuses.contains(&202) && statuses.iter().all(|status| [202, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(count().await, 5);

    // The process died between the run and the answer: the same key is the same run.
    site.world
        .db
        .execute(
            "update remat.idempotency_keys set status = null, created_at = now() - interval '2 minutes' where key = 'b'",
        )
        .await;
    site.json(keyed("b", &json!({})), &token, 202);
    assert_eq!(count().await, 5);
    site.served.drained().await;
}

#[tokio::test]
async fn a_refresh_is_enqueued_done_and_in_the_audit() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Operator).await;
    site.world.made("numbers", "select 1 as id").await;
    let asked = site.json(
        Ask::post("/api/v1/views/numbers/refresh").json(&json!({ "row_count": "exact" })),
        &token,
        202,
    );
    let run = site.ended(&asked["enqueued"][0]["run"], &token).await;
    assert_eq!(
        (&run["status"], &run["trigger"], &run["rows_after"]),
        (&json!("success"), &json!("api"), &json!(1))
    );
    let job = json!({ "job": "refresh", "view": "numbers", "options": { "force": true } });
    let asked = site.json(Ask::post("/api/v1/runs").json(&job), &token, 202);
    site.ended(&asked["enqueued"][0]["run"], &token).await;
    let create = json!({ "job": "create", "view": "numbers", "options": { "force": true } });
    site.json(Ask::post("/api/v1/runs").json(&create), &token, 403);
    site.json(Ask::post("/api/v1/runs").json(&json!({ "job": "sing", "view": "numbers" })), &token, 422);

    let paused = site.json(
        Ask::post("/api/v1/views/numbers/pause").json(&json!({ "reason": "migration" })),
        &token,
        200,
    );
    assert_eq!((&paused["paused"], &paused["by"]), (&json!(true), &json!("ada")));
    assert_eq!(site.get("/api/v1/views?state=paused", &token)["views"].as_array().unwrap().len(), 1);
    assert_eq!(site.json(Ask::post("/api/v1/views/numbers/resume"), &token, 200)["paused"], false);
    assert_eq!(site.json(Ask::post("/api/v1/views/numbers/verify"), &token, 200)["equal"], true);
    let audit = site.get("/api/v1/audit?limit=2", &token);
    let line = &audit["audit"][1];
    assert_eq!(
        (&line["who"], &line["role"], &line["action"], &line["object"]),
        (&json!("ada"), &json!("operator"), &json!("view.pause"), &json!("public.numbers"))
    );
    assert_eq!(line["after"]["reason"], "migration");
    site.served.drained().await;
}

#[tokio::test]
async fn a_run_that_waits_or_works_is_cancelled() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Operator).await;
    site.world
        .db
        .execute(
            "create function gate() returns boolean language sql volatile as $$
             select pg_advisory_xact_lock_shared(1) is not null $$",
        )
        .await;
    site.world.made("gated", "select 1 as id where gate()").await;
    let gate = site.world.db.connect().await;
    gate.batch_execute("select pg_advisory_lock(1)").await.unwrap();
    let asked = site.json(Ask::post("/api/v1/views/gated/refresh"), &token, 202);
    let run = &asked["enqueued"][0]["run"];
    let path = format!("/api/v1/runs/{run}");
    wait_until("it works", async || site.get(&path, &token)["status"] == "running").await;
    let cancelled = site.json(Ask::post(&format!("{path}/cancel")), &token, 200);
    assert_eq!(
        (&cancelled["outcome"], &cancelled["run"]["status"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    let again =
        site.json(Ask::post(&format!("{path}/cancel")).json(&json!({ "patience_s": 0 })), &token, 200);
    assert_eq!(again["outcome"], "had_ended");
    gate.batch_execute("select pg_advisory_unlock(1)").await.unwrap();
    site.served.drained().await;
}

#[tokio::test]
async fn lists_are_given_in_parts_that_neither_repeat_nor_leave_out() {
    let site = Site::start(&["--queues", "nobody"]).await;
    let token = site.token("ada", Role::Viewer).await;
    for number in 0..5 {
        site.world.made(&format!("v{number}"), "select 1 as id").await;
    }
    for (list, key) in [("views", "view"), ("runs", "id")] {
        let mut seen = Vec::new();
        let mut path = format!("/api/v1/{list}?limit=2");
        loop {
            let part = site.get(&path, &token);
            seen.extend(part[list].as_array().unwrap().iter().map(|item| item[key].clone()));
            match &part["next"] {
                Value::Null => break,
                Value::String(next) => path = format!("/api/v1/{list}?limit=2&after={next}"),
                next => path = format!("/api/v1/{list}?limit=2&after={next}"),
            }
        }
        assert_eq!(seen.len(), 5, "{seen:?}");
        let all = site.get(&format!("/api/v1/{list}"), &token);
        let whole: Vec<_> = all[list].as_array().unwrap().iter().map(|item| item[key].clone()).collect();
        assert_eq!(seen, whole);
    }
    for wrong in [
        "views?limit=0",
        "views?limit=1001",
        "runs?limit=x",
        "runs?status=good",
        "views?colour=red",
        "runs/x",
    ] {
        let refused = site.json(Ask::get(&format!("/api/v1/{wrong}")), &token, 400);
        assert_eq!(refused["type"], "urn:remat:problem:bad_request", "{wrong}");
    }
    assert_eq!(
        site.get("/api/v1/views?search=V3&schema=public&strategy=auto", &token)["views"][0]["view"],
        "public.v3"
    );
    assert_eq!(
        site.get("/api/v1/runs?view=v3&operation=create&status=success", &token)["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    site.served.drained().await;
}

#[tokio::test]
async fn hostile_names_and_rows_stay_text_and_are_withheld() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Editor).await;
    let evil = "<script>alert('1')</script>\"; drop table x; --";
    let name = RelationName::new("public", evil).unwrap();
    let description = Some("<img src=x onerror=alert(1)>".to_owned());
    let definition = Definition { description, ..Definition::new(name.clone(), "select 1 as id") };
    let view = site.world.define(definition).await;
    site.world
        .remat
        .create(&view, remat::operation::CreateOptions::default())
        .await
        .unwrap()
        .check()
        .unwrap();
    let listed = site.ask(&Ask::get("/api/v1/views").token(&token));
    assert_eq!(listed.header("content-type"), Some("application/json"));
    assert_eq!(listed.json()["views"][0]["view"], name.to_string());
    let encoded: Vec<_> = name.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let encoded = encoded.concat();
    assert_eq!(site.get(&format!("/api/v1/views/{encoded}"), &token)["view"], name.to_string());
    let problem = site.ask(&Ask::get("/api/v1/views/%3Cscript%3E").token(&token));
    assert_eq!((problem.status, problem.header("content-type")), (404, Some("application/problem+json")));

    site.world.db.execute("create table people (email text); insert into people values ('ada@example.org'), ('ada@example.org')").await;
    let merged = json!({ "query": "select email from people", "strategy": "merge", "key": ["email"] });
    let put = site.json(Ask::new("PUT", "/api/v1/views/addresses").json(&merged), &token, 200);
    assert_eq!(put["applied"][0]["run"]["status"], "failed", "{put}");
    assert!(!put.to_string().contains("ada@"), "{put}");
    for path in ["/api/v1/runs", "/api/v1/events", "/api/v1/audit"] {
        assert!(!site.ask(&Ask::get(path).token(&token)).text.contains("ada@"), "{path}");
    }
    site.served.drained().await;
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_by_an_admin() {
    let site = Site::start(&[]).await;
    let admin = site.token("boss", Role::Admin).await;
    let wanted = json!({ "name": "ci", "role": "operator", "schemas": ["sales"], "expires_in_s": 60 });
    let made = site.json(Ask::post("/api/v1/tokens").json(&wanted), &admin, 201);
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(site.get("/api/v1/me", secret)["schemas"], json!(["sales"]));
    site.json(Ask::post("/api/v1/tokens").json(&wanted), &admin, 409);
    site.json(Ask::post("/api/v1/tokens").json(&json!({ "name": "x y", "role": "viewer" })), &admin, 422);
    let listed = site.get("/api/v1/tokens", &admin);
    assert!(!listed.to_string().contains(secret) && !listed.to_string().contains("hash"), "{listed}");
    let revoked = site.json(Ask::new("DELETE", "/api/v1/tokens/ci"), &admin, 200);
    assert_eq!(revoked["token"]["state"], "revoked");
    site.json(Ask::get("/api/v1/me"), secret, 401);
    let audit = site.get("/api/v1/audit?who=boss&action=token.create", &admin);
    assert_eq!(
        (&audit["audit"][0]["object"], &audit["audit"][0]["address"]),
        (&json!("ci"), &json!("127.0.0.1"))
    );
    site.served.drained().await;
}

#[tokio::test]
async fn a_scheduled_job_is_run_now() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    world
        .db
        .execute(
            "insert into remat.scheduled_jobs (name, schedule, view_id, enabled)
             select 'yearly', '0 0 1 1 *', id, false from remat.views;
             insert into remat.scheduled_jobs (name, schedule, sql) values ('tidy', '0 0 1 1 *', 'select 1')",
        )
        .await;
    let site = Site::over(world, &[]).await;
    let token = site.token("ada", Role::Operator).await;
    for job in ["yearly", "tidy"] {
        let asked = site.json(Ask::post(&format!("/api/v1/jobs/{job}/run")), &token, 202);
        let run = site.ended(&asked["runs"][0], &token).await;
        assert_eq!(run["status"], "success", "{run}");
    }
    let scoped = site.scoped("seller", Role::Operator, &["sales"]).await;
    site.json(Ask::post("/api/v1/jobs/tidy/run"), &scoped, 404);
    assert_eq!(site.get("/api/v1/jobs", &scoped)["jobs"], json!([]));
    let schedules = site.get("/api/v1/schedules?next=2", &token);
    let of = |name: &str| {
        schedules["schedules"].as_array().unwrap().iter().find(|entry| entry["name"] == name).cloned()
    };
    assert_eq!(of("tidy").unwrap()["next"].as_array().unwrap().len(), 2, "{schedules}");
    assert_eq!(of("yearly").unwrap()["enabled"], false);
    site.served.drained().await;
}

#[tokio::test]
async fn the_whole_tells_how_it_stands() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Admin).await;
    wait_until("a worker lives", async || site.get("/api/v1/health", &token)["workers"] == 1).await;
    assert_eq!(site.get("/api/v1/health", &token)["healthy"], true);
    site.world.define(support::definition("absent", "select 1 as id")).await;
    let health = site.get("/api/v1/health", &token);
    assert_eq!(
        (&health["healthy"], &health["bad"], &health["views"]["absent"]),
        (&json!(false), &json!(1), &json!(1))
    );
    let checked = site.get("/api/v1/check", &token);
    assert_eq!((&checked["ok"], &checked["problems"][0]["state"]), (&json!(false), &json!("absent")));
    assert_eq!(site.get("/api/v1/workers", &token)["workers"][0]["slots"], 4);
    assert!(site.get("/api/v1/queues", &token)["queues"].is_array());
    let pruned = site.json(Ask::post("/api/v1/prune").json(&json!({ "keep_days": 1 })), &token, 200);
    assert_eq!(pruned["runs"], 0);
    site.json(Ask::post("/api/v1/prune").json(&json!({ "keep_days": 0 })), &token, 400);
    site.served.drained().await;
}
