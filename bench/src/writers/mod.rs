//! What capturing changes costs those who write: transactions per second of single rows, and statements of many rows.
//!
//! Law: every table has the same rows and indexes; they differ in what stands on them alone. A turn measures each of them
//! once, the first of them changing from turn to turn, and each is compared with the bare table of the same turn.

mod load;

use remat::{
    capture::{self, Need},
    error::Error,
    name::RelationName,
    view::{Definition, Settings},
};
use serde_json::{Value, json};

use crate::{
    Outcome,
    args::Args,
    measure::median,
    place::Place,
    report::{Section, Target, figure},
};
use load::{Bulk, Figures, Single};

/// Rows that each table begins with.
const ROWS: i64 = 200_000;
/// Rows of a statement of many.
const MANY: i64 = 10_000;
/// What one turn at single rows lasts unless it is told, in seconds.
const SECONDS: u32 = 4;
const CLIENTS: [u32; 2] = [1, 8];

/// What stands on a table beside its primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Burden {
    Nothing,
    OneView,
    SevenViews,
    RowTriggers,
    Ivm,
}

impl Burden {
    fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::OneView => "1 incremental view",
            Self::SevenViews => "7 incremental views",
            Self::RowTriggers => "row triggers, whole rows",
            Self::Ivm => "pg_ivm, 1 view",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Nothing => "bench.w_nothing",
            Self::OneView => "bench.w_one",
            Self::SevenViews => "bench.w_seven",
            Self::RowTriggers => "bench.w_rows",
            Self::Ivm => "bench.w_ivm",
        }
    }
}

/// The columns that each of seven views reads of the table; one view reads the first of these.
const READ: [&[&str]; 7] = [
    &["name", "amount", "changed_at"],
    &["name"],
    &["name", "amount"],
    &["id", "changed_at", "note"],
    &["changed_at", "amount"],
    &["name", "note"],
    &["id", "name", "amount", "changed_at"],
];

/// A log of whole rows as it is made by hand: one trigger for each row, and an index for those who read.
const ROW_LOG: &str = "
create table bench.row_log (at bigint generated always as identity primary key, xid xid8 not null default pg_current_xact_id(),
                            op \"char\" not null, was jsonb, is_now jsonb);
create function bench.log_row() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into bench.row_log (op, is_now) values ('i', to_jsonb(new));
  elsif tg_op = 'UPDATE' then
    insert into bench.row_log (op, was, is_now) values ('u', to_jsonb(old), to_jsonb(new));
  else
    insert into bench.row_log (op, was) values ('d', to_jsonb(old));
  end if;
  return null;
end $$;
create trigger log_row after insert or update or delete on bench.w_rows for each row execute function bench.log_row();";

/// Measures single rows with one client and with eight, and then many rows at once.
pub(crate) async fn measure(place: &Place, args: &Args) -> Outcome<Vec<Section>> {
    let burdens = set_up(place).await?;
    let seconds = args.seconds.unwrap_or(SECONDS);
    let mut sections = Vec::new();
    for clients in CLIENTS {
        let mut figures = vec![Vec::new(); burdens.len() * Single::ALL.len()];
        for (kind_at, kind) in Single::ALL.into_iter().enumerate() {
            for round in 0..args.rounds {
                for turn in 0..burdens.len() {
                    let at = (round + turn) % burdens.len();
                    let burden = burdens[at];
                    let measured = load::single(place, kind, burden.table(), clients, seconds).await?;
                    eprintln!("writers: {clients}, {kind:?}, {}: {measured:?}", burden.title());
                    figures[kind_at * burdens.len() + at].push(measured);
                }
                place.sql.batch_execute("checkpoint").await?;
            }
        }
        sections.push(singles(args, clients, seconds, &burdens, &figures));
    }
    sections.push(bulks(place, args, &burdens).await?);
    Ok(sections)
}

async fn set_up(place: &Place) -> Outcome<Vec<Burden>> {
    let mut burdens = vec![Burden::Nothing, Burden::OneView, Burden::SevenViews, Burden::RowTriggers];
    let ivm = "select exists (select from pg_available_extensions where name = 'pg_ivm')";
    if place.sql.query_one(ivm, &[]).await?.get(0) {
        burdens.push(Burden::Ivm);
    }
    for burden in &burdens {
        let table = burden.table();
        let make = format!(
            "create table {table} (id bigint primary key, name text not null, amount numeric(12,2) not null,
                                   changed_at timestamptz not null, note text);
             insert into {table}
             select g, 'name ' || g % 1000, (g * 37 % 100000) / 100.0, timestamptz '2026-01-01 00:00+00' + g * interval '1 second',
                    repeat('x', 20 + (g % 20)::int)
             from   generate_series(1, {ROWS}) g"
        );
        place.sql.batch_execute(&make).await?;
        match burden {
            Burden::Nothing => {}
            Burden::OneView => install(place, table, "one", &READ[..1]).await?,
            Burden::SevenViews => install(place, table, "seven", &READ).await?,
            Burden::RowTriggers => place.sql.batch_execute(ROW_LOG).await?,
            Burden::Ivm => {
                let view = format!(
                    "create extension pg_ivm;
                     select pgivm.create_immv('bench.ivm', 'select name, count(*) as n, sum(amount) as total from {table} group by name')"
                );
                place.sql.batch_execute(&view).await?;
            }
        }
    }
    place.sql.batch_execute("vacuum (analyze)").await?;
    Ok(burdens)
}

