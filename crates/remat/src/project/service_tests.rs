//! What a project may say about runs and about the process that does them.

use std::time::Duration;

use super::*;
use crate::schedule::{Dispatch, Misfire, Overlap};

const SHOP: &str = "[project]\nname = \"shop\"\n";

const ALL_KEYS: &str = "queue = \"reports\"\npriority = -5\noverlap = \"cancel_other\"\nmisfire = \"all\"\n\
                        catch_up = \"2h\"\njitter = \"0\"\nlock_retries = 0\nwork_retries = 7\n";

fn all_keys() -> Dispatch {
    Dispatch {
        queue: "reports".into(),
        priority: -5,
        overlap: Overlap::CancelOther,
        misfire: Misfire::All,
        catch_up_s: 7200,
        jitter_s: 0,
        lock_retries: 0,
        work_retries: 7,
    }
}

fn settings(more: &str) -> ProjectSettings {
    parse_settings(&format!("{SHOP}{more}")).unwrap()
}

fn refused(more: &str) -> String {
    parse_settings(&format!("{SHOP}{more}")).unwrap_err().complaint().primary.clone()
}

fn view(options: &str, defaults: &ProjectDefaults) -> Result<Definition, Error> {
    parse_view("views/v.sql", &format!("/* remat\n{options}\n*/\nselect 1 as a"), defaults)
}

#[test]
fn views_and_jobs_say_how_their_runs_reach_a_worker() {
    let plain = ProjectDefaults::default();
    assert_eq!(view("", &plain).unwrap().dispatch, Dispatch::default());
    assert_eq!(view(ALL_KEYS, &plain).unwrap().dispatch, all_keys());
    let job = format!("[[job]]\nname = \"a\"\nschedule = \"@daily\"\ntag = \"t\"\n{ALL_KEYS}");
    assert_eq!(settings(&job).jobs[0].dispatch, all_keys());
}

#[test]
fn what_they_do_not_say_is_said_by_the_project() {
    let job = "[[job]]\nname = \"a\"\nschedule = \"@daily\"\ntag = \"t\"\nqueue = \"fast\"\n";
    let settings = settings(&format!("{ALL_KEYS}{job}"));
    assert_eq!(settings.defaults.dispatch, all_keys());
    assert_eq!(settings.jobs[0].dispatch, Dispatch { queue: "fast".into(), ..all_keys() });
    let view = view("priority = 1", &settings.defaults).unwrap();
    assert_eq!(view.dispatch, Dispatch { priority: 1, ..all_keys() });
}

#[test]
fn every_refusal_of_a_view_names_its_line() {
    for (options, primary) in [
        ("queue = \"a b\"", "views/v.sql:2: queue \"a b\" is not a word"),
        ("queue = \"*\"", "views/v.sql:2: queue \"*\" is no queue"),
        ("priority = \"high\"", "views/v.sql:2: \"priority\" must be a whole number"),
        ("priority = 1.5", "views/v.sql:2: \"priority\" must be a whole number"),
        ("\npriority = 3000000000", "views/v.sql:3: \"priority\" must be between -2147483648 and 2147483647"),
        ("overlap = \"join\"", "views/v.sql:2: \"join\" is not one of: skip, coalesce, queue, cancel_other"),
        ("misfire = \"twice\"", "views/v.sql:2: \"twice\" is not one of: skip, once, all"),
        ("catch_up = 60", "views/v.sql:2: \"catch_up\" must be a text"),
        ("jitter = \"10ms\"", "views/v.sql:2: \"10ms\" is not a whole number of seconds"),
        ("work_retries = -1", "views/v.sql:2: \"work_retries\" must be between 0 and 2147483647"),
    ] {
        let error = view(options, &ProjectDefaults::default()).unwrap_err();
        assert_eq!(error.complaint().primary, primary, "{options}");
    }
}

#[test]
fn queues_have_a_name_and_a_number() {
    let two = "[[queue]]\nname = \"*\"\nconcurrency = 0x10\n[[queue]]\nname = \"reports\"\nconcurrency = 2\n";
    let queue = |name: &str, concurrency| Queue { name: name.into(), concurrency };
    assert_eq!(settings(two).queues, [queue("*", 16), queue("reports", 2)]);
    for (text, primary) in [
        ("concurrency = 2", "remat.toml:3: \"name\" is missing"),
        ("name = \"a\"", "remat.toml:3: \"concurrency\" is missing"),
        ("name = \"a\"\nconcurrency = 0", "remat.toml:5: \"concurrency\" must be between 1 and 2147483647"),
        ("name = \"\"\nconcurrency = 1", "remat.toml:4: queue \"\" is not a word"),
        (
            "name = \"a\"\nconcurrency = 1\n[[queue]]\nname = \"a\"\nconcurrency = 2",
            "remat.toml:7: there are two queues with the name \"a\"",
        ),
    ] {
        assert_eq!(refused(&format!("[[queue]]\n{text}")), primary);
    }
}

