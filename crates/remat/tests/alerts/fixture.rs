//! A view that can be made to fail, and what alerts say of it.

use std::path::PathBuf;

use remat::{
    project::{self, Project},
    run::Status,
    service::{
        Service as _,
        alerter::{Alerter, Judged},
        deliverer::Deliverer,
    },
    store::{
        alerts::{Alert, AlertFilter},
        deliveries::Delivery,
    },
    view::{Strategy, View},
};

use crate::support::App;

/// A query that fails once a sale costs nothing.
const FRAGILE: &str = "select user_id, sum(100000 / cents) as x from sales group by user_id";

pub(crate) struct World {
    pub(crate) app: App,
    /// Of this test alone.
    pub(crate) dir: PathBuf,
}

impl World {
    pub(crate) async fn new() -> Self {
        let app = App::start().await;
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(app.db.name());
        std::fs::create_dir_all(&dir).unwrap();
        Self { app, dir }
    }

    /// `public.per_user`, which [`Self::break_it`] breaks.
    pub(crate) async fn fragile(&self) -> View {
        self.app.view(Strategy::Regular, FRAGILE).await
    }

    pub(crate) async fn break_it(&self, view: &View) {
        self.app.db.execute("update sales set cents = 0 where id = 1").await;
        assert_eq!(self.app.refresh(view).await.status, Status::Failed);
    }

    pub(crate) async fn mend_it(&self, view: &View) {
        self.app.db.execute("update sales set cents = 1 where id = 1").await;
        assert_eq!(self.app.refresh(view).await.status, Status::Success);
    }

    /// Makes the contents of each view look an hour older.
    pub(crate) async fn age(&self) {
        self.app
            .db
            .execute(
                "update remat.runs set data_as_of = data_as_of - interval '1 hour' where status = 'success'",
            )
            .await;
    }

    /// A project without views that says this of alerts.
    pub(crate) fn project(text: &str) -> Project {
        let settings = project::parse_settings(&format!("[project]\nname = \"tests\"\n{text}")).unwrap();
        Project { settings, views: Vec::new() }
    }

    pub(crate) async fn apply(&self, text: &str) {
        let project = Self::project(text);
        let plan = self.app.remat.plan(&project).await.unwrap();
        self.app.remat.apply(&project, &plan, false).await.unwrap();
    }

    /// A file with this in it.
    pub(crate) fn secret(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A webhook `[destinations.<name>]` at this address of this machine.
    pub(crate) fn webhook(&self, name: &str, url: &str) -> String {
        let url = self.secret(name, url);
        format!(
            "[destinations.{name}]\nkind = \"webhook\"\nurl_file = \"{url}\"\nallow_private = true\nallow_http = true\n"
        )
    }

    pub(crate) async fn judge(&self) -> Judged {
        Alerter::new(&self.app.remat).judge().await.unwrap().unwrap()
    }

    pub(crate) async fn alerts(&self) -> Vec<Alert> {
        self.app.remat.alerts(&AlertFilter::default()).await.unwrap()
    }

    /// The rules of the alerts that fire, in the order in which they began.
    pub(crate) async fn firing(&self) -> Vec<String> {
        let filter = AlertFilter { is_open: Some(true), ..AlertFilter::default() };
        let alerts = self.app.remat.alerts(&filter).await.unwrap();
        alerts.into_iter().rev().map(|alert| alert.rule).collect()
    }

    /// The messages, the oldest first.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let mut deliveries = self.app.remat.deliveries(100).await.unwrap();
        deliveries.reverse();
        deliveries
    }

    /// One pass of the deliverer.
    pub(crate) async fn deliver(&self) {
        Deliverer::new(&self.app.remat).run_once().await.unwrap();
    }

    /// What waits for its next attempt need not wait any longer.
    pub(crate) async fn hurry(&self) {
        self.app.db.execute("update remat.deliveries set due_at = now() where status = 'pending'").await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
