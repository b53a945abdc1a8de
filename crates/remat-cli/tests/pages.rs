//! The pages as they are sent: every text of the database is hostile, every link stays below the base, and a role sees the
//! buttons that are its own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/http.rs"]
mod http;
#[path = "support/service.rs"]
mod service_of_a_world;
mod support;

use http::{Ask, Reply};
use remat::{
    access::{Act, NewToken, Role},
    name::{Identifier, RelationName, literal},
    operation::{CreateOptions, RefreshOptions},
    view::{Definition, Pause, Strategy},
};
use remat_testkit::wait_until;
use service_of_a_world::Served;
use support::World;

/// Closes an attribute, opens an element, and says so where it is read as markup.
const EVIL: &str = "\"><img src=x onerror=evil()><script>evil()</script>' onmouseover='evil()";

/// As much of it as fits into a name.
const EVIL_NAME: &str = "\"><script>evil()</script>' onmouseover='e";

const PAGES: [&str; 11] = [
    "/",
    "/views",
    "/views.csv",
    "/graph",
    "/runs",
    "/runs?status=failed",
    "/schedule",
    "/alerts",
    "/audit",
    "/system",
    "/views/new",
];

struct Site {
    world: World,
    #[allow(dead_code, reason = "it runs as long as the value lives")]
    served: Served,
    address: String,
}

impl Site {
    async fn of(world: World, args: &[&str]) -> Self {
        let served = Served::start(&world, args).await;
        let address = served.address().await;
        Self { world, served, address }
    }

    fn get(&self, path: &str) -> Reply {
        Ask::get(path).send(&self.address)
    }

    async fn token(&self, role: Role, schemas: &[&str]) -> String {
        let schemas = schemas.iter().map(|schema| (*schema).to_owned()).collect();
        let token = NewToken { name: role.to_string(), role, schemas, lasts: None };
        self.world.remat.create_token(&token, &Act::default()).await.unwrap().1.reveal().to_owned()
    }
}

fn escaped(part: &str) -> String {
    part.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || byte == b'_' {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn path_of(view: &RelationName) -> String {
    format!("/views/{}/{}", escaped(view.schema.as_str()), escaped(view.name.as_str()))
}

/// The markup of a page holds nothing but what we wrote: our one script, no handler, no style, no element of theirs.
fn assert_harmless(path: &str, reply: &Reply) {
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    if path.contains(".csv") {
        assert!(reply.header("content-type").unwrap().starts_with("text/csv"), "{path}");
        return;
    }
    let page = &reply.text;
    assert_eq!(page.matches("<script").count(), 1, "{path} has a script that is not ours");
    assert_eq!(page.matches("<script src=\"").count(), 1, "{path}");
    for forbidden in
        ["<img", "<iframe", "<style", " style=\"", " onerror=evil()>", "\"><script>evil", "' onmouseover='e"]
    {
        let raw = page.replace("&quot;&gt;&lt;script&gt;evil()&lt;/script&gt;' onmouseover='e", "");
        let raw = raw.replace(
            "&quot;&gt;&lt;img src=x onerror=evil()&gt;&lt;script&gt;evil()&lt;/script&gt;' onmouseover='e",
            "",
        );
        assert!(!raw.contains(forbidden), "{path} has {forbidden:?} in\n{}", around(&raw, forbidden));
    }
    for tag in tags(page) {
        let name = tag.trim_start_matches(['<', '/']).split([' ', '>', '\n']).next().unwrap();
        let handlers = attributes(tag).into_iter().filter(|name| name.starts_with("on") || *name == "style");
        assert_eq!(handlers.count(), 0, "{path}: <{name}> has what it must not: {tag}");
    }
}

fn around<'a>(text: &'a str, part: &str) -> &'a str {
    let at = text.find(part).unwrap_or_default();
    let (from, to) = (at.saturating_sub(200), (at + 200).min(text.len()));
    text.get(from..to).unwrap_or(text)
}

/// Each tag as a browser reads it: quotes keep their angle brackets.
fn tags(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let mut quoted = false;
        let end = rest[start..].char_indices().find(|(_, c)| {
            if *c == '"' {
                quoted = !quoted;
            }
            *c == '>' && !quoted
        });
        let end = start + end.expect("a tag ends").0 + 1;
        found.push(&rest[start..end]);
        rest = &rest[end..];
    }
    found
}

/// The names of a tag's attributes.
fn attributes(tag: &str) -> Vec<&str> {
    let (mut names, mut quoted, mut start) = (Vec::new(), false, None);
    for (at, c) in tag.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => start = Some(at + 1),
            '=' if !quoted => names.extend(start.take().map(|start| &tag[start..at])),
            _ => {}
        }
    }
    names
}

