//! Deletes from the logs what everybody has read, a little at a time, and puts aside what the prompt readers have read.

use serde::Serialize;

use super::Part;
use crate::{failure::Failure, pg::Session, store::captures};

/// Blocks of a log that one step walks: some ten thousand rows, well under a second.
const BLOCKS: i64 = 256;

/// What one round of pruning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Rows of logs that went.
    pub rows: i64,
}

/// Prunes every log, each step in a transaction of its own. What is held up, [`unfilled`](super::unfilled) tells.
pub async fn prune(session: &Session) -> Result<Pruned, Failure> {
    let mut pruned = Pruned::default();
    for capture_id in captures::all(session).await? {
        // What is put aside in this round is not looked at again in it.
        for part in [Part::Old, Part::New] {
            let mut next = Some(0);
            while let Some(block) = next {
                session.check_cancelled()?;
                let (rows, rest) = captures::prune_step(session, capture_id, part, block, BLOCKS).await?;
                pruned.rows += rows;
                next = rest;
            }
        }
    }
    Ok(pruned)
}
