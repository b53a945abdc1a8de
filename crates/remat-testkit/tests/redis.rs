//! The testkit's promises about its Redis servers.

use remat_testkit::{RedisServer, wait_until};
use tokio::net::TcpStream;

async fn nobody_listens(port: u16) {
    wait_until("the port is free", async || TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;
}

#[tokio::test]
async fn redis_server_answers_until_its_value_drops() {
    let (one, other) = (RedisServer::start().await, RedisServer::start().await);
    assert_eq!(one.command(&["SET", "a", "1"]).await, "+OK\r\n");
    assert_eq!(other.command(&["GET", "a"]).await, "$-1\r\n");
    let port = one.port();
    drop(one);
    nobody_listens(port).await;
}

#[tokio::test]
async fn redis_server_that_was_killed_comes_back_empty_on_its_port() {
    let mut server = RedisServer::start().await;
    let url = server.url();
    server.command(&["SET", "a", "1"]).await;
    server.kill().await;
    nobody_listens(server.port()).await;
    server.restart().await;
    assert_eq!(server.url(), url);
    assert_eq!(server.command(&["GET", "a"]).await, "$-1\r\n");
}
