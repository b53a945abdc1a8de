//! One queue and one kind of run, and what a phase of it costs.

use std::time::Duration;

use remat::{
    name::{Identifier, RelationName},
    operation::CreateOptions,
    view::{Definition, Strategy},
};
use tokio::time::{Instant, sleep};

use super::{Figures, Phase, peer, work};
use crate::{
    Outcome,
    args::Args,
    place::{Place, connect},
    processor,
};

/// How many views are refreshed in turns.
const VIEWS: u32 = 100;

/// Whose queue, and what its runs do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Runs of `select 1`.
    Statement,
    /// Merges of a view of one row.
    Refresh,
    /// Another queue's job that does nothing, driven by this program.
    Peer(String),
}

/// Goes through the phases.
pub(super) struct Contender {
    pub(super) kind: Kind,
    /// How many runs a phase has.
    pub(super) runs: u32,
}

/// Totals of the server until now.
struct Totals {
    wal: f64,
    dead: f64,
    hot: f64,
    used: Option<processor::Used>,
}

impl Contender {
    pub(super) async fn new(place: &Place, kind: Kind, runs: u32) -> Outcome<Self> {
        match &kind {
            Kind::Statement => {}
            Kind::Refresh => make_views(place).await?,
            Kind::Peer(program) => peer::prepare(place, program).await?,
        }
        Ok(Self { kind, runs })
    }

    pub(super) fn title(&self) -> &'static str {
        match self.kind {
            Kind::Statement => "queue: runs of `select 1`",
            Kind::Refresh => "queue: refreshes of views of one row by merge",
            Kind::Peer(_) => "queue: the peer's no-op",
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Statement => "select 1",
            Kind::Refresh => "refresh",
            Kind::Peer(_) => "peer",
        }
    }

    /// Goes through one phase.
    pub(super) async fn measure(&self, place: &Place, args: &Args, phase: Phase) -> Outcome<Figures> {
        if phase != Phase::WorkOff {
            self.empty(place).await?;
        }
        let before = self.totals(place).await?;
        let took = match &self.kind {
            Kind::Peer(program) => peer::go_through(place, args, program, phase, self.runs).await?,
            kind => {
                let began = Instant::now();
                work::go_through(place, args, *kind == Kind::Refresh, phase, self.runs).await?;
                began.elapsed()
            }
        };
        let after = self.totals(place).await?;
        Ok(self.figures(&before, &after, took))
    }

    fn figures(&self, before: &Totals, after: &Totals, took: Duration) -> Figures {
        let per_run = |total: f64| total / f64::from(self.runs);
        let microseconds = |pick: fn(processor::Used) -> f64| {
            Some(per_run((pick(after.used?) - pick(before.used?)) * 1_000_000.0))
        };
        let dead = after.dead - before.dead;
        Figures {
            per_second: f64::from(self.runs) / took.as_secs_f64(),
            wal_bytes: per_run(after.wal - before.wal),
            dead_rows: per_run(dead),
            hot_share: if dead > 0.0 { (after.hot - before.hot) / dead } else { 0.0 },
            client_us: microseconds(|used| used.client),
            server_us: microseconds(|used| used.server),
        }
    }

    async fn empty(&self, place: &Place) -> Outcome {
        let tables = match self.kind {
            Kind::Peer(_) => peer::TABLES,
            _ => "remat.runs, remat.fires",
        };
        Ok(place.sql.batch_execute(&format!("truncate {tables}")).await?)
    }

    /// Sessions tell their counts when they end, at the latest.
    async fn totals(&self, place: &Place) -> Outcome<Totals> {
        let used = processor::used(&place.sql).await;
        sleep(Duration::from_millis(500)).await;
        let schema = match self.kind {
            Kind::Peer(_) => peer::SCHEMA,
            _ => "remat",
        };
        let sql = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8,
                          coalesce(sum(n_tup_upd + n_tup_del), 0)::float8, coalesce(sum(n_tup_hot_upd), 0)::float8
                   from   pg_stat_user_tables where schemaname = $1";
        let row = place.sql.query_one(sql, &[&schema]).await?;
        Ok(Totals { wal: row.get(0), dead: row.get(1), hot: row.get(2), used })
    }
}

async fn make_views(place: &Place) -> Outcome {
    for number in 0..VIEWS {
        let definition = Definition {
            strategy: Strategy::Merge,
            key: vec![Identifier::new("id")?],
            ..Definition::new(
                RelationName::new("bench", format!("tiny_{number}"))?,
                "select 1 as id, now() as at",
            )
        };
        let view = place.remat.define(&definition).await?;
        place.remat.create(&view, CreateOptions::default()).await?.check()?;
    }
    let sql = connect(&place.url).await?;
    Ok(sql.batch_execute("vacuum analyze").await?)
}
