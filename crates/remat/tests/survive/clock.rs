//! The server's clock jumps by an hour, forth and back.
//!
//! What the scheduler decides by such a clock is tested below without a server.

use jiff::{SignedDuration, Timestamp};
use remat::schedule::{
    Dispatch, Misfire, Schedule,
    misfire::{self, GRACE},
};
use remat_testkit::wait_until;

use crate::{
    chance::Chance,
    process::{Orders, Process},
    timed::{self, Server},
    world::World,
};

#[test]
#[ignore = "the server of the other tests, which start it under another clock"]
fn server() {
    timed::serve();
}

#[tokio::test]
async fn a_clock_that_jumps_by_an_hour_loses_and_doubles_nothing_and_keeps_nobody_waiting() {
    let server = Server::start("clock::server").await;
    let world = World::at(&server.url).await;
    world.execute("update pace set ms = 20, broken = 0").await;
    world.jobs(3, "*/2 * * * * *").await;
    let fleet = vec![
        Process::ready(&world, &Orders::new(&world.url, "w0")).await,
        Process::ready(&world, &Orders::new(&world.url, "w1")).await,
    ];
    wait_until("the jobs fire", async || world.count("select count(*) from remat.fires").await >= 6).await;
    let mut chance = Chance::of("clock");
    let mut promised = world.ask(&mut chance, 20).await;
    server.set(3600);
    promised.extend(world.ask(&mut chance, 20).await);
    let answered = "select count(*) from remat.fires where missed > 0";
    wait_until("each job fired for the hour that was jumped over", async || world.count(answered).await == 3)
        .await;
    let fires = world.count("select count(*) from remat.fires").await;
    wait_until("the jobs fire on", async || {
        world.count("select count(*) from remat.fires").await >= fires + 6
    })
    .await;

    // Back again: what waits, and what a dead worker has, seem to be of the future.
    let mut lost =
        Process::ready(&world, &Orders { slots: 1, schedules: false, ..Orders::new(&world.url, "lost") })
            .await;
    let gate = world.client().await;
    gate.batch_execute("select pg_advisory_lock(77)").await.unwrap();
    for daemon in &fleet {
        daemon.signal("STOP");
    }
    let gated = world.sql_job("select public.mark() from pg_advisory_xact_lock_shared(77)").await;
    let claimed = format!("select count(*) from remat.runs where id = {gated} and status = 'running'");
    wait_until("the run is at work", async || world.count(&claimed).await == 1).await;
    promised.push(gated);
    promised.push(world.count("select remat.enqueue_refresh('merge')").await);
    lost.kill();
    server.set(0);
    drop(gate);
    for daemon in &fleet {
        daemon.signal("CONT");
    }
    let open = "select count(*) from remat.runs where status in ('pending', 'running', 'unknown')";
    wait_until("all was done", async || world.count(open).await == 0).await;
    promised.extend(world.ask(&mut chance, 20).await);
    world.rest(fleet).await;
    crate::invariants::check_but_times(&world, &promised).await;
    let again = format!("select count(*) from remat.runs where retry_of = {gated} and status = 'success'");
    assert_eq!(world.count(&again).await, 1);
}

/// Lets a scheduler look every twenty seconds at a clock that jumps, and gives every time that it deals with.
fn dealt_with(jumps: &[(i64, i64)], dispatch: &Dispatch) -> Vec<(Timestamp, u32)> {
    let schedule = Schedule::parse("*/5 * * * *", "Europe/Berlin").unwrap();
    let start: Timestamp = "2026-03-29T00:00:30Z".parse().unwrap();
    let (mut last, mut now, mut dealt) = (start, start, Vec::new());
    for second in (0..4 * 3600).step_by(20) {
        let jumped = jumps.iter().filter(|(at, _)| *at == second).map(|(_, by)| *by).sum::<i64>();
        now += SignedDuration::from_secs(20 + jumped);
        let due = misfire::due(&schedule, last, now, dispatch, GRACE, 7);
        dealt.extend(due.skipped.map(|skipped| (skipped.at, skipped.missed)));
        dealt.extend(due.fire.iter().map(|fire| (fire.at, fire.missed)));
        last = due.newest().unwrap_or(last);
    }
    dealt
}

#[test]
fn a_scheduler_whose_clock_jumps_deals_with_each_time_once_and_in_order() {
    let hour = 3600;
    for misfire in [Misfire::Once, Misfire::All, Misfire::Skip] {
        let dispatch = Dispatch { misfire, ..Dispatch::default() };
        for jumps in [
            vec![],
            vec![(100, hour)],
            vec![(4000, -hour)],
            vec![(100, hour), (5000, -hour)],
            vec![(20, -hour), (40, 2 * hour)],
        ] {
            let dealt = dealt_with(&jumps, &dispatch);
            assert!(dealt.windows(2).all(|pair| pair[0].0 < pair[1].0), "{jumps:?}: {dealt:?}");
            let (first, newest) = (dealt[0], dealt[dealt.len() - 1].0);
            let before_first = i64::from(first.1);
            let fell_due = (newest.as_second() - first.0.as_second()) / 300 + 1 + before_first;
            let told: i64 = dealt.iter().map(|(_, missed)| 1 + i64::from(*missed)).sum();
            assert_eq!(told, fell_due, "{misfire:?} {jumps:?}: {dealt:?}");
        }
    }
}

#[test]
fn a_scheduler_whose_clock_went_back_rests_until_it_has_caught_up() {
    let dealt = dealt_with(&[(3600, -3600)], &Dispatch::default());
    let straight = dealt_with(&[], &Dispatch::default());
    assert_eq!(dealt[..], straight[..dealt.len()]);
    assert_eq!(straight.len() - dealt.len(), 3600 / 300);
}
