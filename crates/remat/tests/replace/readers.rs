//! Readers and other sessions beside a replacement.

use remat::failure::FailureKind;
use remat::pg::catalog;
use remat::replace::replace;
use remat::view::Settings;
use remat_testkit::wait_until;
use std::time::Duration;
use std::time::Instant;

use super::{Place, SALES, deployed, name, replace_in, session};

#[tokio::test]
async fn a_reader_that_holds_its_transaction_is_named_and_nothing_is_left_behind() {
    let place = Place::with(&format!("{SALES} create view v as select id from mv;")).await;
    let before = (place.oid("mv").await, place.facts(&["mv", "v"]).await);
    for read in ["mv", "v"] {
        let reader = place.db.connect().await;
        reader
            .batch_execute(&format!("set application_name = 'the reader'; begin; select from {read}"))
            .await
            .unwrap();
        let failed = place.swap(&name("mv")).await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::LockTimeout, "{failed:?}");
        assert!(failed.complaint.detail.unwrap().contains("the reader"));
        assert_eq!(place.leftovers().await, 0);
        reader.batch_execute("commit").await.unwrap();
    }
    assert_eq!((place.oid("mv").await, place.facts(&["mv", "v"]).await), before);
    place.swap(&name("mv")).await.unwrap();
}

#[tokio::test]
async fn a_reader_of_a_dependent_does_not_make_the_swap_block_other_readers() {
    let place = Place::with(&format!("{SALES} create view v as select id from mv;")).await;
    let holder = place.db.connect().await;
    holder.batch_execute("begin; lock table only v in access share mode").await.unwrap();
    let pid: i32 = holder.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let other = session(&place.db.url()).await;
    let patient = Settings { lock_timeout_ms: 20, lock_budget_ms: 60_000, ..Settings::default() };
    let swap = tokio::spawn(async move {
        other.batch("begin; set local search_path = public").await.unwrap();
        let old = catalog::relation_named(&other, &name("mv")).await.unwrap();
        let done = replace(&other, &patient, old.as_ref(), &deployed(&name("mv")), 1).await;
        other.batch("commit").await.unwrap();
        done
    });
    let waits = format!(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and {pid} = any (pg_blocking_pids(pid))"
    );
    wait_until("the swap waits for the reader", async || place.number(&waits).await > 0).await;
    let reader = place.db.connect().await;
    reader.batch_execute("set statement_timeout = '1s'").await.unwrap();
    // long enough for several attempts at the lock
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(500) {
        reader.query("select count(*) from mv", &[]).await.unwrap();
    }
    holder.batch_execute("commit").await.unwrap();
    let done = swap.await.unwrap().unwrap();
    assert!(done.lock_wait.as_millis() >= 20);
}

#[tokio::test]
async fn readers_in_a_loop_never_see_an_error_or_an_empty_view() {
    let place = Place::with(&format!(
        "{SALES} create view v as select id from mv; create materialized view m as select id from mv;"
    ))
    .await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut readers = Vec::new();
    for relation in ["mv", "v", "m"] {
        let client = place.db.connect().await;
        let stopped = stopped.clone();
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !*stopped.borrow() {
                let row = client.query_one(&format!("select count(*) from {relation}"), &[]).await.unwrap();
                assert!(row.get::<_, i64>(0) >= 1000);
                reads += 1;
            }
            reads
        }));
    }
    for extra in 0..10 {
        place.db.execute(&format!("insert into sale values ({}, 'new', 1, null)", 5000 + extra)).await;
        let settings = Settings { lock_timeout_ms: 20, lock_budget_ms: 30_000, ..Settings::default() };
        place.session.batch("begin; set local search_path = public").await.unwrap();
        let old = catalog::relation_named(&place.session, &name("mv")).await.unwrap();
        replace(&place.session, &settings, old.as_ref(), &deployed(&name("mv")), 1).await.unwrap();
        place.session.batch("commit").await.unwrap();
    }
    stop.send(true).unwrap();
    for reader in readers {
        assert!(reader.await.unwrap() > 10);
    }
    assert_eq!(place.number("select count(*) from m").await, 1010);
}

#[tokio::test]
async fn a_grant_given_during_the_build_ends_the_swap_instead_of_being_lost() {
    let place = Place::with(&format!(
        "create function slow() returns int language sql as 'select 1 from (select pg_advisory_xact_lock_shared(42)) x';
         {SALES} create materialized view slowly as select slow() as one;"
    ))
    .await;
    let gate = place.db.connect().await;
    gate.batch_execute("begin; select pg_advisory_xact_lock(42)").await.unwrap();
    let other = session(&place.db.url()).await;
    let swap =
        tokio::spawn(async move { replace_in(&other, &name("slowly"), &deployed(&name("slowly"))).await });
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    wait_until("the build waits", async || place.number(waits).await == 1).await;
    place.db.execute("grant select on slowly to public").await;
    gate.batch_execute("commit").await.unwrap();
    let failed = swap.await.unwrap().unwrap_err();
    assert_eq!(failed.kind, FailureKind::Serialization, "{failed:?}");
    assert_eq!(place.leftovers().await, 0);
}
