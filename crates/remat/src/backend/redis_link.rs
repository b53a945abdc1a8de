//! One Redis, as the back ends on it see it: its address, its sessions, and its errors in remat's words.
//!
//! Every wait has an end, so that a broker that stalls is an error and not a hang. The password stays inside the client:
//! messages are built from host, port and database only.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, aio::MultiplexedConnection,
};
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind};

/// How long the broker may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long one look for a message waits at the broker. A worker that stops is held up by it.
pub(super) const LOOK_SECONDS: f64 = 1.0;

/// An address that answered once, and the session over which announcements go.
pub(super) struct Link {
    client: Client,
    at: String,
    shared: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    /// Reads the URL and asks the server whether it is there.
    pub(super) async fn connect(url: &str) -> Result<Self, Error> {
        let client = Client::open(url).map_err(|error| unreadable(&error))?;
        let info = client.get_connection_info();
        let at = format!("{}/{}", info.addr(), info.redis_settings().db());
        let link = Self { client, at, shared: Mutex::new(None) };
        let mut session = link.session().await?;
        let answer: Result<(), _> = redis::cmd("PING").query_async(&mut session).await;
        answer.map_err(|error| link.unreachable(&error))?;
        *link.shared.lock().await = Some(session);
        Ok(link)
    }

    /// Opens a session of one's own: a command that waits keeps everything behind it waiting.
    pub(super) async fn session(&self) -> Result<MultiplexedConnection, Error> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE + Duration::from_secs_f64(LOOK_SECONDS)));
        let opened = self.client.get_multiplexed_async_connection_with_config(&limits).await;
        opened.map_err(|error| self.unreachable(&error))
    }

    /// Sends commands that may be sent twice: over the shared session, and once more over a new one where the server
    /// has closed that in the meantime.
    pub(super) async fn send<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Error> {
        let sent = tokio::time::timeout(PATIENCE, self.send_twice(commands));
        sent.await.unwrap_or_else(|_| Err(self.silent()))
    }

    async fn send_twice<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Error> {
        // Taken out: a session that fails, or is given up on, is not used again.
        let shared = self.shared.lock().await.take();
        if let Some(mut session) = shared {
            match commands.query_async(&mut session).await {
                Ok(answer) => return Ok(self.keep(session, answer).await),
                Err(error) if !error.is_connection_dropped() => return Err(self.failed(&error)),
                Err(_) => {}
            }
        }
        let mut session = self.session().await?;
        let answer = commands.query_async(&mut session).await.map_err(|error| self.failed(&error))?;
        Ok(self.keep(session, answer).await)
    }

    async fn keep<T>(&self, session: MultiplexedConnection, answer: T) -> T {
        *self.shared.lock().await = Some(session);
        answer
    }

    /// A command that failed, or the connection under it.
    pub(super) fn failed(&self, error: &RedisError) -> Error {
        if error.is_timeout() {
            return self.silent();
        }
        let what = if error.is_io_error() { "lost the connection to" } else { "a command was refused by" };
        Error::new(ErrorKind::Connection, format!("{what} Redis at {}", self.at))
            .with_detail(format!("{}.", spoken(error)))
    }

    fn silent(&self) -> Error {
        Error::new(ErrorKind::Connection, format!("Redis at {} does not answer", self.at))
            .with_detail(format!("Nothing came within {} s.", PATIENCE.as_secs()))
    }

    fn unreachable(&self, error: &RedisError) -> Error {
        Error::new(ErrorKind::Connection, format!("could not connect to Redis at {}", self.at))
            .with_detail(format!("{}.", spoken(error)))
            .with_hint("Check url_env or url in [backend] of remat.toml, and that the server runs.")
    }
}

/// What the server or the system said, without the full stop that some end with.
fn spoken(error: &RedisError) -> String {
    error.to_string().trim_end_matches('.').to_owned()
}

/// The client's own words could quote the URL; ours do not.
fn unreadable(_: &RedisError) -> Error {
    Error::new(ErrorKind::InvalidSettings, "the URL of Redis cannot be read").with_hint(
        "A URL looks like redis://user:password@host:6379/0, or rediss:// for TLS; encode special characters as %40 \
         and so on.",
    )
}
