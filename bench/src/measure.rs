//! Time and write-ahead log of one thing done.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::{Outcome, place::Place};

/// What one refresh cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) ms: f64,
    pub(crate) wal_bytes: f64,
    /// The part of `wal_bytes` that are images of pages first touched since a checkpoint; none where the server
    /// lacks `pg_walinspect`.
    pub(crate) image_bytes: Option<f64>,
}

/// Does it, and says what it cost. Nothing else may write meanwhile.
pub(crate) async fn cost_of<T>(place: &Place, work: impl Future<Output = Outcome<T>>) -> Outcome<(T, Cost)> {
    let from = wal_position(&place.sql).await?;
    let began = Instant::now();
    let done = work.await?;
    let ms = millis(began.elapsed());
    let row = place
        .sql
        .query_one(
            "select ($1::text::pg_lsn - $2::text::pg_lsn)::float8",
            &[&wal_position(&place.sql).await?, &from],
        )
        .await?;
    Ok((done, Cost { ms, wal_bytes: row.get(0), image_bytes: None }))
}

/// The same with the page images told apart, which reads the log again.
pub(crate) async fn cost_and_images<T>(
    place: &Place,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<(T, Cost)> {
    let from = wal_position(&place.sql).await?;
    let (done, mut cost) = cost_of(place, work).await?;
    place.sql.batch_execute("create extension if not exists pg_walinspect").await.ok();
    let images = "select sum(fpi_size)::float8 from pg_get_wal_stats($1::text::pg_lsn, pg_current_wal_flush_lsn(), false)";
    cost.image_bytes = place.sql.query_one(images, &[&from]).await.ok().and_then(|row| row.get(0));
    Ok((done, cost))
}

async fn wal_position(sql: &Client) -> Outcome<String> {
    Ok(sql.query_one("select pg_current_wal_insert_lsn()::text", &[]).await?.get(0))
}

/// Milliseconds.
pub(crate) fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// The middle of the figures; 0 of none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which this share of them lies; 0 of none.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small counts
pub(crate) fn quantile(figures: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_figures_that_were_measured() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((quantile((1..=101).map(f64::from), 0.99) - 100.0).abs() < f64::EPSILON);
        assert!(quantile([], 0.5).abs() < f64::EPSILON);
    }
}
