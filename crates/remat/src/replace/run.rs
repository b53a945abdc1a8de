//! Runs the steps of a script and measures them.
//!
//! Law: after every change of role the server is asked who it takes us for; a reset that went elsewhere must not let
//! a query run with more rights than its owner has. A query runs only where the server restricts it: in the making or
//! refresh of a materialized view, or in a [`Restricted`](crate::pg::Restricted).

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::script::{Phase, Step};
use crate::{
    failure::{Failure, FailureKind},
    name::Identifier,
    pg::{Session, catalog::identifier},
};

/// The session's role before anything was changed.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) user: Identifier,
    /// What `set local role` must be given to come back.
    role: String,
}

impl Home {
    pub(super) async fn of(session: &Session) -> Result<Self, Failure> {
        let row = session.query_one("select current_user::text, current_setting('role')", &[]).await?;
        let role: String = row.get(1);
        let role = if role == "none" { role } else { identifier(role)?.to_sql() };
        Ok(Self { user: identifier(row.get(0))?, role })
    }
}

/// Runs steps and remembers what it learnt.
pub(super) struct Runner<'a> {
    session: &'a Session,
    home: Home,
    acting: Identifier,
    pub(super) rows: Option<u64>,
    pub(super) data_as_of: Option<Timestamp>,
    pub(super) phases: Vec<(Phase, Duration)>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(session: &'a Session, home: Home) -> Self {
        let acting = home.user.clone();
        Self { session, home, acting, rows: None, data_as_of: None, phases: Vec::new() }
    }

    pub(super) async fn run(&mut self, phase: Phase, step: &Step) -> Result<(), Failure> {
        let started = Instant::now();
        match step {
            Step::Become(role) => self.act_as(role.clone(), &role.to_sql()).await?,
            Step::Return => self.act_as(self.home.user.clone(), &self.home.role.clone()).await?,
            Step::Sql(sql) => drop(self.session.execute(sql, &[]).await?),
            Step::Fill(sql) => {
                self.read_clock().await?;
                self.rows = Some(self.session.execute(sql, &[]).await?);
            }
            Step::FillTable(restricted) => {
                self.read_clock().await?;
                let ran = restricted.run(self.session).await?;
                self.rows = ran.last().and_then(|ran| ran.number.try_into().ok());
            }
            Step::Count(sql) => {
                let rows: i64 = self.session.query_one(sql, &[]).await?.get(0);
                self.rows = rows.try_into().ok();
            }
        }
        self.note(phase, started.elapsed());
        Ok(())
    }

    /// Adds a measurement to its phase.
    pub(super) fn note(&mut self, phase: Phase, took: Duration) {
        match self.phases.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, sum)) => *sum += took,
            None => self.phases.push((phase, took)),
        }
    }

    /// Before the statement is sent that fills the relation: rows that are committed later may be missing.
    async fn read_clock(&mut self) -> Result<(), Failure> {
        let now = self.session.query_one("select pg_catalog.clock_timestamp()", &[]).await?;
        self.data_as_of = Some(now.get(0));
        Ok(())
    }

    async fn act_as(&mut self, role: Identifier, sql: &str) -> Result<(), Failure> {
        if role == self.acting {
            return Ok(());
        }
        self.session.execute(&format!("set local role {sql}"), &[]).await?;
        let current: String = self.session.query_one("select current_user::text", &[]).await?.get(0);
        if current != role.as_str() {
            let primary = format!("the server did not let us act as \"{role}\"");
            return Err(Failure::new(FailureKind::PermissionDenied, primary));
        }
        self.acting = role;
        Ok(())
    }
}
