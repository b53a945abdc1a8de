//! One Redis server: a connection that is made anew when it broke, and time limits.
//!
//! Law: nothing waits for Redis longer than its limit, and a connection that failed or did not answer in time is not
//! used again. The URL may hold a password: errors name host, port and database only.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    RedisResult, aio::MultiplexedConnection,
};
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind};

/// Numbers the connections.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// One Redis server.
pub(super) struct Redis {
    client: Client,
    address: String,
    connection: Mutex<Option<Connection>>,
}

/// A connection and its number, so that whoever saw it fail gives up this one and no later one.
#[derive(Clone)]
struct Connection {
    number: u64,
    inner: MultiplexedConnection,
}

/// Why Redis gave no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It could not be reached, or the connection broke.
    Gone(String),
    /// The time was over.
    Late(Duration),
    /// It answered with an error.
    Refused(String),
}

impl Redis {
    pub(super) fn new(url: &str) -> Result<Self, Error> {
        let info = url.into_connection_info().map_err(|_| unreadable())?;
        let address = format!("{}/{}", info.addr(), info.redis_settings().db());
        let client = Client::open(info).map_err(|_| unreadable())?;
        Ok(Self { client, address, connection: Mutex::default() })
    }

    /// Sends commands and gives their answers; never sends them twice.
    pub(super) async fn send<T: FromRedisValue>(
        &self,
        limit: Duration,
        what: &Pipeline,
    ) -> Result<T, Trouble> {
        let sent = tokio::time::timeout(limit, async {
            let mut connection = self.connected().await.map_err(|error| (None, error))?;
            let answer = what.query_async(&mut connection.inner).await;
            answer.map_err(|error| (Some(connection.number), error))
        });
        match sent.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err((_, error))) if is_an_answer(&error) => Err(Trouble::Refused(error.to_string())),
            Ok(Err((number, error))) => {
                self.give_up(number).await;
                Err(Trouble::Gone(error.to_string()))
            }
            Err(_) => {
                self.give_up(None).await;
                Err(Trouble::Late(limit))
            }
        }
    }

    /// As [`Redis::send`], for what may be done twice: sends it again when the kept connection turns out to be broken,
    /// as one is that was idle while the server was restarted.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        limit: Duration,
        what: &Pipeline,
    ) -> Result<T, Trouble> {
        let kept = self.connection.lock().await.is_some();
        match self.send(limit, what).await {
            Err(Trouble::Gone(_)) if kept => self.send(limit, what).await,
            answer => answer,
        }
    }

    /// Runs a script that may be run twice.
    pub(super) async fn run(&self, limit: Duration, script: Script<'_>) -> Result<Vec<String>, Trouble> {
        match self.ask(limit, &one(script.by_hash())).await {
            Err(trouble) if is_unknown_script(&trouble) => {
                self.ask(limit, &one(script.by_text())).await.map(only)
            }
            answer => answer.map(only),
        }
    }

    /// As [`Redis::run`], for a script that must not be run twice.
    pub(super) async fn run_once(&self, limit: Duration, script: Script<'_>) -> Result<Vec<String>, Trouble> {
        match self.send(limit, &one(script.by_hash())).await {
            Err(trouble) if is_unknown_script(&trouble) => {
                self.send(limit, &one(script.by_text())).await.map(only)
            }
            answer => answer.map(only),
        }
    }

    /// Sees whether the server answers.
    pub(super) async fn ping(&self, limit: Duration) -> Result<(), Trouble> {
        self.ask::<()>(limit, redis::pipe().cmd("PING").ignore()).await
    }

    /// An error for people.
    pub(super) fn error(&self, trouble: Trouble) -> Error {
        let unreachable = |why: String| {
            Error::new(ErrorKind::Connection, format!("could not reach Redis at {}", self.address))
                .with_detail(why)
                .with_hint("Check [publish] of remat.toml or REDIS_URL, and that the server runs.")
        };
        match trouble {
            Trouble::Gone(why) => unreachable(format!("{why}.")),
            Trouble::Late(limit) => {
                unreachable(format!("It did not answer within {} ms.", limit.as_millis()))
            }
            Trouble::Refused(why) => {
                Error::new(ErrorKind::Database, format!("Redis at {} refused the work", self.address))
                    .with_detail(format!("It said: {why}."))
            }
        }
    }

    async fn connected(&self) -> RedisResult<Connection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        // The limit of whoever asks holds for all of it.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let inner = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let connection = Connection { number: NUMBERS.fetch_add(1, Ordering::Relaxed), inner };
        *kept = Some(connection.clone());
        Ok(connection)
    }

    /// Gives up the connection of this number; whichever is kept when the number is not known.
    async fn give_up(&self, number: Option<u64>) {
        self.connection.lock().await.take_if(|kept| number.is_none_or(|number| kept.number == number));
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({})", self.address)
    }
}

/// A script with what it works on.
#[derive(Clone, Copy)]
pub(super) struct Script<'a> {
    /// Its text.
    pub(super) text: &'static str,
    /// The keys that it touches.
    pub(super) keys: &'a [&'a str],
    /// Its arguments.
    pub(super) arguments: &'a [&'a str],
}

impl Script<'_> {
    fn by_hash(&self) -> Cmd {
        self.call("EVALSHA", redis::Script::new(self.text).get_hash())
    }

    fn by_text(&self) -> Cmd {
        self.call("EVAL", self.text)
    }

    fn call(&self, word: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(word);
        command.arg(script).arg(self.keys.len()).arg(self.keys).arg(self.arguments);
        command
    }
}

fn one(command: Cmd) -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.add_command(command);
    pipeline
}

fn only(answers: Vec<Vec<String>>) -> Vec<String> {
    answers.into_iter().next().unwrap_or_default()
}

/// Whether the server does not know the script yet, or no more.
fn is_unknown_script(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused(why) if why.contains("NOSCRIPT") || why.contains("NoScript"))
}

/// Whether the server itself said it, over a connection that is as good as before.
fn is_an_answer(error: &RedisError) -> bool {
    let unusable = error.is_io_error() || error.is_connection_dropped() || error.is_timeout();
    !unusable && !matches!(error.kind(), redis::ErrorKind::AuthenticationFailed)
}

fn unreadable() -> Error {
    Error::new(ErrorKind::InvalidSettings, "the URL of Redis cannot be read")
        .with_hint("A URL looks like redis://host:6379/0, or rediss://user:password@host:6379/0 with TLS.")
}
