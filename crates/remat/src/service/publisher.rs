//! Keeps serving copies as new as their views.
//!
//! Law: what is due, [`PublishService`] reads from both sides at each pass. So a pass that did not happen loses nothing.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Pass, Service, counted};
use crate::{
    error::Error,
    publish::{Passed, PublishService},
};

/// A large view takes its time to copy.
const LIMIT: Duration = Duration::from_mins(30);
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(2);

impl Service for PublishService {
    fn name(&self) -> &'static str {
        "publisher"
    }

    fn limit(&self) -> Duration {
        LIMIT
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        async {
            let report = PublishService::run_once(self).await?;
            for failed in &report.views {
                if let (Passed::Failed, Some(error)) = (failed.passed, &failed.error) {
                    tracing::warn!(view = %failed.view, %error, "a view could not be published");
                }
            }
            let published = report.views.iter().filter(|view| view.passed == Passed::Published).count();
            let did = (published > 0).then(|| format!("published {}", counted(published, "view")));
            Ok(Pass { did, rest: EVERY })
        }
        .boxed()
    }
}
