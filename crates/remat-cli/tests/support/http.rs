//! A plain HTTP client, which sends what a test says and nothing more.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part, and panics where it must fail"
)]

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn token(self, secret: &str) -> Self {
        self.header("Authorization", &format!("Bearer {secret}"))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(body.to_string());
        self.header("Content-Type", "application/json")
    }

    pub(crate) fn form(mut self, body: &str) -> Self {
        self.body = Some(body.into());
        self.header("Content-Type", "application/x-www-form-urlencoded")
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it, under the name localhost unless a header says another.
    pub(crate) fn send(&self, address: &str) -> Reply {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        let names_host = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        if !names_host {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let body = self.body.clone().unwrap_or_default();
        if self.body.is_some() {
            write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        let _ = write!(stream, "{head}\r\n{body}");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Reply::read(&answer)
    }
}

impl Reply {
    fn read(answer: &[u8]) -> Self {
        let answer = String::from_utf8_lossy(answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: Vec<_> = lines.map(header).collect();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let text = if chunked { unchunked(body) } else { body.to_owned() };
        Self { status, headers, text }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The cookie that it sets, as a browser sends it back.
    pub(crate) fn cookie(&self) -> String {
        let line = self.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {self:?}"));
        line.split(';').next().unwrap().to_owned()
    }
}

fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        text.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    text
}

/// A stream of server-sent events.
pub(crate) struct Stream {
    stream: TcpStream,
    pub(crate) heard: String,
}

impl Stream {
    /// Opens one and waits until it says where it begins.
    pub(crate) fn open(address: &str, token: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(
            stream,
            "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\
             Authorization: Bearer {token}\r\n{last}\r\n"
        )
        .unwrap();
        let mut opened = Self { stream, heard: String::new() };
        opened.until("\nid: ");
        opened
    }

    /// Reads until this was heard.
    pub(crate) fn until(&mut self, text: &str) {
        let mut part = [0; 4_096];
        while !self.heard.contains(text) {
            let read = self.stream.read(&mut part).unwrap_or(0);
            assert!(read > 0, "it ended before \"{text}\": {}", self.heard);
            self.heard.push_str(&String::from_utf8_lossy(&part[..read]));
        }
    }

    /// The last id that was heard.
    pub(crate) fn last_id(&self) -> &str {
        self.heard.rsplit_once("\nid: ").unwrap().1.lines().next().unwrap()
    }
}
