//! How many requests are worked on at once.
//!
//! Law: each may take a connection to the database, whose number is limited and which others need too; so requests wait for
//! each other here, in turn, and not there. What reads is short and has room of its own, so that what acts and waits for locks
//! never stands before it.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::Problem;

/// So many requests read at once, and so many act: as many idle sessions are kept for them.
pub(crate) const READERS: usize = 8;
const ACTORS: usize = 8;

/// How long a request waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(20);

/// The room that there is.
#[derive(Debug)]
pub(crate) struct Room {
    readers: Semaphore,
    actors: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self { readers: Semaphore::new(READERS), actors: Semaphore::new(ACTORS) }
    }
}

impl Room {
    /// Waits for a turn, which ends with the value.
    pub(crate) async fn enter(&self, method: &Method) -> Result<SemaphorePermit<'_>, Problem> {
        let room = if method.is_safe() { &self.readers } else { &self.actors };
        match timeout(TURN_WITHIN, room.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => {
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests are at work")
                    .with_hint("Ask again in a moment."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_acts_does_not_stand_before_who_reads() {
        let room = Room::default();
        let mut inside = Vec::new();
        for _ in 0..ACTORS {
            inside.push(room.enter(&Method::POST).await.unwrap());
        }
        assert!(room.enter(&Method::GET).await.is_ok());
        let waits = room.enter(&Method::POST);
        tokio::pin!(waits);
        assert!(timeout(Duration::from_millis(20), &mut waits).await.is_err());
        inside.pop();
        assert!(waits.await.is_ok());
    }
}