#[test]
fn what_serve_does_is_read_with_its_defaults() {
    assert_eq!(settings("").serve, ServeSettings::default());
    let serve = settings(
        "[serve]\nlisten = \"[::1]:9000\"\nweb = false\nworkers = 16\nqueues = [\"a\", \"b\"]\npoll = \"500ms\"\n\
         grace = \"0\"\nverify_every = \"0\"\n",
    )
    .serve;
    assert_eq!((serve.listen.to_string(), serve.web, serve.workers), ("[::1]:9000".into(), false, 16));
    assert_eq!(serve.verify_every, Duration::ZERO);
    assert_eq!(
        (serve.queues.len(), serve.poll, serve.grace),
        (2, Duration::from_millis(500), Duration::ZERO)
    );
    for (text, primary) in [
        ("listen = \"localhost\"", "remat.toml:4: \"localhost\" is not an address and a port"),
        ("workers = 0", "remat.toml:4: \"workers\" must be between 1 and 1000"),
        ("poll = \"0\"", "remat.toml:4: \"0\" is too short"),
        ("queues = [\"*\"]", "remat.toml:4: queue \"*\" is no queue"),
        ("port = 80", "remat.toml:4: unknown key \"port\""),
    ] {
        assert_eq!(refused(&format!("[serve]\n{text}")), primary);
    }
}

#[test]
fn a_back_end_is_named_and_says_where_its_broker_is() {
    assert_eq!(settings("").backend, BackendSettings::default());
    let redis = settings("[backend]\nkind = \"redis\"\nurl_env = \"REDIS_URL\"\nprefix = \"shop:\"").backend;
    assert_eq!((redis.kind, redis.prefix.as_deref()), (BackendKind::Redis, Some("shop:")));
    assert_eq!(redis.url, Some(SecretUrl::Environment("REDIS_URL".into())));
    for (text, primary) in [
        ("kind = \"rabbitmq\"", "remat.toml:3: neither \"url\" nor \"url_env\" is given"),
        ("url = \"redis://h\"", "remat.toml:4: back end postgres takes no url"),
        ("kind = \"inline\"\nurl_env = \"X\"", "remat.toml:5: back end inline takes no url"),
        (
            "kind = \"kafka\"",
            "remat.toml:4: \"kafka\" is not one of: inline, postgres, redis, sidekiq, rabbitmq",
        ),
        ("prefix = \"\"", "remat.toml:4: prefix \"\" is not a word"),
    ] {
        assert_eq!(refused(&format!("[backend]\n{text}")), primary);
    }
}

#[test]
fn passwords_of_brokers_are_never_shown() {
    let shown = settings(
        "[backend]\nkind = \"redis\"\nurl = \"redis://:hunter2@h\"\n[publish]\nurl = \"redis://:hunter2@h\"\n",
    );
    assert_eq!(shown.publish, Some(SecretUrl::Written("redis://:hunter2@h".into())));
    assert!(!format!("{shown:?}").contains("hunter2"));
    for wrong in [
        "[backend]\nkind = \"postgres\"\nurl = \"redis://:hunter2@h\"",
        "[backend]\nkind = \"redis\"\nurl = [\"hunter2\"]",
        "[publish]\nurl = \"hunter2\"\nurl_env = \"X\"",
    ] {
        let error = parse_settings(&format!("{SHOP}{wrong}")).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn retention_is_read_with_its_defaults() {
    assert_eq!(settings("").retention, RetentionSettings::default());
    let kept = settings("[retention]\nkeep_per_view = 0\nkeep_days = 7\nevery = \"10 min\"\n").retention;
    assert_eq!((kept.keep_per_view, kept.keep_days, kept.keep_failures_days), (0, 7, 365));
    assert_eq!(kept.every, Duration::from_mins(10));
    assert_eq!(
        refused("[retention]\nkeep_days = -1"),
        "remat.toml:4: \"keep_days\" must be between 0 and 100000"
    );
}

#[test]
fn the_file_in_the_guide_is_read() {
    let guide = format!("{}/../../docs/guide/project.md", env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(guide).unwrap();
    let file = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let shown = parse_settings(file).unwrap();
    assert_eq!((shown.serve, shown.retention), (ServeSettings::default(), RetentionSettings::default()));
    assert_eq!(shown.defaults.dispatch, Dispatch::default());
    assert_eq!((shown.backend.kind, shown.queues.len(), shown.jobs.len()), (BackendKind::Redis, 1, 2));
}

#[test]
fn a_listener_is_told_its_names_and_its_path() {
    let serve = settings(
        "[serve]\nallow_hosts = [\"remat.example.org\"]\nbase_path = \"/a/remat/\"\nbehind_proxy = true\n",
    )
    .serve;
    assert_eq!(serve.allow_hosts, ["remat.example.org"]);
    assert_eq!((serve.base_path.as_str(), serve.behind_proxy), ("/a/remat", true));
    for (text, primary) in [
        ("allow_hosts = [\"https://x\"]", "remat.toml:4: \"https://x\" is no name of a host"),
        ("base_path = \"remat\"", "remat.toml:4: \"remat\" is no path"),
        ("base_path = \"/a//b\"", "remat.toml:4: \"/a//b\" is no path"),
    ] {
        assert_eq!(refused(&format!("[serve]\n{text}")), primary);
    }
}
