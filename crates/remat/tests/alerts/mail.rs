//! Mail to a server that speaks SMTP as far as a mail needs it.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::fixture::World;

/// A server of mail; it keeps what was said to it.
struct Server {
    port: u16,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// `refuses` is what it says to a recipient, if it does not take any.
    async fn start(refuses: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let said: Arc<Mutex<String>> = Arc::default();
        let kept = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), refuses));
            }
        });
        Self { port, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, said: Arc<Mutex<String>>, refuses: Option<&'static str>) {
    let mut stream = BufReader::new(stream);
    let mut answer = "220 mx.test ESMTP";
    let mut is_data = false;
    loop {
        if !answer.is_empty() && stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        said.lock().unwrap().push_str(&line);
        let word = line.split([' ', '\r']).next().unwrap().to_ascii_uppercase();
        answer = match word.as_str() {
            "." => {
                is_data = false;
                "250 queued"
            }
            _ if is_data => "",
            "EHLO" => "250-mx.test\r\n250 8BITMIME",
            "RCPT" => refuses.unwrap_or("250 fine"),
            "DATA" => {
                is_data = true;
                "354 go on"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
    }
}

fn settings(host: &str, port: u16) -> String {
    format!(
        "[destinations.mail]\nkind = \"email\"\nhost = \"{host}\"\nport = {port}\ntls = \"none\"\n\
         from = \"remat <remat@example.org>\"\nto = [\"ops@example.org\", \"night@example.org\"]\n"
    )
}

#[tokio::test]
async fn a_mail_says_in_its_subject_what_is_the_matter() {
    let server = Server::start(None).await;
    let world = World::new().await;
    world.apply(&settings("127.0.0.1", server.port)).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    world.judge().await;
    world.deliver().await;
    let delivery = &world.deliveries().await[0];
    assert_eq!((delivery.status.as_str(), delivery.answer.as_deref()), ("sent", Some("SMTP 250")));
    let said = server.said();
    for line in [
        "MAIL FROM:<remat@example.org>",
        "RCPT TO:<ops@example.org>",
        "RCPT TO:<night@example.org>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "rule: failed (warning)",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(said.contains(&format!("Message-ID: <{}@remat>", delivery.message_id)), "{said}");
    let unfolded = said.replace("\r\n ", " ");
    assert!(unfolded.contains("view public.per_user failed: division by zero"), "{said}");
}

#[tokio::test]
async fn what_a_mail_server_refuses_is_told_by_its_number() {
    let server = Server::start(Some("550 no such user ops@example.org")).await;
    let world = World::new().await;
    world.apply(&settings("localhost", server.port)).await;
    let delivery = world.app.remat.test_destination("mail").await.unwrap();
    assert_eq!((delivery.status.as_str(), delivery.answer.as_deref()), ("failed", Some("SMTP 550")));
}

#[tokio::test]
async fn a_name_of_a_view_adds_no_header_to_a_mail() {
    let server = Server::start(None).await;
    let world = World::new().await;
    world.apply(&settings("127.0.0.1", server.port)).await;
    let view = world.fragile().await;
    world.break_it(&view).await;
    world
        .app
        .db
        .execute("update remat.views set view_name = E'x\\r\\nBcc: eve@example.org\\r\\n\\r\\n.\\r\\n'")
        .await;
    world.judge().await;
    world.deliver().await;
    assert_eq!(world.deliveries().await[0].status, "sent");
    let said = server.said();
    assert!(!said.lines().any(|line| line.starts_with("Bcc:")), "{said}");
    assert!(!said.contains("RCPT TO:<eve@"), "{said}");
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_to_another_machine() {
    let world = World::new().await;
    world.apply(&settings("192.0.2.1", 25)).await;
    let answer = world.app.remat.test_destination("mail").await.unwrap().answer;
    assert_eq!(answer.as_deref(), Some("mail without TLS is handed to this machine itself only"));
}

#[tokio::test]
async fn a_server_that_cannot_turn_to_tls_gets_nothing() {
    let server = Server::start(None).await;
    let world = World::new().await;
    let text = settings("127.0.0.1", server.port).replace("\"none\"", "\"starttls\"");
    world.apply(&text).await;
    assert_eq!(world.app.remat.test_destination("mail").await.unwrap().status, "failed");
    assert!(!server.said().contains("MAIL FROM"), "{}", server.said());
}
