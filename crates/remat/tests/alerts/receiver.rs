//! A receiver of webhooks, which answers as a test wants.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use remat_testkit::wait_until;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Arrived {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) struct Receiver {
    pub(crate) address: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    /// What it answers; it keeps its senders waiting while that is empty.
    answer: watch::Sender<String>,
}

pub(crate) const FINE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
pub(crate) const BROKEN: &str = "HTTP/1.1 500 Oh\r\ncontent-length: 6\r\n\r\nhush!!";

impl Receiver {
    pub(crate) async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let (sender, told) = watch::channel(answer.to_owned());
        let kept = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), told.clone()));
            }
        });
        Self { address, arrived, answer: sender }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answers(&self, answer: &str) {
        self.answer.send_replace(answer.to_owned());
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    pub(crate) async fn has(&self, count: usize) -> Vec<Arrived> {
        wait_until("the messages have arrived", async || self.arrived().len() >= count).await;
        self.arrived()
    }
}

async fn serve(stream: TcpStream, arrived: Arc<Mutex<Vec<Arrived>>>, mut answer: watch::Receiver<String>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
        return;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    arrived.lock().unwrap().push(Arrived { line: line.trim_end().into(), headers, body });
    let Ok(answer) = answer.wait_for(|answer| !answer.is_empty()).await.map(|answer| answer.clone()) else {
        return;
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}