/// A database in which every text that a page may show is hostile.
async fn hostile() -> (World, RelationName) {
    let world = World::new().await;
    let schema = Identifier::new(EVIL_NAME).unwrap();
    world.db.execute(&format!("create schema {}", schema.to_sql())).await;
    world.db.execute(&format!("create table {}.{} (id int)", schema.to_sql(), schema.to_sql())).await;
    world
        .db
        .execute(&format!(
            "create function fails() returns int language plpgsql as $f$ begin
             raise exception {} using errcode = 'P0001', detail = {}, hint = {}; end $f$",
            literal(&EVIL.replace('%', "%%")),
            literal(EVIL),
            literal(EVIL)
        ))
        .await;
    let name = RelationName { schema: schema.clone(), name: schema.clone() };
    let broken = RelationName { schema: schema.clone(), name: Identifier::new("broken\"'<b>").unwrap() };
    let table = format!("{}.{}", schema.to_sql(), schema.to_sql());
    // The table makes room for the view of its name.
    world.db.execute(&format!("alter table {table} rename to \"base <u>\"")).await;
    let base = format!("{}.\"base <u>\"", schema.to_sql());
    for (name, query) in [
        (&name, format!("select id, {} as said from {base} -- {EVIL}\n", literal(EVIL))),
        (&broken, format!("select fails() as id, {} as said from {}", literal(EVIL), name.to_sql())),
    ] {
        let definition = Definition {
            description: Some(EVIL.into()),
            tags: vec!["plain".into()],
            target_lag_s: Some(3600),
            strategy: Strategy::Regular,
            ..Definition::new(name.clone(), query)
        };
        let view = world.define(definition).await;
        let no_data = *name == broken;
        let run =
            world.remat.create(&view, CreateOptions { no_data, ..CreateOptions::default() }).await.unwrap();
        run.check().unwrap();
        let view = world.remat.view(name).await.unwrap();
        drop(world.remat.refresh(&view, RefreshOptions::default()).await.unwrap());
    }
    world
        .db
        .execute(&format!(
            "update remat.views set tags = tags || array[{0}];
             insert into remat.scheduled_jobs (name, schedule, zone, sql) values ({0}, '0 3 * * *', 'UTC', {0});
             insert into remat.scheduled_jobs (name, schedule, zone, sql) values ('broken ' || {0}, {0}, {0}, {0});
             insert into remat.workers (name, version, backend, queues, slots) values ({0}, {0}, {0}, array[{0}], 1);
             insert into remat.runs (view_id, operation, status, reason, finished_at, queue, worker, meta)
             select id, 'refresh', 'skipped', {0}, now(), {0}, {0},
                    jsonb_build_object('notes', jsonb_build_array({0}), 'phases_ms', jsonb_build_object({0}, 4)) from remat.views",
            literal(EVIL)
        ))
        .await;
    let pause = Pause { by: EVIL.into(), reason: Some(EVIL.into()), until: None };
    world.remat.pause(&world.remat.view(&name).await.unwrap(), &pause).await.unwrap();
    (world, name)
}

#[tokio::test]
async fn hostile_texts_are_text_on_every_page() {
    let (world, name) = hostile().await;
    let broken = RelationName::new(name.schema.as_str(), "broken\"'<b>").unwrap();
    let site = Site::of(world, &["--no-auth"]).await;
    let mut paths: Vec<String> = PAGES.iter().map(|path| (*path).to_owned()).collect();
    for view in [&name, &broken] {
        paths.push(path_of(view));
        paths.push(format!("{}/edit", path_of(view)));
        paths.push(format!("/graph?focus={}", escaped(&view.to_string())));
        paths.push(format!("/runs?view={}", escaped(&view.to_string())));
    }
    for word in ["q", "state", "tag", "sort", "owner", "schema"] {
        paths.push(format!("/views?{word}={}", escaped(EVIL)));
    }
    paths.push(format!("/runs?view={0}&job={0}&queue={0}&status={0}", escaped(EVIL)));
    paths.push(format!("/graph?q={0}&focus={0}", escaped(EVIL)));
    paths.push(format!("/audit?who={0}&action={0}", escaped(EVIL)));
    paths.push(format!("/?done={0}&tz={0}", escaped(EVIL)));
    let ids = site.world.remat.runs(&remat::store::runs::Filter::default()).await.unwrap();
    paths.extend(ids.iter().map(|run| format!("/runs/{}", run.id)));
    for path in paths {
        assert_harmless(&path, &site.get(&path));
    }
    // What is not there is a page, too, and quotes what was asked for.
    for path in [format!("/runs/{}", escaped(EVIL)), format!("/views/{0}/{0}x", escaped(EVIL_NAME))] {
        let reply = site.get(&path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.text.matches("<script").count(), 1, "{path}");
    }
}

