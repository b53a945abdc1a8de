//! The definition of a view and the row that keeps it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Publish;
use crate::{
    name::{Identifier, RelationName, hash},
    run::{RowCount, words},
    schedule::Dispatch,
};

words! {
    /// How a view's contents are brought up to date.
    Strategy {
        /// `refresh materialized view`: readers wait for the whole build.
        Regular = "regular",
        /// `refresh materialized view concurrently`: readers never wait; needs a plain unique index.
        Concurrent = "concurrent",
        /// Builds a replacement beside the view and swaps the names: readers wait for the renames only.
        Swap = "swap",
        /// Compares the query with a managed table and writes only the difference.
        Merge = "merge",
        /// Brings a managed table up to date by what changed in the tables that the query reads; by a merge where that
        /// cannot be or costs more.
        Incremental = "incremental",
        /// remat chooses at each refresh and records why.
        Auto = "auto",
    }
}

words! {
    /// What stands under the view's name in the database.
    RelationKind {
        /// A materialized view.
        Matview = "matview",
        /// A table that only remat writes.
        Table = "table",
    }
}

/// An index that the definition asks for, beside the one on its key.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSpec {
    /// Plain columns, in order.
    pub columns: Vec<Identifier>,
    /// Whether equal rows are refused.
    #[serde(default)]
    pub unique: bool,
    /// The access method.
    #[serde(default = "btree")]
    pub method: Identifier,
}

fn btree() -> Identifier {
    Identifier::new("btree").expect("btree is a legal name")
}

/// What a refresh pins for its session, so that the contents do not depend on who runs it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `TimeZone` of the session.
    pub time_zone: String,
    /// Schemas in which unqualified names of the query are looked up.
    pub search_path: Vec<Identifier>,
    /// How long one attempt may wait for a lock that readers queue behind, in milliseconds.
    pub lock_timeout_ms: u32,
    /// How long all attempts together may wait for such locks, and one statement for any other, in milliseconds.
    pub lock_budget_ms: u32,
    /// How long the work may take, in milliseconds; 0 is without limit.
    pub statement_timeout_ms: u32,
    /// Further parameters of the server, such as `work_mem`.
    pub parameters: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            time_zone: "UTC".into(),
            search_path: vec![Identifier::new("public").expect("public is a legal name")],
            lock_timeout_ms: 50,
            lock_budget_ms: 30_000,
            statement_timeout_ms: 0,
            parameters: BTreeMap::new(),
        }
    }
}

/// What a person wrote about a view.
///
/// ```
/// use remat::{name::RelationName, view::{Definition, Strategy}};
/// let name = RelationName::new("public", "sales_daily").unwrap();
/// let definition = Definition::new(name, "select day, sum(total) as total from sales group by day");
/// assert_eq!(definition.strategy, Strategy::Auto);
/// ```
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// Where it stands.
    pub name: RelationName,
    /// Exactly one SELECT, without a semicolon at the end.
    pub query: String,
    /// How it is refreshed.
    pub strategy: Strategy,
    /// Whether a refresh that cannot be incremental fails instead of merging.
    #[serde(skip_serializing_if = "is_false")]
    pub strict: bool,
    /// Columns that tell rows apart; never NULL, never twice the same.
    pub key: Vec<Identifier>,
    /// Further indexes.
    pub indexes: Vec<IndexSpec>,
    /// A cron line, and the zone in which it is read.
    pub schedule: Option<String>,
    /// The zone of the schedule.
    pub schedule_zone: String,
    /// How old the contents may be, in seconds, before the view counts as stale.
    pub target_lag_s: Option<i64>,
    /// How rows are counted.
    pub row_count: RowCount,
    /// What is pinned during a refresh.
    pub settings: Settings,
    /// Words to select views by.
    pub tags: Vec<String>,
    /// The role that owns the relation; the role that creates it when none is named.
    pub owner: Option<Identifier>,
    /// For people.
    pub description: Option<String>,
    /// How its runs reach a worker.
    pub dispatch: Dispatch,
    /// The sorted set that serves it, if it is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// The name that this view had before, when the project renames it.
    #[serde(skip)]
    pub renamed_from: Option<RelationName>,
}

impl Definition {
    /// A definition with the defaults: strategy `auto`, no key, no schedule.
    pub fn new(name: RelationName, query: impl Into<String>) -> Self {
        Self {
            name,
            query: query.into(),
            strategy: Strategy::Auto,
            strict: false,
            key: Vec::new(),
            indexes: Vec::new(),
            schedule: None,
            schedule_zone: "UTC".into(),
            target_lag_s: None,
            row_count: RowCount::Estimated,
            settings: Settings::default(),
            tags: Vec::new(),
            owner: None,
            description: None,
            dispatch: Dispatch::default(),
            publish: None,
            renamed_from: None,
        }
    }

    /// Changes whenever anything that was written changes.
    #[allow(clippy::missing_panics_doc, reason = "every field serializes")]
    pub fn fingerprint(&self) -> String {
        hash(&serde_json::to_string(self).expect("a definition always serializes"))
    }

    /// Whether it is refreshed by what changed, where that can be.
    pub fn follows_changes(&self) -> bool {
        match self.strategy {
            Strategy::Incremental => true,
            Strategy::Auto => self.relation_kind() == RelationKind::Table,
            _ => false,
        }
    }

    /// What must stand under the name: merge and incremental write into a table, all else into a materialized view.
    /// `auto` takes a table where a key makes merging possible.
    pub fn relation_kind(&self) -> RelationKind {
        match self.strategy {
            Strategy::Merge | Strategy::Incremental => RelationKind::Table,
            Strategy::Auto if !self.key.is_empty() => RelationKind::Table,
            _ => RelationKind::Matview,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A definition as `remat.views` keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The row's id; stable for ever.
    pub id: i64,
    /// What was defined last.
    pub definition: Definition,
    /// Counts the changes of the definition.
    pub version: i32,
    /// The relation that remat made, if it did.
    pub relation: Option<MadeRelation>,
    /// Who paused it, why and until when.
    pub pause: Option<Pause>,
}

/// What `create` left in the database, to notice when somebody else changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeRelation {
    /// Its object id at that time.
    pub oid: u32,
    /// A hash of its columns and one of its query as the server printed it, with a colon between.
    pub fingerprint: String,
}

impl MadeRelation {
    /// True when a relation with this fingerprint has the columns that were made. The query's text may differ: it
    /// follows when somebody renames what it reads.
    pub fn has_columns_of(&self, fingerprint: &str) -> bool {
        let columns = |text: &str| text.split(':').next().map(str::to_owned);
        columns(&self.fingerprint) == columns(fingerprint)
    }
}

/// A view that is not refreshed for now.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who paused it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}
