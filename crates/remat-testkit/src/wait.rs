//! Waits for facts, not for time.

use std::time::{Duration, Instant};

/// Longer than any fact of a test takes on a busy machine; a test that needs more is wrong.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until the fact holds. Panics, naming the fact, when it does not within 30 seconds.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// remat_testkit::wait_until("two and two are four", || async { 2 + 2 == 4 }).await;
/// # });
/// ```
pub async fn wait_until<F>(fact: &str, mut holds: F)
where
    F: AsyncFnMut() -> bool,
{
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "still not so after {DEADLINE:?}: {fact}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
