//! Who is let in over HTTP, under which name, and from which pages: the real listener.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test panics where it must fail")]

#[path = "support/http.rs"]
mod http;
#[path = "support/service.rs"]
mod service_of_a_world;
#[path = "support/site.rs"]
mod site;
mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
};

use http::{Ask, Reply};
use remat::access::Role;
use site::Site;
use support::World;

const ME: &str = "/api/v1/me";

/// Logs a browser in.
fn log_in(site: &Site, secret: &str) -> Reply {
    let login = Ask::post("/login").form(&format!("token={secret}&next=%2Fviews%3Ftag%3Da"));
    site.ask(&login.header("Sec-Fetch-Site", "same-origin"))
}

#[tokio::test]
async fn nobody_is_answered_without_a_token_that_counts() {
    let site = Site::start(&[]).await;
    let secret = site.token("ada", Role::Viewer).await;
    let wrong = format!("remat_{}", "0".repeat(64));
    for ask in [
        Ask::get(ME),
        Ask::get(ME).token(&wrong),
        Ask::get(ME).token("x"),
        Ask::get(ME).header("Authorization", "Basic YTpi"),
        Ask::get(ME).header("Cookie", &format!("remat_session={wrong}")),
        Ask::get(ME).header("Cookie", &format!("remat_session={secret}")),
        Ask::get("/api/v1/nothing"),
        Ask::get("/nothing"),
        Ask::post("/logout"),
    ] {
        let reply = site.ask(&ask);
        assert_eq!(reply.status, 401, "{ask:?}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{reply:?}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert_eq!(reply.json()["type"], "urn:remat:problem:unauthorized");
    }
    let me = site.ask(&Ask::get(ME).token(&secret));
    assert_eq!((me.status, &me.json()["name"]), (200, &"ada".into()), "{me:?}");
    assert_eq!(site.ask(&Ask::get("/nothing").token(&secret)).status, 404);
    site.world.json(&["token", "revoke", "ada"], 0);
    assert_eq!(site.ask(&Ask::get(ME).token(&secret)).status, 401, "at once");
    site.served.drained().await;
}

#[tokio::test]
async fn every_answer_forbids_foreign_content_and_caches() {
    let site = Site::start(&[]).await;
    let secret = site.token("ada", Role::Viewer).await;
    for ask in [
        Ask::get("/healthz"),
        Ask::get("/login"),
        Ask::get(ME),
        Ask::get(ME).token(&secret),
        Ask::get(ME).header("Host", "evil.example"),
    ] {
        let reply = site.ask(&ask);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("same-origin"));
    }
    assert_eq!(site.ask(&Ask::get(ME).token(&secret)).header("cache-control"), Some("no-store"));
    site.served.drained().await;
}

#[tokio::test]
async fn a_foreign_name_is_refused_before_anything_else() {
    let site = Site::start(&["--allow-host", "remat.example.org"]).await;
    let secret = site.token("ada", Role::Viewer).await;
    for (host, status) in [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.0.2.1", 421),
        ("remat.example.org:443", 200),
        ("LOCALHOST", 200),
        ("[::1]:80", 200),
    ] {
        let reply = site.ask(&Ask::get(ME).token(&secret).header("Host", host));
        assert_eq!(reply.status, status, "{host}: {reply:?}");
    }
    let twice = Ask::get(ME).token(&secret).header("Host", "localhost").header("Host", "evil.example");
    assert!([400, 421].contains(&site.ask(&twice).status));
    site.served.drained().await;
}

#[tokio::test]
async fn a_browser_logs_in_with_a_token_and_out_again() {
    let site = Site::start(&[]).await;
    let secret = site.token("ada", Role::Operator).await;
    let page = site.ask(&Ask::get("/views?tag=a").header("Accept", "text/html"));
    assert_eq!((page.status, page.header("location")), (303, Some("/login?next=/views%3Ftag%3Da")));
    assert_eq!(site.ask(&Ask::get("/login")).status, 200);

    let failed = log_in(&site, "remat_no");
    assert_eq!((failed.status, failed.header("location")), (303, Some("/login?failed=1")));
    let login = log_in(&site, &secret);
    assert_eq!((login.status, login.header("location")), (303, Some("/views?tag=a")), "{login:?}");
    let line = login.header("set-cookie").unwrap();
    assert!(
        line.contains("HttpOnly") && line.contains("SameSite=Strict") && line.contains("Path=/;"),
        "{line}"
    );
    assert!(!line.contains("Secure") && !line.contains(&secret), "{line}");
    let cookie = login.cookie();
    let me = site.ask(&Ask::get(ME).header("Cookie", &format!("other=1; {cookie}")));
    assert_eq!((me.status, &me.json()["role"]), (200, &"operator".into()));

    let foreign = Ask::post("/logout").header("Cookie", &cookie);
    assert_eq!(site.ask(&foreign).status, 403);
    let out = site.ask(&foreign.header("Sec-Fetch-Site", "same-origin"));
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(site.ask(&Ask::get(ME).header("Cookie", &cookie)).status, 401);
    let audit = site.world.json(&["audit", "--who", "ada"], 0);
    let actions: Vec<_> = audit["audit"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["logout", "login"]);
    assert_eq!(audit["audit"][0]["address"], "127.0.0.1");
    site.served.drained().await;
}