/// The capture that views of these columns need: it is all that writers notice of them.
async fn install(place: &Place, table: &str, name: &str, views: &[&[&str]]) -> Outcome {
    let session = place.remat.session().await?;
    for (at, columns) in views.iter().enumerate() {
        let view = RelationName::new("bench", format!("{name}_{at}"))?;
        let view = place.remat.define(&Definition::new(view, "select 1 as one")).await?;
        let numbers = "select $1::text::regclass::oid, array(select attnum from pg_attribute
                       where attrelid = $1::text::regclass and attname::text = any ($2) order by attnum)";
        let row = place.sql.query_one(numbers, &[&table, columns]).await?;
        let needs = [Need { table: row.get(0), columns: row.get(1) }];
        capture::install(&session, &Settings::default(), view.id, &needs).await.map_err(Error::from)?;
    }
    place.remat.give_back(session);
    Ok(())
}

fn singles(args: &Args, clients: u32, seconds: u32, burdens: &[Burden], figures: &[Vec<Figures>]) -> Section {
    let mut lines = Vec::new();
    let mut least: f64 = f64::INFINITY;
    for (kind_at, kind) in Single::ALL.into_iter().enumerate() {
        let bare = &figures[kind_at * burdens.len()];
        for (at, burden) in burdens.iter().enumerate() {
            let turns = &figures[kind_at * burdens.len() + at];
            let kept = median(turns.iter().zip(bare).map(|(turn, bare)| turn.per_second / bare.per_second));
            if matches!(burden, Burden::OneView | Burden::SevenViews) {
                least = least.min(kept);
            }
            let cpu = |turns: &[Figures]| median(turns.iter().filter_map(|turn| turn.server_us));
            lines.push(vec![
                json!(kind.title()),
                json!(burden.title()),
                figure(median(turns.iter().map(|turn| turn.per_second)), 0),
                figure(kept * 100.0, 0),
                figure(cpu(turns), 0),
                figure(cpu(turns) - cpu(bare), 0),
            ]);
        }
    }
    let target = Target {
        what: "inserts, updates and deletes of single rows keep at least 85 %",
        measured: format!("{:.0} %", least * 100.0),
        reached: least >= 0.85,
    };
    Section {
        title: format!("writers: single rows, {clients} at once"),
        facts: json!({ "rows": ROWS, "rounds": args.rounds, "seconds": seconds }),
        columns: vec!["statement", "on the table", "per second", "kept %", "server CPU us", "more CPU us"],
        lines,
        targets: if clients == 8 { vec![target] } else { Vec::new() },
    }
}

async fn bulks(place: &Place, args: &Args, burdens: &[Burden]) -> Outcome<Section> {
    let mut ms = vec![Vec::new(); burdens.len() * Bulk::ALL.len()];
    // One turn warms up; more than for single rows, because they are short.
    for round in 0..=args.rounds * 3 {
        for (kind_at, kind) in Bulk::ALL.into_iter().enumerate() {
            for turn in 0..burdens.len() {
                let at = (round + turn) % burdens.len();
                let took = load::bulk(place, kind, burdens[at].table(), MANY).await?;
                if round > 0 {
                    ms[kind_at * burdens.len() + at].push(took);
                }
            }
        }
        eprintln!("writers: many rows at once, round {round}");
    }
    let mut lines: Vec<Vec<Value>> = Vec::new();
    let mut most: f64 = 0.0;
    for (kind_at, kind) in Bulk::ALL.into_iter().enumerate() {
        let bare = &ms[kind_at * burdens.len()];
        for (at, burden) in burdens.iter().enumerate() {
            let turns = &ms[kind_at * burdens.len() + at];
            let costs = median(turns.iter().zip(bare).map(|(turn, bare)| turn / bare));
            if kind == Bulk::Insert && matches!(burden, Burden::OneView | Burden::SevenViews) {
                most = most.max(costs);
            }
            lines.push(vec![
                json!(kind.title()),
                json!(burden.title()),
                figure(median(turns.iter().copied()), 1),
                figure(costs, 2),
            ]);
        }
    }
    Ok(Section {
        title: format!("writers: {MANY} rows in one statement"),
        facts: json!({ "rows": ROWS, "rounds": args.rounds * 3 }),
        columns: vec!["statement", "on the table", "ms", "times the bare table"],
        lines,
        targets: vec![Target {
            what: "an insert of 10,000 rows costs at most 1.6 times",
            measured: format!("{most:.2} times"),
            reached: most <= 1.6,
        }],
    })
}
