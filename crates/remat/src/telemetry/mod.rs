//! Metrics: what they are called, and their text.
//!
//! Law: there is no second stopwatch and no second counter. Each number is read from the rows when somebody asks, so
//! every daemon answers the same, a restart changes nothing, and what SQL and the command line did counts as well. The one
//! exception is whether the loops of the asked process stall, which only that process knows. What it costs grows with the
//! number of views, never with the number of runs.

mod names;
mod reading;
#[cfg(feature = "otel")]
pub(crate) mod spans;
mod text;

pub use names::{ALL, Kind, Metric, document};

use crate::{Remat, error::Error, service::health::Health};

impl Remat {
    /// Every metric, as text for Prometheus. `health` is that of the daemon of this process, if it is one.
    ///
    /// ```
    /// # use remat::{Remat, error::Error};
    /// # async fn example(remat: Remat) -> Result<(), Error> {
    /// let text = remat.metrics(None).await?;
    /// assert!(text.contains("# TYPE remat_runs_total counter"));
    /// # Ok(())
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// #     let db = remat_testkit::TestDb::create().await;
    /// #     let target = remat::pg::Target::resolve(Some(&db.url()), &|_| None).unwrap();
    /// #     let remat = Remat::connect(target).await.unwrap();
    /// #     remat.migrate().await.unwrap();
    /// #     example(remat).await.unwrap();
    /// # });
    /// ```
    pub async fn metrics(&self, health: Option<&Health>) -> Result<String, Error> {
        let reading = self.with_session(async |session| reading::read(session).await).await?;
        Ok(text::render(&reading, &health.map(Health::loops).unwrap_or_default()))
    }
}
