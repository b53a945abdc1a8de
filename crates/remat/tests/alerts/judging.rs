//! What rows make fire, and what is written about it.

use jiff::{SignedDuration, Timestamp};
use remat::{
    NewMute, Remat,
    alert::RuleKind,
    name::{Identifier, RelationName},
    operation::CreateOptions,
    service::{Service as _, alerter::Alerter, health::Health, recorder::Recorder},
    view::{Definition, Pause, Strategy},
};

use crate::{
    daemon,
    fixture::World,
    receiver::{FINE, Receiver},
    support::{self, PER_USER},
};

#[tokio::test]
async fn a_failure_is_told_once_and_its_end_once() {
    let world = World::new().await;
    world.apply(&world.webhook("ops", "http://127.0.0.1:9/")).await;
    let view = world.fragile().await;
    assert_eq!(world.judge().await.fired, 0);
    world.break_it(&view).await;
    let judged = world.judge().await;
    assert_eq!((judged.fired, judged.messages), (1, 1));
    assert_eq!(world.judge().await, remat::service::alerter::Judged::default());

    let alert = &world.alerts().await[0];
    assert_eq!((alert.kind, alert.view.as_ref()), (RuleKind::Failed, Some(&view.definition.name)));
    assert_eq!(alert.reason, "failed: division by zero");
    assert!(alert.run_id.is_some() && alert.resolved_at.is_none());
    assert_eq!(alert.deliveries.len(), 1);
    let subject = &alert.deliveries[0].subject;
    assert!(subject.ends_with("view public.per_user failed: division by zero"), "{subject}");

    world.mend_it(&view).await;
    let judged = world.judge().await;
    assert_eq!((judged.resolved, judged.messages), (1, 1));
    let subject = world.deliveries().await[1].subject.clone();
    assert!(subject.ends_with("resolved: view public.per_user: it is well again"), "{subject}");
    assert!(world.firing().await.is_empty());

    world.break_it(&view).await;
    world.judge().await;
    assert_eq!(world.alerts().await.len(), 2, "history is added to");
}

#[tokio::test]
async fn alerters_of_several_processes_open_one_alert_and_write_one_message() {
    let world = World::new().await;
    world.apply(&world.webhook("ops", "http://127.0.0.1:9/")).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    let mut processes = Vec::new();
    for _ in 0..6 {
        processes.push(support::connect(&world.app.db.url()).await);
    }
    let judge = |remat: Remat| {
        tokio::spawn(async move {
            let alerter = Alerter::new(&remat);
            for _ in 0..5 {
                alerter.judge().await.unwrap();
            }
        })
    };
    for judged in processes.into_iter().map(judge).collect::<Vec<_>>() {
        judged.await.unwrap();
    }
    assert_eq!((world.alerts().await.len(), world.deliveries().await.len()), (1, 1));
}

#[tokio::test]
async fn an_alert_that_another_process_opened_meanwhile_is_not_opened_twice() {
    let world = World::new().await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    // As an older remat would that knows of no lock: it has opened the alert and not committed yet.
    let other = world.app.db.connect().await;
    let key = format!("failed:view/{}", view.id);
    other
        .batch_execute(&format!(
            "begin; insert into remat.alerts (rule, kind, dedupe_key, view_id, subject, severity, reason, advice)
             values ('failed', 'failed', '{key}', {}, 's', 'warning', 'r', 'a')", view.id
        ))
        .await
        .unwrap();
    let remat = world.app.remat.clone();
    let judged = tokio::spawn(async move { Alerter::new(&remat).judge().await.unwrap().unwrap() });
    let waits =
        "select count(*) from pg_locks where not granted and database is null and locktype = 'transactionid'";
    remat_testkit::wait_until("the alerter waits for it", async || world.app.count(waits).await > 0).await;
    other.batch_execute("commit").await.unwrap();
    assert_eq!(judged.await.unwrap().fired, 0);
    assert_eq!(world.firing().await, ["failed"]);
}

/// Two views, of which the second reads the first; both have a target of a minute.
async fn chain(world: &World) -> [remat::view::View; 2] {
    let source = world.fragile().await;
    let name = RelationName::new("public", "above").unwrap();
    let mut above = Definition::new(name, "select count(*) as users from per_user");
    above.strategy = Strategy::Regular;
    let above = world.app.create(&above).await;
    world.app.db.execute("update remat.views set target_lag_s = 60").await;
    [source, above]
}

