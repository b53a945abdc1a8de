//! A TCP proxy between a client and a server that loses connections on command.
//!
//! Bytes pass unchanged until a test says otherwise. It knows one thing about the protocol: what a BEGIN and a COMMIT
//! look like that are sent as simple queries, which is how tokio-postgres frames a transaction. It does not speak TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const BUFFER_BYTES: usize = 16 * 1024;

/// What the proxy does with the bytes that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Swallows everything in both directions and keeps the connections open.
    Blackhole,
    /// Forwards until a COMMIT has gone to the server, then closes without its answer.
    LoseCommitReply,
    /// Forwards until a COMMIT is to go to the server, then closes without sending it.
    LoseCommit,
    /// Keeps each BEGIN back, and what follows it on its connection, until it forwards again.
    HoldBegin,
    /// Closes every connection and accepts none.
    Cut,
}

/// A proxy on a free port of the loopback; it ends with the value.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    mode: Arc<watch::Sender<Mode>>,
    /// Counts the cuts, so that a connection sees one that was healed before its task ran again.
    cuts: watch::Sender<u64>,
    acceptor: JoinHandle<()>,
}

impl TcpProxy {
    /// Starts a proxy to this port of the loopback.
    pub async fn start(target_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let mode = Arc::new(watch::Sender::new(Mode::Forward));
        let cuts = watch::Sender::new(0);
        let acceptor = tokio::spawn(accept(listener, target_port, Arc::clone(&mode), cuts.subscribe()));
        Self { port, mode, cuts, acceptor }
    }

    /// The port on which the proxy listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection now, and each new one at once, until [`heal`](Self::heal).
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Keeps the connections open but lets no byte through, until [`heal`](Self::heal). What was swallowed stays lost.
    pub fn blackhole(&self) {
        self.mode.send_replace(Mode::Blackhole);
    }

    /// Lets the next COMMIT reach the server and loses its answer: the client sees the connection close. After that
    /// the proxy is cut.
    pub fn cut_before_reply_to_commit(&self) {
        self.mode.send_replace(Mode::LoseCommitReply);
    }

    /// Closes every connection in place of sending the next COMMIT: what it was for is rolled back. After that the proxy is
    /// cut.
    pub fn cut_before_commit(&self) {
        self.mode.send_replace(Mode::LoseCommit);
    }

    /// Keeps every BEGIN back, and what its client sends after it, until [`heal`](Self::heal) lets them go on their way.
    pub fn hold_before_begin(&self) {
        self.mode.send_replace(Mode::HoldBegin);
    }

    /// True when it lets nobody through, such as after a COMMIT was lost.
    pub fn is_cut(&self) -> bool {
        *self.mode.borrow() == Mode::Cut
    }

    /// Forwards again; connections that were closed stay closed.
    pub fn heal(&self) {
        self.mode.send_replace(Mode::Forward);
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.mode.send_replace(Mode::Cut);
        self.acceptor.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target_port: u16,
    mode: Arc<watch::Sender<Mode>>,
    cuts: watch::Receiver<u64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if *mode.borrow() != Mode::Cut {
            let mut cuts = cuts.clone();
            cuts.mark_unchanged();
            tokio::spawn(relay(client, target_port, Arc::clone(&mode), cuts));
        }
    }
}

async fn relay(
    client: TcpStream,
    target_port: u16,
    mode: Arc<watch::Sender<Mode>>,
    mut cuts: watch::Receiver<u64>,
) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target_port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let commit_sent = AtomicBool::new(false);
    let mut changes = mode.subscribe();
    tokio::select! {
        () = upstream(from_client, to_server, &mode, &commit_sent) => {}
        () = downstream(from_server, to_client, &mode, &commit_sent) => {}
        _ = changes.wait_for(|mode| *mode == Mode::Cut) => {}
        _ = cuts.changed() => {}
    }
}

