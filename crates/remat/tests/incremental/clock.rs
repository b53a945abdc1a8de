//! Windows of time in time zones, on days that have an hour less and an hour more.
//!
//! Those days are in the future: a signal that meets a server in the middle of reading the false time is told the true one, and
//! if that were later, every timeout would be over.

use remat::{
    name::Identifier,
    operation::{CreateOptions, RefreshOptions},
    run::{Run, Status},
    view::{Definition, View},
};
use tokio_postgres::{Client, NoTls};

use crate::{
    fixture::{differences, incremental},
    support,
    timed::{self, Server},
};

#[test]
#[ignore = "the server of the other test, which starts it under another clock"]
fn server() {
    timed::serve();
}

const VISITS: &str = "
create table visits (id int generated always as identity primary key, user_id int not null, at timestamptz, wall timestamp, day date);
create index on visits (at); create index on visits (wall);
set timezone = 'America/New_York';
insert into visits (user_id, at) select g % 5, '2037-03-06 12:00+00'::timestamptz + g * interval '17 minutes' + interval '30 seconds' from generate_series(1, 400) g;
insert into visits (user_id, at) select g % 5, '2037-10-30 12:00+00'::timestamptz + g * interval '17 minutes' + interval '30 seconds' from generate_series(1, 400) g;
update visits set wall = at, day = at::date where id % 11 <> 0;";

/// Windows that end or begin by the wall's clock, and groups by it.
const VIEWS: [(&str, &str, &str); 9] = [
    (
        "hours",
        "user_id",
        "select user_id, count(*) as n from visits where at > now() - interval '6 hours' group by user_id",
    ),
    (
        "a_day",
        "user_id",
        "select user_id, count(*) as n, max(at) as last from visits where at > now() - interval '1 day' and at <= now() group by user_id",
    ),
    (
        "today",
        "user_id",
        "select user_id, count(*) as n from visits where at >= date_trunc('day', now()) and at < date_trunc('day', now()) + interval '1 day' group by user_id",
    ),
    (
        "elsewhere",
        "id",
        "select id, at from visits where at >= date_trunc('day', now() at time zone 'Europe/Berlin') at time zone 'Europe/Berlin' and at <= now()",
    ),
    (
        "walls",
        "id",
        "select id, wall from visits where wall > (now() at time zone 'America/New_York') - interval '3 hours' and wall <= (now() at time zone 'America/New_York')",
    ),
    (
        "local",
        "id",
        "select id, user_id from visits where wall >= localtimestamp - interval '90 minutes' and wall < localtimestamp + interval '1 hour'",
    ),
    (
        "dates",
        "day, user_id",
        "select day, user_id, count(*) as n from visits where day >= current_date - 1 and day <= current_date group by day, user_id",
    ),
    (
        "by_day",
        "day, user_id",
        "select date_trunc('day', at) as day, user_id, count(*) as n from visits where at <= now() group by 1, 2",
    ),
    (
        "by_hour",
        "hour",
        "select date_trunc('hour', at at time zone 'America/New_York') as hour, count(*) as n from visits where at between now() - interval '2 days' and now() group by 1",
    ),
];

struct World {
    server: Server,
    remat: remat::Remat,
    sql: Client,
    views: Vec<View>,
}

impl World {
    async fn open(zone: &str) -> Self {
        let server = Server::start("clock::server").await;
        let (sql, connection) = tokio_postgres::connect(&server.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        sql.batch_execute(VISITS).await.unwrap();
        let remat = support::connect(&server.url).await;
        remat.migrate().await.unwrap();
        let mut world = Self { server, remat, sql, views: Vec::new() };
        world.sql.batch_execute(&format!("set timezone = '{zone}'")).await.unwrap();
        world.set_clock("2037-03-07 12:00+00").await;
        for (name, key, query) in VIEWS {
            let key = key.split(", ").map(|name| Identifier::new(name).unwrap()).collect();
            let mut definition = Definition { key, ..incremental(name, query) };
            definition.settings.time_zone = zone.into();
            let view = world.remat.define(&definition).await.unwrap();
            world.remat.create(&view, CreateOptions::default()).await.unwrap().check().unwrap();
            let view = world.remat.view(&view.definition.name).await.unwrap();
            world.remat.refresh(&view, RefreshOptions::default()).await.unwrap().check().unwrap();
            world.views.push(view);
        }
        world
    }

    /// The visits are at half minutes, so what is compared does not depend on how long that takes.
    async fn set_clock(&self, time: &str) {
        let second = format!("select extract(epoch from '{time}'::timestamptz)::int8");
        let wanted: i64 = self.sql.query_one(&second, &[]).await.unwrap().get(0);
        self.server.set(wanted - jiff::Timestamp::now().as_second());
    }

    /// Refreshes all, proves each, and gives how many were written to because of time alone.
    async fn refresh(&self) -> usize {
        let mut crossed = 0;
        for view in &self.views {
            let run = self.run(view).await;
            assert!(matches!(run.strategy.as_deref(), Some("incremental" | "skip")), "{run:#?}");
            assert_eq!(differences(&self.sql, view).await, 0, "{run:#?}");
            crossed +=
                usize::from(run.reason.as_deref() == Some("incremental: rows crossed a bound of time"));
        }
        crossed
    }

    /// One refresh that succeeds, and remat's own judgement of it. A server that is told the time by somebody else may lose a
    /// session.
    async fn run(&self, view: &View) -> Run {
        for _ in 0..5 {
            let run = self.remat.refresh(view, RefreshOptions::default()).await.unwrap();
            if run.status != Status::Success {
                continue;
            }
            if let Ok(verification) = self.remat.verify(view).await {
                assert!(verification.equal, "{run:#?}");
                return run;
            }
        }
        panic!("{} cannot be refreshed", view.definition.name);
    }
}

#[tokio::test]
async fn windows_are_right_across_the_hours_that_a_day_lacks_or_has_twice() {
    let world = World::open("America/New_York").await;
    let mut crossed = 0;
    // From before midnight to after the change, in steps that do not divide an hour.
    for begin in ["2037-03-08 04:00+00", "2037-11-01 03:00+00"] {
        for step in 0..12 {
            let time = format!("'{begin}'::timestamptz + {step} * interval '25 minutes'");
            let time: String =
                world.sql.query_one(&format!("select ({time})::text"), &[]).await.unwrap().get(0);
            world.set_clock(&time).await;
            if step % 2 == 0 {
                let written = format!(
                    "insert into visits (user_id, at, wall, day)
                     select 7, t, t, t from (select '{time}'::timestamptz - interval '30 seconds') n (t);
                     update visits set user_id = user_id + 10, at = at + interval '1 hour', wall = wall - interval '1 hour'
                     where id % 97 = {step}"
                );
                world.sql.batch_execute(&written).await.unwrap();
            }
            crossed += world.refresh().await;
        }
    }
    assert!(crossed > 50, "{crossed}");
    // A clock that was wrong and is put right.
    for time in ["2037-11-01 05:10+00", "2037-10-31 20:00+00", "2037-11-03 00:00+00", "2037-11-01 06:20+00"] {
        world.set_clock(time).await;
        world.refresh().await;
        world.sql.batch_execute("update visits set user_id = user_id + 10 where id % 31 = 0").await.unwrap();
        world.refresh().await;
    }
}
