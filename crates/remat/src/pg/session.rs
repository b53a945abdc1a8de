//! One connection to the server, with its notices and the means to cancel what it does.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use futures_util::{StreamExt, future::join, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_postgres::{
    AsyncMessage, Client, Connection, Row,
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    error::{Complaint, Error},
    failure::{Failure, FailureKind},
};

/// A parameter with its type; stating the type saves a round trip and keeps poolers usable.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// How many notices are kept until somebody takes them: a function of a view may raise one for every row.
const NOTICES: usize = 100;

/// One connection to the server.
pub struct Session {
    client: Client,
    tls: MakeRustlsConnect,
    notices: Arc<Mutex<Vec<String>>>,
    cancelled: Arc<AtomicBool>,
}

impl Session {
    pub(super) fn start<S, T>(
        client: Client,
        mut connection: Connection<S, T>,
        tls: MakeRustlsConnect,
        notified: Option<mpsc::UnboundedSender<String>>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&notices);
        tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                match message {
                    AsyncMessage::Notice(notice) => {
                        let line = format!("{}: {}", notice.severity().to_lowercase(), notice.message());
                        let mut kept = heard.lock().unwrap_or_else(PoisonError::into_inner);
                        if kept.len() < NOTICES {
                            kept.push(line);
                        }
                    }
                    AsyncMessage::Notification(notification) => {
                        if let Some(notified) = &notified {
                            // Whoever stopped listening has dropped the other end.
                            let _ = notified.send(notification.payload().to_owned());
                        }
                    }
                    _ => {}
                }
            }
        });
        Self { client, tls, notices, cancelled: Arc::default() }
    }

    /// Runs statements that remat composed itself, in one round trip.
    pub async fn batch(&self, sql: &str) -> Result<(), Failure> {
        tracing::debug!(sql, "batch");
        self.client.batch_execute(sql).await.map_err(|error| failure(&error))
    }

    /// Runs exactly one statement and gives the number of rows it touched.
    pub async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Failure> {
        tracing::debug!(sql, "execute");
        self.client.execute_typed(sql, params).await.map_err(|error| failure(&error))
    }

    /// Runs exactly one statement and gives its rows.
    pub async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        tracing::debug!(sql, "query");
        self.client.query_typed(sql, params).await.map_err(|error| failure(&error))
    }

    /// Runs exactly one statement that gives one row.
    pub async fn query_one(&self, sql: &str, params: &[Param<'_>]) -> Result<Row, Failure> {
        let rows = self.query(sql, params).await?;
        rows.into_iter().next().ok_or_else(|| Failure::new(FailureKind::Other, "the statement gave no row"))
    }

    /// Runs exactly one statement that gives one row or none.
    pub async fn query_opt(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// The types of a query's columns, as object ids with their modifiers. The query is read, and neither planned nor run:
    /// no function of it is called.
    pub(crate) async fn describe(&self, query: &str) -> Result<Vec<(u32, i32)>, Failure> {
        tracing::debug!(sql = query, "describe");
        let statement = self.client.prepare(query).await.map_err(|error| failure(&error))?;
        let columns = statement.columns().iter();
        Ok(columns.map(|column| (column.type_().oid(), column.type_modifier())).collect())
    }

    /// Commits right behind `last`, the last statement of the transaction, without waiting for its answer. A statement that
    /// the server refuses fails the transaction, and its commit is then a rollback: so `last` must fail where nothing may
    /// be committed. If it fails before it is sent, the commit is not sent either.
    pub(crate) async fn then_commit<T>(
        &self,
        last: impl Future<Output = Result<T, Failure>>,
        commit: &str,
    ) -> Result<T, Failure> {
        let mut last = pin!(last);
        // The first poll sends it; what is ready then was never sent.
        if let Poll::Ready(unsent) = poll_fn(|context| Poll::Ready(last.as_mut().poll(context))).await {
            let value = unsent?;
            return self.batch(commit).await.map(|()| value);
        }
        let (value, committed) = join(last, self.batch(commit)).await;
        let value = value?;
        committed.map(|()| value)
    }

    /// What the server said beside its answers since the last call, the first hundred lines.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// True when the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// A handle that cancels what this session is doing, usable from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller {
            token: self.client.cancel_token(),
            tls: self.tls.clone(),
            cancelled: Arc::clone(&self.cancelled),
        }
    }

    /// Fails when somebody cancelled: a request that arrives between two statements has nothing to cancel at the
    /// server.
    pub(crate) fn check_cancelled(&self) -> Result<(), Failure> {
        if self.is_cancelled() {
            return Err(Failure::new(FailureKind::Cancelled, "cancelled on request"));
        }
        Ok(())
    }

    /// True once somebody asked to cancel. The request travels over a connection of its own and may arrive late: a
    /// session that it was meant for serves nobody else afterwards.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

/// Cancels the statement of a session at the server.
#[derive(Clone)]
pub struct Canceller {
    token: tokio_postgres::CancelToken,
    tls: MakeRustlsConnect,
    cancelled: Arc<AtomicBool>,
}

impl Canceller {
    /// Asks the server to cancel. Whether it did shows in the session's own answer.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.cancelled.store(true, Ordering::Release);
        self.token.cancel_query(self.tls.clone()).await.map_err(|error| failure(&error).into())
    }
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    let Some(db) = error.as_db_error() else {
        return connection_failure(error);
    };
    Failure::from_server(Complaint {
        primary: db.message().to_owned(),
        sqlstate: Some(db.code().code().to_owned()),
        detail: db.detail().map(str::to_owned),
        hint: db.hint().map(str::to_owned),
    })
}

fn connection_failure(error: &tokio_postgres::Error) -> Failure {
    let is_io = std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
    if error.is_closed() || is_io {
        return Failure::new(FailureKind::ConnectionLost, "the connection to the server was lost");
    }
    Failure::new(FailureKind::Other, error.to_string())
}

/// Does work in a READ COMMITTED transaction of its own, which commits unless the work fails. The work is boxed, so that
/// whoever waits for it need not carry it.
pub(crate) fn in_transaction<'a, T: 'a>(
    session: &'a Session,
    work: impl Future<Output = Result<T, Failure>> + 'a,
) -> impl Future<Output = Result<T, Failure>> + 'a {
    let work = Box::pin(work);
    async move {
        session.batch("begin transaction isolation level read committed read write").await?;
        let done = work.await;
        session.batch(if done.is_ok() { "commit" } else { "rollback" }).await?;
        done
    }
}