#[tokio::test]
async fn a_view_that_is_stale_because_its_source_failed_is_named_in_the_message_about_that() {
    let world = World::new().await;
    let receiver = Receiver::start(FINE).await;
    world.apply(&world.webhook("ops", &receiver.url("/"))).await;
    let [source, above] = chain(&world).await;
    world.break_it(&source).await;
    world.age().await;
    let judged = world.judge().await;
    assert_eq!((judged.fired, judged.messages), (3, 1));
    let alerts = world.alerts().await;
    let cause = alerts.iter().find(|alert| alert.rule == "failed").unwrap();
    for stale in alerts.iter().filter(|alert| alert.rule == "stale") {
        assert_eq!((stale.caused_by, stale.announced_at), (Some(cause.id), None));
    }
    world.deliver().await;
    let body = receiver.arrived()[0].json();
    assert_eq!(body["dependents"][0], "public.above (stale)");
    assert!(body["text"].as_str().unwrap().contains("grow old with it: public.above (stale)"), "{body}");

    // The source is well again: what read it has some time to follow before it speaks for itself.
    world.mend_it(&source).await;
    assert_eq!(world.judge().await.messages, 1, "the end of the failure");
    assert_eq!(world.firing().await, ["stale"]);
    assert_eq!(world.judge().await.messages, 0);
    world
        .app
        .db
        .execute(
            "update remat.alerts set resolved_at = resolved_at + interval '1 second',
        fired_at = fired_at - interval '1 hour' where rule = 'failed'",
        )
        .await;
    world
        .app
        .db
        .execute(
            "update remat.alerts set resolved_at = resolved_at - interval '11 min' where rule = 'failed'",
        )
        .await;
    assert_eq!(world.judge().await.messages, 1, "it had its time");
    let told = world
        .alerts()
        .await
        .into_iter()
        .find(|alert| alert.view.as_ref() == Some(&above.definition.name))
        .unwrap();
    assert!(told.announced_at.is_some() && told.deliveries.len() == 1);
}

#[tokio::test]
async fn a_mute_hides_an_alert_and_its_end_tells_of_it() {
    let world = World::new().await;
    world.apply(&world.webhook("ops", "http://127.0.0.1:9/")).await;
    let view = world.fragile().await;
    let name = view.definition.name.clone();
    let mute = NewMute {
        rule: Some("failed".into()),
        view: Some(name.clone()),
        reason: Some("known".into()),
        by: "ada".into(),
        ..NewMute::default()
    };
    let muted = world.app.remat.mute(&mute).await.unwrap();
    assert_eq!((muted.rule.as_str(), muted.view.as_ref(), muted.by.as_str()), ("failed", Some(&name), "ada"));
    world.break_it(&view).await;
    let judged = world.judge().await;
    assert_eq!((judged.fired, judged.messages), (1, 0));
    assert!(world.alerts().await[0].is_muted);
    assert_eq!(world.app.remat.unmute(Some("failed"), Some(&name)).await.unwrap(), 1);
    assert_eq!(world.judge().await.messages, 1);
    let audit =
        "select count(*) from remat.events where action in ('mute', 'unmute') and view_id is not null";
    assert_eq!(world.app.count(audit).await, 2);

    let past = Timestamp::now().checked_sub(SignedDuration::from_hours(1)).unwrap();
    let refused = world.app.remat.mute(&NewMute { until: Some(past), ..mute.clone() }).await.unwrap_err();
    assert!(refused.to_string().contains("must end in the future"), "{refused}");
    let unknown = NewMute { rule: Some("fialed".into()), ..mute };
    assert!(world.app.remat.mute(&unknown).await.unwrap_err().to_string().contains("there is no rule"));
}

