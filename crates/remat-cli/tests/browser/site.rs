//! A service with views in every state, and a browser that looks at it.

use std::time::Duration;

use jiff::Timestamp;
use remat::{
    operation::RefreshOptions,
    view::{Definition, Pause, Strategy},
};
use remat_testkit::Browser;

use crate::{
    service_of_a_world::Served,
    support::{World, definition},
};

pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) browser: Browser,
    #[allow(dead_code, reason = "it runs as long as the value lives")]
    served: Served,
    address: String,
    base: &'static str,
}

impl Site {
    /// The views below, no login.
    pub(crate) async fn start() -> Self {
        Self::of(furnished().await, "", &["--no-auth"]).await
    }

    pub(crate) async fn of(world: World, base: &'static str, args: &[&str]) -> Self {
        let served = Served::start(&world, args).await;
        let address = served.address().await;
        let browser = Browser::start();
        browser.resize(1280, 900);
        Self { world, browser, served, address, base }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.address, self.base)
    }

    pub(crate) fn go(&self, path: &str) {
        self.browser.go(&self.url(path));
    }

    /// The path that is shown, below the base and without its query.
    pub(crate) fn path(&self) -> String {
        let url = self.browser.url();
        let path = url.strip_prefix(&self.url("")).unwrap_or(&url);
        path.split('?').next().unwrap_or_default().to_owned()
    }
}

/// A function that returns once nobody holds the gate (advisory lock 1).
const GATE: &str = "create function gate() returns boolean language sql volatile as $$
                    select pg_advisory_xact_lock_shared(1) is not null $$";

/// Views that are fresh, stale, failed, paused and absent, one whose refresh waits at a gate, and a job.
pub(crate) async fn furnished() -> World {
    let world = World::new().await;
    world.db.execute("create table sales (id int primary key, day date not null, cents int not null)").await;
    world
        .db
        .execute("insert into sales select g, current_date - g % 30, g from generate_series(1, 500) g")
        .await;
    world.db.execute(GATE).await;
    world.db.execute("create sequence fails").await;
    let key = |name: &str| vec![remat::name::Identifier::new(name).unwrap()];
    let by_day = "select day, sum(cents) as cents from sales group by day";
    let views = [
        Definition {
            target_lag_s: Some(86_400),
            key: key("day"),
            tags: vec!["sales".into()],
            description: Some("Sales of each day.".into()),
            ..definition("daily", by_day)
        },
        Definition {
            target_lag_s: Some(86_400),
            strategy: Strategy::Regular,
            ..definition(
                "weekly",
                "select date_trunc('week', day) as week, sum(cents) as cents from daily group by 1",
            )
        },
        Definition {
            strategy: Strategy::Regular,
            ..definition("broken", "select 1 / greatest(2 - nextval('fails'), 0) as n from daily limit 1")
        },
        Definition { strategy: Strategy::Regular, ..definition("gated", "select 1 as id where gate()") },
        definition("resting", "select count(*) as n from sales"),
    ];
    for view in views {
        let view = world.define(view).await;
        world.remat.create(&view, remat::operation::CreateOptions::default()).await.unwrap().check().unwrap();
        for _ in 0..3 {
            let view = world.remat.view(&view.definition.name).await.unwrap();
            drop(world.remat.refresh(&view, RefreshOptions::default()).await.unwrap());
        }
    }
    world.define(definition("absent", "select 1 as id")).await;
    let resting = world.remat.view(&definition("resting", "").name).await.unwrap();
    let until = Timestamp::now() + Duration::from_hours(1);
    let pause = Pause { by: "ada".into(), reason: Some("a migration".into()), until: Some(until) };
    world.remat.pause(&resting, &pause).await.unwrap();
    world
        .db
        .execute(
            "insert into remat.scheduled_jobs (name, schedule, zone, sql)
             values ('cleanup', '0 3 * * *', 'Europe/Berlin', 'delete from sales where id < 0')",
        )
        .await;
    world
}
