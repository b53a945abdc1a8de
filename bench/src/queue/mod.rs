//! How many runs go through the queue: of a statement that does nothing, of a refresh that has next to nothing to do,
//! and, where a peer is given, of another queue's no-op.
//!
//! Law: all contenders go through the same phases on the same server in turns, in tables that were emptied before, and a
//! phase ends when the last run's end is committed. Who enqueues and who works share the machine with the server.

mod contender;
mod peer;
mod work;

use serde_json::{Value, json};

use crate::{
    Outcome,
    args::Args,
    measure::median,
    place::Place,
    report::{Section, Target, figure},
};
use contender::{Contender, Kind};

/// How many runs one statement enqueues, where they are enqueued in batches.
const BATCH: u32 = 500;
/// A refresh is some ten times the work of a no-op, and so fewer will do.
const FEWER_REFRESHES: u32 = 10;

/// What is measured, in this order; the queue is empty before each but [`Phase::WorkOff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    EnqueueSingly,
    WorkOff,
    EnqueueInBatches,
    BothSingly,
    BothInBatches,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::EnqueueSingly, Self::WorkOff, Self::EnqueueInBatches, Self::BothSingly, Self::BothInBatches];

    fn title(self) -> &'static str {
        match self {
            Self::EnqueueSingly => "enqueue, one by one",
            Self::WorkOff => "work off what waits",
            Self::EnqueueInBatches => "enqueue, in batches",
            Self::BothSingly => "both at once, one by one",
            Self::BothInBatches => "both at once, in batches",
        }
    }

    /// As a peer's program is told.
    fn word(self) -> &'static str {
        match self {
            Self::EnqueueSingly => "enqueue-singly",
            Self::WorkOff => "work-off",
            Self::EnqueueInBatches => "enqueue-in-batches",
            Self::BothSingly => "both-singly",
            Self::BothInBatches => "both-in-batches",
        }
    }
}

/// What a phase cost, per run but for the rate.
#[derive(Clone, Copy, Debug)]
struct Figures {
    per_second: f64,
    wal_bytes: f64,
    dead_rows: f64,
    hot_share: f64,
    client_us: Option<f64>,
    server_us: Option<f64>,
}

/// Measures all phases of all contenders.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Vec<Section>> {
    let mut contenders = vec![
        Contender::new(place, Kind::Statement, args.runs).await?,
        Contender::new(place, Kind::Refresh, (args.runs / FEWER_REFRESHES).max(1)).await?,
    ];
    if let Some(program) = &args.peer {
        contenders.push(Contender::new(place, Kind::Peer(program.clone()), args.runs).await?);
    }
    let mut figures = vec![vec![Vec::new(); Phase::ALL.len()]; contenders.len()];
    for round in 0..args.rounds {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            for (phase, figures) in Phase::ALL.into_iter().zip(figures.iter_mut()) {
                let of_phase = contender.measure(place, args, phase).await?;
                eprintln!(
                    "queue: round {round}, {}, {}: {:.0}/s",
                    contender.name(),
                    phase.title(),
                    of_phase.per_second
                );
                figures.push(of_phase);
            }
        }
    }
    Ok(contenders
        .iter()
        .zip(&figures)
        .map(|(contender, figures)| section(contender, args, figures))
        .collect())
}

fn section(contender: &Contender, args: &Args, figures: &[Vec<Figures>]) -> Section {
    let lines = Phase::ALL.into_iter().zip(figures).map(|(phase, figures)| line(phase, figures)).collect();
    let rate = |phase: Phase| {
        let of_phase = Phase::ALL.into_iter().zip(figures).find(|(of, _)| *of == phase);
        of_phase.map_or(0.0, |(_, figures)| median(figures.iter().map(|f| f.per_second)))
    };
    let target = |what, phase| Target {
        what,
        measured: format!("{:.0} per second", rate(phase)),
        reached: rate(phase) >= 2_000.0,
    };
    let targets = match contender.kind {
        Kind::Statement => vec![
            target("at least 2000 runs a second, end to end, enqueued one by one", Phase::BothSingly),
            target("at least 2000 runs a second, end to end, enqueued in batches", Phase::BothInBatches),
        ],
        _ => Vec::new(),
    };
    Section {
        title: contender.title().into(),
        facts: json!({
            "runs": contender.runs, "rounds": args.rounds, "slots": args.slots, "clients": args.clients, "batch": BATCH,
        }),
        columns: vec![
            "phase",
            "runs per second",
            "WAL bytes",
            "dead rows",
            "of them HOT",
            "client CPU us",
            "server CPU us",
        ],
        lines,
        targets,
    }
}

fn line(phase: Phase, figures: &[Figures]) -> Vec<Value> {
    let middle = |get: fn(&Figures) -> f64| median(figures.iter().map(get));
    let told = |get: fn(&Figures) -> Option<f64>| {
        let told: Vec<f64> = figures.iter().filter_map(get).collect();
        if told.is_empty() { Value::Null } else { figure(median(told), 0) }
    };
    vec![
        json!(phase.title()),
        figure(middle(|f| f.per_second), 0),
        figure(middle(|f| f.wal_bytes), 0),
        figure(middle(|f| f.dead_rows), 2),
        figure(middle(|f| f.hot_share), 2),
        told(|f| f.client_us),
        told(|f| f.server_us),
    ]
}
