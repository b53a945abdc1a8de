//! A listener over a world, and tokens for it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part, and panics where it must fail"
)]

use remat::access::{Act, NewToken, Role};
use remat_testkit::wait_until;
use serde_json::Value;

use crate::{
    http::{Ask, Reply},
    service_of_a_world::Served,
    support::World,
};

pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) served: Served,
    pub(crate) address: String,
}

impl Site {
    pub(crate) async fn start(args: &[&str]) -> Self {
        let world = World::new().await;
        Self::over(world, args).await
    }

    pub(crate) async fn over(world: World, args: &[&str]) -> Self {
        let served = Served::start(&world, args).await;
        let address = served.address().await;
        Self { world, served, address }
    }

    /// A token that sees everything.
    pub(crate) async fn token(&self, name: &str, role: Role) -> String {
        self.scoped(name, role, &[]).await
    }

    pub(crate) async fn scoped(&self, name: &str, role: Role, schemas: &[&str]) -> String {
        let schemas = schemas.iter().map(|schema| (*schema).to_owned()).collect();
        let token = NewToken { name: name.into(), role, schemas, lasts: None };
        self.world.remat.create_token(&token, &Act::default()).await.unwrap().1.reveal().to_owned()
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Reply {
        ask.send(&self.address)
    }

    /// Asks with a token, expects the status, and gives the document.
    pub(crate) fn json(&self, ask: Ask, token: &str, status: u16) -> Value {
        let ask = ask.token(token);
        let reply = self.ask(&ask);
        assert_eq!(reply.status, status, "{ask:?}: {reply:?}");
        reply.json()
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Value {
        self.json(Ask::get(path), token, 200)
    }

    /// Waits until a run has ended, and gives it.
    pub(crate) async fn ended(&self, run: &Value, token: &str) -> Value {
        let path = format!("/api/v1/runs/{run}");
        let over =
            |run: &Value| !["pending", "running", "unknown"].contains(&run["status"].as_str().unwrap());
        wait_until("the run has ended", async || over(&self.get(&path, token))).await;
        self.get(&path, token)
    }
}
