//! Many schedulers and many times that fell due: each is dealt with once.

use crate::{
    chance::size,
    invariants,
    process::{Orders, Process},
    world::World,
};

const JOBS: usize = 20;

#[tokio::test]
async fn five_daemons_fire_each_of_many_times_once_also_when_one_is_killed() {
    let world = World::new().await;
    let each = size(25, 500);
    // What fell due while nobody watched; the runs only leave their mark.
    world.execute("update pace set ms = 0, broken = 0").await;
    world
        .execute(&format!(
            "insert into remat.scheduled_jobs (name, schedule, sql, dispatch, created_at, updated_at)
             select 'missed ' || n, '*/2 * * * * *', 'select public.mark()',
                    '{{\"overlap\": \"queue\", \"misfire\": \"all\", \"jitter_s\": 0}}', past, past
             from generate_series(1, {JOBS}) n, (select clock_timestamp() - interval '{} seconds' as past) as long_ago",
            each * 2
        ))
        .await;
    let mut fleet: Vec<_> =
        (0..5).map(|n| Process::start(&Orders::new(&world.url, &format!("w{n}")))).collect();
    let wanted = i64::try_from(each * JOBS).unwrap();
    remat_testkit::wait_until("the first times were dealt with", async || {
        world.count("select count(*) from remat.fires").await > wanted / 10
    })
    .await;
    fleet[0].replace();
    while world.count("select count(*) from remat.fires").await < wanted {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    world.end(fleet, &[]).await;
    invariants::tell(&world, "fires").await;
    // Two seconds apart, from the first after the job was written to the newest: none is missing.
    let passed_over = "select job_name from remat.fires f join remat.scheduled_jobs j on j.name = f.job_name
         group by job_name, j.created_at
         having count(*) <> floor(extract(epoch from max(f.fire_at)) / 2) - floor(extract(epoch from j.created_at) / 2)";
    assert_eq!(world.lines(passed_over).await, Vec::<String>::new());
    assert!(world.count("select count(*) from done").await >= wanted);
}

#[tokio::test]
async fn a_job_that_cannot_be_enqueued_is_recorded_and_holds_up_no_other() {
    let world = World::new().await;
    world.execute("update pace set ms = 0, broken = 0").await;
    world.ticking(2).await;
    world
        .execute(
            r#"insert into remat.scheduled_jobs (name, schedule, sql, dispatch)
               values ('a bad one', '* * * * * *', 'select 1', '{"priority": "high"}')"#,
        )
        .await;
    let daemon = Process::ready(&world, &Orders::new(&world.url, "w")).await;
    remat_testkit::wait_until("the others are done", async || {
        world.count("select count(*) from remat.runs where operation = 'sql' and status = 'success'").await
            >= 4
    })
    .await;
    let refused = "select count(*) from remat.fires where job_name = 'a bad one' and outcome = 'skipped' and reason = 'refused'";
    assert!(world.count(refused).await > 0);
    world.end(vec![daemon], &[]).await;
}