#[tokio::test]
async fn another_site_can_neither_log_in_nor_change_anything() {
    let site = Site::start(&[]).await;
    let secret = site.token("ada", Role::Operator).await;
    let cookie = log_in(&site, &secret).cookie();
    let login = Ask::post("/login").form(&format!("token={secret}"));
    for (name, value, status) in [
        ("X-Nothing", "", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Sec-Fetch-Site", "none", 403),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost", 303),
        ("Sec-Fetch-Site", "same-origin", 303),
    ] {
        assert_eq!(site.ask(&login.clone().header(name, value)).status, status, "{name}: {value}");
        let logout = Ask::post("/logout").header("Cookie", &cookie).header(name, value);
        if status == 403 {
            assert_eq!(site.ask(&logout).status, 403, "{name}: {value}");
        }
    }
    site.served.drained().await;
}

#[tokio::test]
async fn who_fails_too_often_waits_and_whoever_is_in_stays_in() {
    let site = Site::start(&[]).await;
    let secret = site.token("ada", Role::Viewer).await;
    for _ in 0..10 {
        assert_eq!(log_in(&site, "remat_no").header("location"), Some("/login?failed=1"));
    }
    assert_eq!(log_in(&site, &secret).header("location"), Some("/login?failed=often"));
    let wrong = Ask::get(ME).token(&format!("remat_{}", "0".repeat(64)));
    let refused = site.ask(&wrong);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert_eq!(site.ask(&Ask::get(ME).token(&secret)).status, 200);
    assert!(!site.served.log().iter().any(|line| line.to_string().contains("remat_no")));
    site.served.drained().await;
}

#[tokio::test]
async fn without_login_this_machine_alone_is_answered() {
    let site = Site::start(&["--no-auth"]).await;
    let me = site.ask(&Ask::get(ME));
    assert_eq!((&me.json()["name"], &me.json()["role"]), (&"local".into(), &"admin".into()));
    assert_eq!(site.ask(&Ask::get(ME).header("Host", "evil.example")).status, 421);
    assert_eq!(site.ask(&Ask::get(ME).header("X-Forwarded-For", "192.0.2.1")).status, 403);
    let logout = Ask::post("/logout");
    assert_eq!(site.ask(&logout).status, 303, "a program has no origin");
    assert_eq!(site.ask(&logout.header("Origin", "https://evil.example")).status, 403);
    site.served.drained().await;

    let world = World::new().await;
    let refused = world.json(&["serve", "--no-auth", "--listen", "0.0.0.0:0"], 4);
    assert_eq!(refused["error"]["message"], "--no-auth is for a loopback address alone");
    assert_eq!(world.run(&["serve", "--no-auth", "--no-web"]).code, 2);
}

#[tokio::test]
async fn under_a_base_path_and_behind_a_proxy_all_is_there() {
    let site =
        Site::start(&["--base-path", "/remat/", "--behind-proxy", "--allow-host", "example.org"]).await;
    let secret = site.token("ada", Role::Viewer).await;
    assert_eq!(site.ask(&Ask::get("/healthz")).status, 200);
    assert_eq!(site.ask(&Ask::get("/remat/healthz")).status, 200);
    assert_eq!(site.ask(&Ask::get(ME).token(&secret)).status, 404);
    assert_eq!(site.ask(&Ask::get("/remat").token(&secret)).header("location"), Some("/remat/"));
    assert_eq!(site.ask(&Ask::get(&format!("/remat{ME}")).token(&secret)).status, 200);
    let page = site.ask(&Ask::get("/remat/runs").header("Accept", "text/html"));
    assert_eq!(page.header("location"), Some("/remat/login?next=/runs"));
    let login = Ask::post("/remat/login")
        .form(&format!("token={secret}"))
        .header("Host", "example.org")
        .header("Origin", "https://example.org")
        .header("X-Forwarded-For", "203.0.113.9, 192.0.2.44")
        .header("X-Forwarded-Proto", "https");
    let login = site.ask(&login);
    let line = login.header("set-cookie").unwrap();
    assert!(line.contains("; Secure") && line.contains("Path=/remat/;"), "{line}");
    assert_eq!(site.world.json(&["audit"], 0)["audit"][0]["address"], "192.0.2.44");
    site.served.drained().await;
}

