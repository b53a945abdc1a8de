//! Tells a collector of traces about the runs of this process.
//!
//! Law: it is told of a run after its end and holds nothing up: what the collector does not take, or what comes faster than it is
//! sent, is lost, and the log says so once. The rows of the runs remain.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{sync::mpsc, time::timeout};

use super::{Pass, Service};
use crate::{
    Remat,
    alert::Reach,
    deliver::http,
    error::{Error, ErrorKind},
    store::{alerts, runs},
    telemetry::spans::{self, Origin},
};

/// How often it sends what has ended.
const EVERY: Duration = Duration::from_secs(1);
/// How many runs at once.
const AT_ONCE: usize = 500;
/// How many may wait.
const WAITING: usize = 10_000;
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where spans go.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector {
    /// The whole URL, such as `http://127.0.0.1:4318/v1/traces`.
    pub url: String,
    /// Further headers: they may hold a key, so nothing prints them.
    pub headers: Vec<(String, String)>,
    /// What this service is called.
    pub service: String,
}

impl Collector {
    /// As OpenTelemetry names its variables; none where no endpoint is given. Only the protocol `http/json` is spoken.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")
            .map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let Some(url) = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(base) else { return Ok(None) };
        let protocol = variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            .or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(protocol) = protocol.filter(|protocol| protocol != "http/json") {
            let primary = format!("the OTLP protocol \"{protocol}\" is not spoken here");
            return Err(Error::new(ErrorKind::InvalidSettings, primary).with_hint(
                "Set OTEL_EXPORTER_OTLP_PROTOCOL to http/json; collectors take it on port 4318.",
            ));
        }
        let headers = variable("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
        let headers = headers.split(',').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        });
        let service = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "remat".into());
        Ok(Some(Self { url, headers: headers.collect(), service }))
    }
}

/// The service.
pub struct Tracer {
    remat: Remat,
    collector: Collector,
    ended: mpsc::Receiver<i64>,
    failing: bool,
}

impl Tracer {
    /// Gives it together with where it wants to be told of runs that ended.
    pub fn new(remat: &Remat, collector: Collector) -> (Self, mpsc::Sender<i64>) {
        let (told, ended) = mpsc::channel(WAITING);
        (Self { remat: remat.clone(), collector, ended, failing: false }, told)
    }

    async fn round(&mut self) -> Result<Pass, Error> {
        let mut ids = Vec::new();
        while let (true, Ok(id)) = (ids.len() < AT_ONCE, self.ended.try_recv()) {
            ids.push(id);
        }
        if ids.is_empty() {
            return Ok(Pass { did: None, rest: EVERY });
        }
        let (runs, database) = self
            .remat
            .with_session(async |session| {
                Ok((runs::get_all(session, &ids).await?, alerts::database(session).await?.0))
            })
            .await?;
        let origin = Origin { service: &self.collector.service, database: &database };
        if let Some(document) = spans::document(&runs, &origin) {
            let sent = self.send(document.to_string()).await;
            let is_failing = sent.is_err();
            if let (Err(answer), false) = (sent, self.failing) {
                tracing::warn!(answer, "the collector does not take the spans of runs; they are lost");
            }
            self.failing = is_failing;
        }
        Ok(Pass { did: None, rest: if ids.len() == AT_ONCE { Duration::ZERO } else { EVERY } })
    }

    async fn send(&self, body: String) -> Result<(), String> {
        // The operator names the collector in the environment of the process: it is usually beside it.
        let reach = Reach { allow_private: true, allow_http: true };
        let headers: Vec<(&str, String)> =
            self.collector.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let sent = timeout(PATIENCE, http::post(&self.collector.url, reach, &headers, body)).await;
        sent.unwrap_or_else(|_| Err("it did not answer in time".into())).map(drop)
    }
}

impl Service for Tracer {
    fn name(&self) -> &'static str {
        "tracer"
    }

    fn run_once(&mut self) -> BoxFuture<'_, Result<Pass, Error>> {
        self.round().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Collector>, Error> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Collector::from_environment(&find)
    }

    #[test]
    fn the_variables_of_opentelemetry_say_where_spans_go() {
        assert!(read(&[]).unwrap().is_none());
        let collector = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer x, b=c"),
        ]);
        let collector = collector.unwrap().unwrap();
        assert_eq!(
            (collector.url.as_str(), collector.service.as_str()),
            ("http://localhost:4318/v1/traces", "remat")
        );
        assert_eq!(collector.headers[0], ("authorization".into(), "Bearer x".into()));
        let whole = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://x/y")]).unwrap().unwrap();
        assert_eq!(whole.url, "https://x/y");
        let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        assert!(read(&grpc).err().unwrap().to_string().contains("\"grpc\" is not spoken here"));
    }
}
