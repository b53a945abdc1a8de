//! A browser without a window, driven over `WebDriver`: a few calls of its protocol and no more.
//!
//! Each value is a browser of its own with a profile of its own; both end with it. Calls block: a test waits for a page in
//! any case.

use std::{
    io::{BufRead, BufReader, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::Servers;

/// How long a page may take to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an element is called in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: PathBuf,
}

/// An element of the page that is shown.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Browser {
    /// Where `cargo xtask servers start` leaves axe-core.
    pub fn axe_path() -> PathBuf {
        Servers::target_dir().join("test-servers/axe.min.js")
    }

    /// Starts one, or panics with what is missing.
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed; `cargo xtask servers start` sees to that");
        let port = port_of(&mut driver);
        let profile = std::env::temp_dir().join(format!("remat-browser-{}-{port}", std::process::id()));
        let mut browser = Self { driver, port, session: String::new(), profile };
        let profile = format!("--user-data-dir={}", browser.profile.display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--force-color-profile=srgb",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": flags },
        } } });
        let answer = browser.call("POST", "/session", &wanted);
        answer["sessionId"].as_str().expect("a session has an id").clone_into(&mut browser.session);
        browser
    }

    /// Goes to a page and waits until it has loaded.
    pub fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// The window's size in pixels of the page.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Which colours the person prefers: `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// Whether scripts of pages run.
    pub fn let_scripts_run(&self, run: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": !run }));
    }

    fn devtools(&self, command: &str, params: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub fn eval(&self, body: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// The same for one that ends later: it calls `done` with its answer.
    pub fn eval_later(&self, body: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {body}");
        self.ask("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The first element that a CSS selector finds, once there is one.
    pub fn find(&self, selector: &str) -> Element {
        self.find_by("css selector", selector)
    }

    /// The first button or link with exactly this text, once there is one.
    pub fn find_text(&self, text: &str) -> Element {
        let text = text.replace('\'', "\u{2019}");
        let path = format!("//*[self::a or self::button or self::summary][normalize-space(.)='{text}']");
        self.find_by("xpath", &path)
    }

    fn find_by(&self, using: &str, value: &str) -> Element {
        let began = Instant::now();
        loop {
            let found = self.try_ask("POST", "/element", &json!({ "using": using, "value": value }));
            match found {
                Ok(found) => return Element(found[ELEMENT].as_str().unwrap_or_default().to_owned()),
                Err(_) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(50)),
                Err(error) => panic!("nothing is found by {value}: {error}\n{}", self.text()),
            }
        }
    }

    /// Clicks as a person would: it is scrolled to, and must not be covered.
    pub fn click(&self, element: &Element) {
        self.ask("POST", &format!("/element/{}/click", element.0), &json!({}));
    }

    /// Types into a field, or presses keys where it has the focus.
    pub fn type_into(&self, element: &Element, text: &str) {
        self.ask("POST", &format!("/element/{}/value", element.0), &json!({ "text": text }));
    }

    /// Presses keys wherever the focus is.
    pub fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            [
                json!({ "type": "keyDown", "value": key.to_string() }),
                json!({ "type": "keyUp", "value": key.to_string() }),
            ]
        });
        let strokes: Vec<Value> = strokes.collect();
        self.ask(
            "POST",
            "/actions",
            &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }),
        );
    }

    /// All the text that a person sees.
    pub fn text(&self) -> String {
        self.eval("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows a text, without loading it again.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("{text:?} is shown"), || self.text().contains(text));
    }

    /// Waits until something is so.
    pub fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "it did not happen that {what}; shown is:\n{}", self.text());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the page complained about since the last call: failed requests, refused scripts and styles, errors.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        let severe = log.as_array().into_iter().flatten().filter(|line| line["level"] == "SEVERE");
        severe.filter_map(|line| Some(line["message"].as_str()?.to_owned())).collect()
    }

    /// A picture of the page as PNG, in base 64.
    pub fn screenshot(&self) -> String {
        self.ask("GET", "/screenshot", &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        match self.try_ask(method, path, body) {
            Ok(value) => value,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    fn try_ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.send(method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let body = body_of(BufReader::new(stream)).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_ask("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// The body of an answer. The driver leaves the connection open, so its length is what counts.
fn body_of(mut answer: impl BufRead) -> std::io::Result<String> {
    let (mut line, mut length) = (String::new(), 0);
    while answer.read_line(&mut line)? > 2 {
        let named = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        length = named.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(length);
        line.clear();
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The port that the driver says it took. What it says later is read, too, and dropped: it must not write into nothing.
fn port_of(driver: &mut Child) -> u16 {
    let out = driver.stdout.take().expect("its output is ours");
    let (told, port) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let _ = told.send(port.trim_end_matches('.').parse());
            }
        }
    });
    let port = port.recv_timeout(PATIENCE).expect("the driver says on which port it is");
    port.expect("a port is a number")
}