#[tokio::test]
async fn every_link_stays_below_the_base() {
    let world = World::new().await;
    world.made("numbers", "select n from generate_series(1, 3) n").await;
    let site = Site::of(world, &["--no-auth", "--base-path", "/remat"]).await;
    for path in
        PAGES.iter().chain(&["/views/public/numbers", "/runs/1"]).filter(|path| !path.contains(".csv"))
    {
        let reply = site.get(&format!("/remat{path}"));
        assert_eq!(reply.status, 200, "{path}");
        for attribute in ["href=\"", "action=\"", "src=\""] {
            for link in reply.text.split(attribute).skip(1) {
                let link = link.split('"').next().unwrap();
                assert!(link.starts_with("/remat/") || link.starts_with('#'), "{path}: {attribute}{link}");
            }
        }
    }
}

#[tokio::test]
async fn a_role_sees_the_buttons_that_are_its_own() {
    let world = World::new().await;
    world.made("numbers", "select n from generate_series(1, 3) n").await;
    let site = Site::of(world, &[]).await;
    let buttons = |reply: &Reply| {
        let has = |word: &str| reply.text.contains(word);
        (has("Refresh now"), has("Delete"), has("/edit\""))
    };
    for (role, expected) in [
        (Role::Viewer, (false, false, false)),
        (Role::Operator, (true, false, false)),
        (Role::Editor, (true, true, true)),
        (Role::Admin, (true, true, true)),
    ] {
        let token = site.token(role, &[]).await;
        let reply = Ask::get("/views/public/numbers").token(&token).send(&site.address);
        assert_eq!((reply.status, buttons(&reply)), (200, expected), "{role}");
    }
}

#[tokio::test]
async fn what_is_outside_a_scope_is_not_there() {
    let world = World::new().await;
    world.db.execute("create schema sales; create schema people").await;
    for (schema, name) in [("sales", "daily"), ("people", "wages")] {
        let view =
            world.define(Definition::new(RelationName::new(schema, name).unwrap(), "select 1 as id")).await;
        world.remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
    }
    let site = Site::of(world, &[]).await;
    let token = site.token(Role::Editor, &["sales"]).await;
    for path in PAGES {
        let reply = Ask::get(path).token(&token).send(&site.address);
        assert_eq!(reply.status, 200, "{path}");
        assert!(!reply.text.contains("wages"), "{path} tells of what is outside the scope");
    }
    let of = |path: &str| Ask::get(path).token(&token).send(&site.address).status;
    assert_eq!((of("/views/sales/daily"), of("/views/people/wages"), of("/runs/2")), (200, 404, 404));
    let refresh = Ask::post("/views/people/wages/refresh").token(&token).send(&site.address);
    assert_eq!(refresh.status, 404);
}

#[tokio::test]
async fn a_form_does_its_deed_and_leads_back() {
    let world = World::new().await;
    world.made("numbers", "select n from generate_series(1, 3) n").await;
    let site = Site::of(world, &["--no-auth"]).await;
    let post = |path: &str, body: &str| {
        Ask::post(path).header("Sec-Fetch-Site", "same-origin").form(body).send(&site.address)
    };
    let reply = post("/views/public/numbers/refresh", "x=");
    assert_eq!(reply.status, 303, "{reply:?}");
    let run = reply.header("location").unwrap().to_owned();
    assert!(run.starts_with("/runs/") && run.ends_with("?done=refresh"), "{run}");
    wait_until("the run has ended", async || site.get(&run).text.contains("success")).await;
    let reply = post("/views/public/numbers/pause", "reason=because&for=60");
    assert_eq!(reply.header("location"), Some("/views/public/numbers?done=pause"));
    assert!(site.get("/views/public/numbers").text.contains("because"));
    assert_eq!(post("/views/public/numbers/resume", "x=").status, 303);
    // Another site's form is none of ours.
    let foreign =
        Ask::post("/views/public/numbers/pause").header("Sec-Fetch-Site", "cross-site").form("for=60");
    assert_eq!(foreign.send(&site.address).status, 403);
    let definition = "schema=public&name=more&new=yes&query=select+7+as+n&strategy=regular&row_count=exact&tags=a,b&target=10+min";
    let plan = post("/views/plan", definition);
    assert!(plan.status == 200 && plan.text.contains("create public.more"), "{}", plan.text);
    assert_eq!(post("/views/apply", definition).header("location"), Some("/views/public/more?done=saved"));
    let more = site.world.remat.view(&RelationName::new("public", "more").unwrap()).await.unwrap();
    assert_eq!((more.definition.tags.len(), more.definition.target_lag_s), (2, Some(600)));
    let refused = post(
        "/views/plan",
        "schema=public&name=bad&new=yes&query=delete+from+x&strategy=regular&row_count=exact",
    );
    assert!(refused.text.contains("role=\"alert\""), "{}", refused.text);
    let unsure = post("/views/public/more/delete", "sure=mor");
    assert_eq!(unsure.status, 409);
    let sure = post("/views/public/more/delete", "sure=more");
    assert_eq!(sure.status, 303);
    let acts = site.get("/audit").text;
    for act in ["refresh", "pause", "resume", "define", "delete"] {
        assert!(acts.contains(act), "the audit has no {act}");
    }
}
