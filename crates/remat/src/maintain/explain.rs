//! Tells how a view follows changes, or why it does not.
//!
//! Law: it reads, in one read-only transaction that is rolled back, and what it tells is what a refresh would find: the same
//! reader and the same compiler. A statement is planned only where that can run no code of another role.

use remat_sql::{
    Rejection,
    ir::quoted,
    maintain::{Technique, Turn, advice},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Planned, PlannedSource,
    planned::compiled,
    read::{Reading, full_names},
};
use crate::{
    error::{Complaint, Error, ErrorKind},
    failure::Failure,
    name::{Identifier, RelationName},
    operation::pin,
    pg::{
        Session,
        catalog::{self, Relation},
    },
    store::{captures, plans},
    view::{RelationKind, Strategy, View},
};

/// How a view follows the changes of what it reads, or why it does not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The view.
    pub view: RelationName,
    /// The strategy of its definition.
    pub strategy: Strategy,
    /// True when a plan could be made by which it follows changes.
    pub incremental: bool,
    /// True when its strategy asks for that: `incremental`, or `auto` with a key.
    pub wanted: bool,
    /// The strategy that serves it where it does not.
    pub otherwise: Strategy,
    /// What a refresh does, one statement each; the last one writes the view.
    pub stages: Vec<StageTold>,
    /// The tables beside the view.
    pub hidden: Vec<HiddenTold>,
    /// The tables whose changes it must be told.
    pub sources: Vec<SourceTold>,
    /// Why there is no plan.
    pub refusal: Option<Refusal>,
    /// What stood in the way of a plan when a refresh last made one ready, such as a missing right; it may have gone since.
    pub obstacle: Option<Complaint>,
    /// Indexes that would serve its refreshes.
    pub advice: Vec<Advice>,
}

/// One statement of a refresh.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTold {
    /// How it follows changes.
    pub technique: Technique,
    /// What it is.
    pub title: String,
    /// What the planner of the server expects it to cost, where all that it needs is there.
    pub cost: Option<f64>,
    /// The statement. Changes for which there is no log yet stand in it as a table with a telling name.
    pub sql: String,
}

/// A table beside the view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HiddenTold {
    /// Its name.
    pub table: RelationName,
    /// Its size with indexes, where it is there.
    pub bytes: Option<i64>,
    /// The query that fills it.
    pub sql: String,
}

/// A table whose changes the view must be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceTold {
    /// Its name.
    pub table: RelationName,
    /// The columns that must be told.
    pub columns: Vec<String>,
    /// True when a log of these columns stands and no change can pass it by.
    pub captured: bool,
}

/// Why a view does not follow changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Its code, such as `R021`.
    pub code: &'static str,
    /// The construct that stands in the way.
    pub construct: String,
    /// Why.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
    /// Where it stands in the query as the server prints it, where that is known.
    pub place: Option<Place>,
}

/// A place in a query as the server prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line.
    pub text: String,
}

/// An index that would serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The statement that makes it.
    pub sql: String,
    /// What for.
    pub reason: String,
}

/// Explains a view whose relation stands.
pub(crate) async fn explain(session: &Session, view: &View) -> Result<Explanation, Error> {
    session.batch("begin transaction isolation level read committed read only").await?;
    let told = told(session, view).await;
    session.batch("rollback").await?;
    told
}

async fn told(session: &Session, view: &View) -> Result<Explanation, Error> {
    pin(session, &view.definition.settings).await?;
    let name = &view.definition.name;
    let relation = catalog::relation_named(session, name).await?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("view \"{name}\" does not exist in the database"))
            .with_hint(format!("Run `remat create {name}`."))
    })?;
    let compiled = Box::pin(compiled(session, view, &relation)).await?;
    let strategy = view.definition.strategy;
    let mut explanation = Explanation {
        view: name.clone(),
        strategy,
        incremental: false,
        wanted: view.definition.follows_changes(),
        otherwise: if relation.kind == Some(RelationKind::Table) { Strategy::Merge } else { strategy },
        stages: Vec::new(),
        hidden: Vec::new(),
        sources: Vec::new(),
        refusal: None,
        obstacle: None,
        advice: Vec::new(),
    };
    match compiled.outcome {
        Err(rejection) => explanation.refusal = Some(refusal(rejection, &compiled.text)),
        Ok((planned, reading)) => {
            explanation.incremental = true;
            explanation.obstacle = obstacle(session, view).await?;
            explanation.advice = advised(&planned, &reading);
            let plans = Plans { session, view, relation: &relation, planned: &planned };
            full_names(session, async || plans.tell(&mut explanation).await).await?;
        }
    }
    Ok(explanation)
}

/// What is known to stand in the way beside the compiler.
async fn obstacle(session: &Session, view: &View) -> Result<Option<Complaint>, Failure> {
    let stored = plans::known(session, view.id).await?.and_then(|known| known.plan);
    let refused = stored.and_then(|stored| stored.found.err()).filter(|refusal| refusal.code.is_none());
    Ok(refused.map(|plans::Refusal { primary, detail, hint, .. }| Complaint {
        primary,
        detail,
        hint,
        ..Complaint::default()
    }))
}