#[tokio::test]
async fn a_mute_ends_by_itself() {
    let world = World::new().await;
    world.apply(&world.webhook("ops", "http://127.0.0.1:9/")).await;
    let view = world.fragile().await;
    let until = Timestamp::now().checked_add(SignedDuration::from_hours(1)).unwrap();
    world
        .app
        .remat
        .mute(&NewMute { until: Some(until), by: "ada".into(), ..NewMute::default() })
        .await
        .unwrap();
    world.break_it(&view).await;
    assert_eq!(world.judge().await.messages, 0);
    world.app.db.execute("update remat.mutes set until = now()").await;
    assert_eq!(world.judge().await.messages, 1);
    assert!(world.app.remat.mutes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_slow_refresh_fires_by_the_durations_of_the_rows() {
    let world = World::new().await;
    let view = world.app.view(Strategy::Regular, PER_USER).await;
    for _ in 0..5 {
        world.app.refresh(&view).await.check().unwrap();
    }
    world.app.db.execute("update remat.runs set duration_ms = 11000 where operation = 'refresh'").await;
    world.judge().await;
    assert!(world.firing().await.is_empty());
    let last = "update remat.runs set duration_ms = 30000 where id = (select max(id) from remat.runs)";
    world.app.db.execute(last).await;
    world.judge().await;
    assert_eq!(world.firing().await, ["slow"]);
    assert_eq!(
        world.alerts().await[0].reason,
        "is slow: its last refresh took 30 s, the 4 before it took 11 s on average"
    );
    // A quick one ends it, though it took too little time for its durations to be looked at otherwise.
    world.app.refresh(&view).await.check().unwrap();
    world.judge().await;
    assert!(world.firing().await.is_empty());
}

#[tokio::test]
async fn a_scheduler_that_stopped_is_found_by_the_alerter_of_another_process() {
    let world = World::new().await;
    let job = "[[job]]\nname = \"cleanup\"\nschedule = \"@daily\"\nsql = \"select 1\"\n";
    world.apply(job).await;
    world.judge().await;
    assert!(world.firing().await.is_empty(), "there never was a scheduler");
    let turned = "insert into remat.loops (service, turned_at, process) values ('scheduler', now() - interval '2 min', 'gone')";
    world.app.db.execute(turned).await;
    world.judge().await;
    assert_eq!(world.firing().await, ["scheduler_stalled"]);
    let found = world.app.remat.findings().await.unwrap();
    assert!(found[0].reason.starts_with("is stalled: it last looked for what is due 2 min"), "{found:?}");
    world.app.db.execute("update remat.loops set turned_at = now()").await;
    world.judge().await;
    assert!(world.firing().await.is_empty());
}

#[tokio::test]
async fn a_daemon_records_the_turns_of_its_scheduler() {
    let world = World::new().await;
    let running = daemon::start(&world.app.remat, 1).await;
    let turned = "select count(*) from remat.loops where service = 'scheduler' and turned_at > now() - interval '30 s'";
    remat_testkit::wait_until("the turn is recorded", async || world.app.count(turned).await == 1).await;
    let text = world.app.remat.metrics(None).await.unwrap();
    assert!(text.contains("\nremat_scheduler_last_tick_timestamp_seconds "), "{text}");
    running.drain().await;
    let mut recorder = Recorder::new(&world.app.remat, Health::default(), "test".into());
    recorder.run_once().await.unwrap();
    assert_eq!(world.app.count(turned).await, 1, "one that knows no loops changes none");
}

#[tokio::test]
async fn a_lost_worker_a_mismatch_and_a_missing_relation_fire() {
    let world = World::new().await;
    let view = world.app.view(Strategy::Regular, PER_USER).await;
    world
        .app
        .db
        .execute(&format!(
            "insert into remat.workers (name, version, backend, slots, heartbeat_at)
             values ('gone:1', '0', 'postgres', 1, now() - interval '2 min');
             insert into remat.verifications (view_id, run_id, made_at, finding, facts) values ({}, 1, now(), 'mismatch', '{{}}')",
            view.id
        ))
        .await;
    world.judge().await;
    assert_eq!(world.firing().await, ["mismatch", "worker_lost"]);
    world.app.db.execute("drop materialized view per_user; delete from remat.workers").await;
    world.judge().await;
    assert_eq!(world.firing().await, ["mismatch", "missing"]);
}

#[tokio::test]
async fn a_job_of_sql_that_fails_fires_until_it_succeeds() {
    let world = World::new().await;
    world.apply("[[job]]\nname = \"cleanup\"\nschedule = \"@daily\"\nsql = \"select 1\"\n").await;
    let run = |status: &str, rest: &str| {
        format!(
            "insert into remat.runs (operation, status, job_name, started_at, finished_at, duration_ms, error_message)
             values ('sql', '{status}', 'cleanup', now(), now(), 1, {rest})"
        )
    };
    world.app.db.execute(&run("failed", "'no such table'")).await;
    world.judge().await;
    assert_eq!(world.alerts().await[0].subject, "job cleanup");
    world.app.db.execute(&run("success", "null")).await;
    world.judge().await;
    assert!(world.firing().await.is_empty());
}

#[tokio::test]
async fn a_view_that_a_person_pauses_is_quiet() {
    let world = World::new().await;
    world.apply(&world.webhook("ops", "http://127.0.0.1:9/")).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    world.judge().await;
    let pause = Pause { by: "ada".into(), reason: None, until: None };
    world.app.remat.pause(&view, &pause).await.unwrap();
    world.judge().await;
    assert!(world.firing().await.is_empty());
    assert!(world.deliveries().await[1].subject.ends_with("the view was paused"));
}

#[tokio::test]
async fn a_role_without_rights_on_alerts_judges_none_and_breaks_nothing() {
    let world = World::new().await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    let worker = world.app.db.create_role("worker").await;
    let grants = format!(
        "grant usage on schema remat to \"{worker}\"; grant select on all tables in schema remat to \"{worker}\""
    );
    world.app.db.execute(&grants).await;
    let remat = support::connect(&world.app.db.role_url(&worker)).await;
    assert_eq!(Alerter::new(&remat).run_once().await.unwrap().did, None);
    let rights = format!("grant insert, update, delete on remat.alerts, remat.deliveries to \"{worker}\"");
    world.app.db.execute(&rights).await;
    assert!(Alerter::new(&remat).run_once().await.unwrap().did.is_some());
    assert_eq!(world.firing().await, ["failed"]);
}

#[tokio::test]
async fn a_thousand_views_that_go_stale_with_the_scheduler_are_one_message() {
    let world = World::new().await;
    world.apply(&world.webhook("ops", "http://127.0.0.1:9/")).await;
    let view = world.app.view(Strategy::Regular, PER_USER).await;
    assert_eq!(view.definition.key, [Identifier::new("user_id").unwrap()]);
    world
        .app
        .remat
        .create(&view, CreateOptions { force: true, ..CreateOptions::default() })
        .await
        .unwrap()
        .check()
        .unwrap();
    world
        .app
        .db
        .execute(
            "insert into remat.views (schema_name, view_name, query, strategy, fingerprint, relation_oid, relation_fingerprint, target_lag_s)
             select 'public', 'copy_' || g, 'select 1', 'regular', 'x', null, null, 60 from generate_series(1, 1000) g;
             do $$ begin for g in 1..1000 loop execute format('create materialized view copy_%s as select 1 as n', g); end loop; end $$;
             insert into remat.runs (view_id, operation, status, started_at, finished_at, data_as_of, duration_ms)
             select id, 'refresh', 'success', now(), now() - interval '1 hour', now() - interval '1 hour', 1
             from remat.views where view_name like 'copy%';
             insert into remat.loops (service, turned_at, process) values ('scheduler', now() - interval '1 hour', 'gone');
             insert into remat.scheduled_jobs (name, schedule, sql) values ('x', '@daily', 'select 1')",
        )
        .await;
    let judged = world.judge().await;
    assert_eq!((judged.fired, judged.messages), (1001, 1));
    // Generous for a busy machine: a pass must fit between two passes many times over.
    let began = std::time::Instant::now();
    world.app.remat.metrics(None).await.unwrap();
    let (asked, again) = (began.elapsed(), std::time::Instant::now());
    world.judge().await;
    let judged = again.elapsed();
    assert!(asked.as_secs() < 3 && judged.as_secs() < 3, "{asked:?} {judged:?}");
    if let Some(path) = std::env::var_os("REMAT_TIMES_TO") {
        std::fs::write(path, format!("metrics {asked:?}, judging {judged:?}")).unwrap();
    }
}
