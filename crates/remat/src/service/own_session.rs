//! A session that a service keeps to itself.
//!
//! Law: the server keeps the plans of remat's functions per session, so what is asked again and again is asked over the
//! same one: the first fire or claim of a session costs many times the next. It is in nobody's hands while it is asked;
//! whoever breaks off or is refused something has lost it, and the next opens another.

use std::sync::{Mutex, PoisonError};

use crate::{Remat, error::Error, pg::Session};

pub(super) struct OwnSession {
    remat: Remat,
    idle: Mutex<Option<Session>>,
}

impl OwnSession {
    pub(super) fn new(remat: &Remat) -> Self {
        Self { remat: remat.clone(), idle: Mutex::default() }
    }

    /// Asks over the session, outside any transaction.
    pub(super) async fn with<T, W>(&self, work: W) -> Result<T, Error>
    where
        W: AsyncFnOnce(&Session) -> Result<T, Error>,
    {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let session = match idle.filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => self.remat.session().await?,
        };
        let answer = work(&session).await?;
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        Ok(answer)
    }
}