async fn upstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mode: &watch::Sender<Mode>,
    commit_sent: &AtomicBool,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let (bytes, mode_now) = (&buffer[..length], *mode.borrow());
        if mode_now == Mode::Blackhole {
            continue;
        }
        if mode_now == Mode::HoldBegin && contains_query(bytes, b"begin") {
            let _ = mode.subscribe().wait_for(|mode| *mode != Mode::HoldBegin).await;
        }
        if mode_now == Mode::LoseCommit && contains_query(bytes, b"commit") {
            mode.send_replace(Mode::Cut);
            return;
        }
        // Before the bytes go, so that not even the fastest answer slips through.
        if mode_now == Mode::LoseCommitReply && contains_query(bytes, b"commit") {
            commit_sent.store(true, Ordering::SeqCst);
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn downstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mode: &watch::Sender<Mode>,
    commit_sent: &AtomicBool,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // The answer is here, so the server has done the COMMIT; closing earlier might have taken it back.
        if commit_sent.load(Ordering::SeqCst) {
            // A test that saw the commit by itself may have healed the proxy already.
            mode.send_if_modified(|mode| {
                let lost = *mode == Mode::LoseCommitReply;
                *mode = if lost { Mode::Cut } else { *mode };
                lost
            });
            return;
        }
        if *mode.borrow() != Mode::Blackhole && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// Looks for a simple-query message whose text begins with this word.
fn contains_query(bytes: &[u8], word: &[u8]) -> bool {
    // The tag and its four bytes of length; nothing that is looked for is as long as to need the upper two.
    const HEAD: usize = 5;
    let messages = bytes.windows(HEAD + word.len()).filter(|window| window.starts_with(b"Q\0\0"));
    messages.into_iter().any(|message| message[HEAD..].eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestDb;
    use crate::db::connect;

    async fn proxied() -> (TestDb, TcpProxy, String) {
        let db = TestDb::create().await;
        db.execute("create table t (n int)").await;
        let proxy = TcpProxy::start(db.server().port).await;
        let url = db.url_through(proxy.port());
        (db, proxy, url)
    }

    #[test]
    fn only_a_commit_message_is_a_commit() {
        assert!(contains_query(b"Q\0\0\0\x0bCOMMIT\0", b"commit"));
        assert!(contains_query(b"S\0\0\0\x04Q\0\0\0\x0bcommit\0", b"commit"));
        assert!(!contains_query(b"Q\0\0\0\x0bBEGIN \0", b"commit"));
        assert!(!contains_query(b"commit", b"commit"));
    }

    #[tokio::test]
    async fn forwarded_session_works_like_a_direct_one() {
        let (_db, _proxy, url) = proxied().await;
        let client = connect(&url).await;
        assert_eq!(client.query_one("select 41 + 1", &[]).await.unwrap().get::<_, i32>(0), 42);
    }

    #[tokio::test]
    async fn cut_connection_fails_and_healed_proxy_takes_new_ones() {
        let (_db, proxy, url) = proxied().await;
        let client = connect(&url).await;
        proxy.cut();
        assert!(client.query_one("select 1", &[]).await.is_err());
        assert!(tokio_postgres::connect(&url, tokio_postgres::NoTls).await.is_err());
        proxy.heal();
        connect(&url).await.query_one("select 1", &[]).await.unwrap();
    }

    #[tokio::test]
    async fn blackholed_query_gets_no_answer_and_no_error() {
        let (_db, proxy, url) = proxied().await;
        let client = connect(&url).await;
        proxy.blackhole();
        let answer =
            tokio::time::timeout(std::time::Duration::from_millis(300), client.query_one("select 1", &[]));
        assert!(answer.await.is_err(), "the query ended");
    }

    #[tokio::test]
    async fn held_begin_arrives_when_the_proxy_is_healed() {
        let (_db, proxy, url) = proxied().await;
        let client = connect(&url).await;
        proxy.hold_before_begin();
        client.query_one("select 1", &[]).await.unwrap();
        let held = tokio::time::timeout(std::time::Duration::from_millis(300), client.batch_execute("begin"));
        assert!(held.await.is_err(), "it arrived");
        proxy.heal();
        client.query_one("select 1", &[]).await.unwrap();
    }

    #[tokio::test]
    async fn lost_commit_is_rolled_back() {
        let (db, proxy, url) = proxied().await;
        let mut client = connect(&url).await;
        let transaction = client.transaction().await.unwrap();
        transaction.execute("insert into t values (7)", &[]).await.unwrap();
        proxy.cut_before_commit();
        assert!(transaction.commit().await.is_err());
        assert!(proxy.is_cut());
        assert_eq!(db.query_one_i64("select count(*) from t").await, 0);
    }

    #[tokio::test]
    async fn lost_reply_hides_a_commit_that_happened() {
        let (db, proxy, url) = proxied().await;
        let mut client = connect(&url).await;
        let transaction = client.transaction().await.unwrap();
        transaction.execute("insert into t values (7)", &[]).await.unwrap();
        proxy.cut_before_reply_to_commit();
        assert!(transaction.commit().await.is_err());
        assert_eq!(db.query_one_i64("select count(*) from t").await, 1);
    }
}