#[tokio::test]
async fn what_is_too_much_is_not_read() {
    let site = Site::start(&[]).await;
    let secret = site.token("ada", Role::Admin).await;
    let large = Ask::post("/logout").token(&secret).json(&"x".repeat(1 << 20).into());
    assert_eq!(site.ask(&large).status, 413);
    let text = Ask::post("/logout").token(&secret).body("a=b");
    assert_eq!(site.ask(&text).status, 415);
    site.served.drained().await;
}

#[tokio::test]
async fn whoever_sends_slowly_is_hung_up_on() {
    let site = Site::start(&[]).await;
    let mut slow = TcpStream::connect(&site.address).unwrap();
    write!(slow, "GET /healthz HTTP/1.1\r\nHost: ").unwrap();
    let mut rest = Vec::new();
    // It hangs up by itself; how soon, its own limit says.
    slow.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest).is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{rest:?}");
    site.served.drained().await;
}

#[tokio::test]
async fn many_requests_at_once_wait_for_each_other_and_not_for_the_database() {
    let site = Site::start(&[]).await;
    let token = site.token("ada", Role::Viewer).await;
    let askers: Vec<_> = (0..100)
        .map(|_| {
            let (ask, address) = (Ask::get("/api/v1/views").token(&token), site.address.clone());
            thread::spawn(move || ask.send(&address).status)
        })
        .collect();
    let sessions = "select count(*) from pg_stat_activity where datname = current_database()";
    let most = site.world.db.query_one_i64(sessions).await;
    let statuses: Vec<u16> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert!(most < 40, "{most}");
    site.served.drained().await;
}

#[tokio::test]
async fn whoever_logged_in_has_the_role_of_the_token_and_may_leave() {
    let site = Site::start(&[]).await;
    for (name, role) in [("v", Role::Viewer), ("o", Role::Operator), ("e", Role::Editor), ("a", Role::Admin)]
    {
        let secret = site.token(name, role).await;
        let cookie = log_in(&site, &secret).cookie();
        let me = site.ask(&Ask::get(ME).header("Cookie", &cookie));
        assert_eq!(me.json()["role"], role.as_str());
        let out = Ask::post("/logout").header("Cookie", &cookie).header("Origin", "http://localhost");
        assert_eq!(site.ask(&out).status, 303, "{role}");
    }
    site.served.drained().await;
}

/// Of the statements in docs/guide/operations.md, those that a daemon with a listener runs on.
fn grants_of_the_guide() -> Vec<String> {
    let guide = include_str!("../../../docs/guide/operations.md");
    let statements = guide.split("```sql\n").skip(1).filter_map(|block| Some(block.split_once("\n```")?.0));
    let lines =
        statements.flat_map(str::lines).map(|line| line.split("--").next().unwrap_or_default().trim());
    let of_worker = lines.filter(|line| line.starts_with("grant") && line.ends_with("to remat_worker;"));
    of_worker
        .filter(|line| line.contains("remat.") || line.contains("schema remat"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn the_grants_of_the_guide_are_enough_for_an_operator_and_leave_the_audit_alone() {
    let world = World::new().await;
    world.made("numbers", "select 1 as id").await;
    let worker = world.db.create_role("worker").await;
    for statement in grants_of_the_guide() {
        world.db.execute(&statement.replace("remat_worker", &format!("\"{worker}\""))).await;
    }
    let mut command = world.command(&["serve", "--json", "--listen", "127.0.0.1:0", "--queues", "nobody"]);
    let served =
        service_of_a_world::Served::start_command(command.env("DATABASE_URL", world.db.role_url(&worker)))
            .await;
    let address = served.address().await;
    let site = Site { world, served, address };
    let secret = site.token("ada", Role::Operator).await;
    let cookie = log_in(&site, &secret).cookie();
    assert_eq!(site.ask(&Ask::get(ME).header("Cookie", &cookie)).status, 200);
    let asked = Ask::post("/api/v1/views/numbers/refresh").header("Idempotency-Key", "k");
    let run = site.json(asked, &secret, 202)["enqueued"][0]["run"].clone();
    for act in ["views/numbers/pause", "views/numbers/resume", &format!("runs/{run}/cancel")] {
        site.json(Ask::post(&format!("/api/v1/{act}")), &secret, 200);
    }
    let audit = site.get("/api/v1/audit", &secret);
    assert_eq!(audit["audit"][0]["action"], "run.cancel", "{audit}");
    let sql = site.world.db.connect_as(&worker).await;
    for statement in ["update remat.audit set who = 'eve'", "delete from remat.audit"] {
        assert_eq!(sql.batch_execute(statement).await.unwrap_err().code().unwrap().code(), "42501");
    }
    site.served.drained().await;
}
