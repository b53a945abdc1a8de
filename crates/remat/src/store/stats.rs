//! What refreshes cost and how often they fail, per view, from `remat.runs`.

use serde::Serialize;

use crate::{error::Error, name::RelationName, pg::Session};

/// The refreshes of one view, as far as runs are kept.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewStats {
    /// The view.
    pub view: RelationName,
    /// Words to select by.
    pub tags: Vec<String>,
    /// Refreshes that succeeded, at most the last two hundred that did.
    pub successes: i64,
    /// Their mean duration in milliseconds.
    pub avg_ms: Option<f64>,
    /// The shortest.
    pub min_ms: Option<i64>,
    /// The longest.
    pub max_ms: Option<i64>,
    /// 95 of 100 were at most this long.
    pub p95_ms: Option<i64>,
    /// Refreshes that failed within the last 24 hours.
    pub failures_24h: i64,
    /// Rows after the last success that counted them.
    pub rows: Option<i64>,
}

/// Every view's statistics by name.
pub async fn all(session: &Session) -> Result<Vec<ViewStats>, Error> {
    let rows = session.query(include_str!("stats.sql"), &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(ViewStats {
                view: RelationName::new(row.get::<_, String>(0), row.get::<_, String>(1))?,
                tags: row.get(2),
                successes: row.get(3),
                avg_ms: row.get(4),
                min_ms: row.get(5),
                max_ms: row.get(6),
                p95_ms: row.get(7),
                failures_24h: row.get(8),
                rows: row.get(9),
            })
        })
        .collect()
}