fn refusal(rejection: Rejection, text: &str) -> Refusal {
    let place = (!rejection.span.is_empty()).then(|| {
        let (line, column) = rejection.position(text);
        let text = text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        Place { line, column, text }
    });
    let Rejection { code, construct, reason, hint, .. } = rejection;
    Refusal { code: code.as_str(), construct, reason, hint, place }
}

/// Below so many rows a table is read as a whole anyway.
const FEW_ROWS: f64 = 1_000.0;

/// The indexes that are not there.
fn advised(planned: &Planned, reading: &Reading) -> Vec<Advice> {
    let lookups = advice::lookups(&planned.plan, &reading.query, &reading.catalog);
    lookups.into_iter().filter_map(|lookup| index(&lookup, reading)).collect()
}

fn index(lookup: &advice::Lookup, reading: &Reading) -> Option<Advice> {
    let relation = reading.relations.get(&lookup.relation)?;
    let is_small = (0.0..FEW_ROWS).contains(&relation.rows);
    if is_small || lookup.columns.iter().any(|column| relation.leads.contains(column)) {
        return None;
    }
    let quoted = |name: &String| Identifier::new(name.clone()).ok().map(|name| name.to_sql());
    let columns = lookup.columns.iter().map(quoted).collect::<Option<Vec<_>>>()?.join(", ");
    let name = RelationName::new(&*lookup.relation.schema, &*lookup.relation.name).ok()?;
    // Those of partitions cannot be made at once without a lock.
    let how = if relation.kind == "p" { "" } else { "concurrently " };
    let reason = match lookup.purpose {
        advice::Purpose::Join => "rows that changed are joined with it",
        advice::Purpose::Time => "rows that cross a bound of time are looked up by it",
        advice::Purpose::Key => "the rows of affected keys are looked up by it",
    };
    let sql = format!("create index {how}on {} ({columns})", name.to_sql());
    Some(Advice { sql, reason: reason.into() })
}

/// A plan that is told.
struct Plans<'a> {
    session: &'a Session,
    view: &'a View,
    relation: &'a Relation,
    planned: &'a Planned,
}

impl Plans<'_> {
    async fn tell(&self, explanation: &mut Explanation) -> Result<(), Failure> {
        let plan = &self.planned.plan;
        let hidden = self.planned.hidden_tables(self.view.id);
        let mut is_ready = self.relation.owned_by_session;
        let mut changes = Vec::new();
        for (source, planned) in plan.sources.iter().zip(&self.planned.sources) {
            let log = self.log_of(planned).await?;
            is_ready &= log.is_some();
            let table = RelationName {
                schema: catalog::identifier(source.relation.schema.clone())?,
                name: catalog::identifier(source.relation.name.clone())?,
            };
            changes.push(log.clone().unwrap_or_else(|| quoted(&format!("changes of {table}"))));
            explanation.sources.push(SourceTold {
                captured: log.is_some(),
                columns: source.columns.clone(),
                table,
            });
        }
        let turn = Turn {
            public: self.relation.name.to_sql(),
            hidden: hidden.iter().map(RelationName::to_sql).collect(),
            changes: changes.into_iter().map(Some).collect(),
            since: captures::since(self.session, self.view.id).await?,
        };
        let fills = plan.fill(&turn).into_iter().filter(|statement| statement.starts_with("insert "));
        for (table, sql) in hidden.into_iter().zip(fills) {
            let bytes = self.bytes_of(&table).await?;
            is_ready &= bytes.is_some();
            explanation.hidden.push(HiddenTold { table, bytes, sql });
        }
        for (stage, sql) in plan.stages.iter().zip(plan.refresh(&turn)) {
            let cost = if is_ready { self.cost_of(&sql).await? } else { None };
            let title = stage.title().to_owned();
            explanation.stages.push(StageTold { technique: stage.technique(), title, cost, sql });
        }
        Ok(())
    }

    /// The new rows of the log of a table, as a query in parentheses; none where no log tells them.
    async fn log_of(&self, source: &PlannedSource) -> Result<Option<String>, Failure> {
        let numbers: Vec<i16> = source.columns.iter().map(|(_, number)| *number).collect();
        let Some(capture) = captures::told(self.session, source.oid, &numbers).await? else {
            return Ok(None);
        };
        let since = captures::snapshot(self.session, self.view.id).await?;
        Ok(Some(source.changes(capture, since.as_ref(), None)))
    }

    async fn bytes_of(&self, table: &RelationName) -> Result<Option<i64>, Failure> {
        Ok(catalog::relation_named(self.session, table).await?.map(|table| table.bytes))
    }

    /// By the planner; none where it refuses.
    async fn cost_of(&self, sql: &str) -> Result<Option<f64>, Failure> {
        self.session.batch("savepoint remat_cost").await?;
        let explained = self.session.query_one(&format!("explain (format json) {sql}"), &[]).await;
        self.session.batch("rollback to savepoint remat_cost").await?;
        let Ok(row) = explained else { return Ok(None) };
        let explained: Value = row.get(0);
        Ok(explained[0]["Plan"]["Total Cost"].as_f64())
    }
}
