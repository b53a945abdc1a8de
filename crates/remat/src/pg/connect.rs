//! Which server, and how to reach it: a URL or key=value text first, then libpq's environment variables.
//!
//! Law: a [`Target`] never shows its password: `Debug` and `Display` print user, host, port and database.

use std::{fmt, time::Duration};

use tokio::sync::mpsc;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Session, passfile, tls};
use crate::error::{Error, ErrorKind};

/// How long to wait for a session where nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads one environment variable; tests pass their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A database that can be connected to.
#[derive(Clone)]
pub struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    /// Reads a connection URL or `key=value` text; `None` means the environment alone
    /// (`DATABASE_URL`, then `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE`, ...).
    /// A password that neither gives is looked up in libpq's password file.
    ///
    /// ```
    /// use remat::pg::Target;
    /// let target = Target::resolve(Some("postgres://ada:secret@db.example.org/app"), &|_| None).unwrap();
    /// assert_eq!(target.to_string(), "ada@db.example.org:5432/app");
    /// ```
    pub fn resolve(url: Option<&str>, env: Environment<'_>) -> Result<Self, Error> {
        let text = url.map(str::to_owned).or_else(|| env("DATABASE_URL")).unwrap_or_default();
        let (text, ssl) = SslOptions::take_from(&text, env);
        let mut config: Config = text.parse().map_err(|error| unreadable(&error))?;
        fill_from_environment(&mut config, env);
        fill_from_passfile(&mut config, env);
        config.ssl_mode(ssl.mode()?);
        config.application_name(env("PGAPPNAME").as_deref().unwrap_or("remat"));
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_mins(1));
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let tls = tls::connector(ssl.verifies(), ssl.root_certificate.as_deref())?;
        Ok(Self { config, tls })
    }

    /// True when a connection text holds a password, which a command line would show to every user of the machine.
    ///
    /// ```
    /// use remat::pg::Target;
    /// assert!(Target::holds_password("postgres://ada:secret@db/app?sslmode=verify-full"));
    /// assert!(!Target::holds_password("postgres://ada@db/app"));
    /// ```
    pub fn holds_password(text: &str) -> bool {
        let (text, _) = SslOptions::take_from(text, &|_| None);
        text.parse::<Config>().is_ok_and(|config| config.get_password().is_some())
    }

    /// Opens a session.
    pub async fn connect(&self) -> Result<Session, Error> {
        self.connect_with(None).await
    }

    pub(super) async fn connect_with(
        &self,
        notified: Option<mpsc::UnboundedSender<String>>,
    ) -> Result<Session, Error> {
        // The client library's own limit ends when the socket is open; a server that accepts and says nothing is as far
        // away.
        // A handshake is large; boxed, whoever may have to open a session need not carry it.
        let limit = self.config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let connected = tokio::time::timeout(limit, Box::pin(self.config.connect(self.tls.clone()))).await;
        let connected = connected.map_err(|_| self.silent(limit))?;
        let (client, connection) = connected.map_err(|error| self.unreachable(&error))?;
        Ok(Session::start(client, connection, self.tls.clone(), notified))
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    fn unreachable(&self, error: &tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(db) => self.not_connected().with_detail(format!(
                "The server said: {} ({}).",
                db.message(),
                db.code().code()
            )),
            None => self.not_connected().with_detail(format!("{}.", describe(error))).with_hint(UNREACHABLE),
        }
    }

    fn silent(&self, limit: Duration) -> Error {
        let detail = format!("The server did not answer within {} s.", limit.as_secs());
        self.not_connected().with_detail(detail).with_hint(UNREACHABLE)
    }

    fn not_connected(&self) -> Error {
        Error::new(ErrorKind::Connection, format!("could not connect to {self}"))
    }
}

const UNREACHABLE: &str = "Check --database-url, DATABASE_URL or PGHOST, and that the server runs.";

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".into(),
        };
        let user = self.config.get_user().unwrap_or_default();
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        write!(f, "{user}@{host}:{port}/{}", self.config.get_dbname().unwrap_or(user))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// The innermost cause of a client error: the outer ones only say "error connecting to server".
fn describe(error: &tokio_postgres::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn unreadable(error: &tokio_postgres::Error) -> Error {
    Error::new(ErrorKind::InvalidSettings, "the connection URL cannot be read")
        .with_detail(format!("{}.", describe(error)))
        .with_hint("A URL looks like postgres://user@host:5432/database; encode special characters as %40 and so on.")
}

fn fill_from_environment(config: &mut Config, env: Environment<'_>) {
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host(env("PGHOST").unwrap_or_else(|| "localhost".into()));
    }
    if let (true, Some(port)) =
        (config.get_ports().is_empty(), env("PGPORT").and_then(|port| port.parse().ok()))
    {
        config.port(port);
    }
    if config.get_user().is_none() {
        let user = env("PGUSER").or_else(|| env("USER")).or_else(|| env("LOGNAME"));
        config.user(user.unwrap_or_else(|| "postgres".into()));
    }
    if let (None, Some(password)) = (config.get_password(), env("PGPASSWORD")) {
        config.password(password);
    }
    if let (None, Some(database)) = (config.get_dbname(), env("PGDATABASE")) {
        config.dbname(database);
    }
    if let (None, Some(options)) = (config.get_options(), env("PGOPTIONS")) {
        config.options(options);
    }
    if let (None, Some(seconds)) =
        (config.get_connect_timeout(), env("PGCONNECT_TIMEOUT").and_then(|s| s.parse().ok()))
    {
        config.connect_timeout(Duration::from_secs(seconds));
    }
}

/// A socket's directory counts as `localhost`, as in libpq.
fn fill_from_passfile(config: &mut Config, env: Environment<'_>) {
    if config.get_password().is_some() {
        return;
    }
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(_)) | None => "localhost".into(),
    };
    let user = config.get_user().unwrap_or_default();
    let wanted = passfile::Wanted {
        host: &host,
        port: config.get_ports().first().copied().unwrap_or(5432),
        database: config.get_dbname().unwrap_or(user),
        user,
    };
    if let Some(password) = passfile::password(&wanted, env) {
        config.password(password);
    }
}

/// `sslmode` and `sslrootcert`, which the client library knows only in part.
struct SslOptions {
    mode: Option<String>,
    root_certificate: Option<String>,
}

impl SslOptions {
    /// Takes the options out of a connection text and gives the rest back.
    fn take_from(text: &str, env: Environment<'_>) -> (String, Self) {
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (head, pairs, separator) = match text.split_once('?') {
            Some((head, query)) if is_url => (format!("{head}?"), query.split('&').collect(), "&"),
            _ if is_url => (text.to_owned(), Vec::new(), "&"),
            _ => (String::new(), text.split_whitespace().collect::<Vec<_>>(), " "),
        };
        let (ours, rest): (Vec<_>, Vec<_>) = pairs
            .into_iter()
            .partition(|pair| pair.starts_with("sslmode=") || pair.starts_with("sslrootcert="));
        let find = |key: &str| ours.iter().find_map(|pair| pair.strip_prefix(key)).map(str::to_owned);
        let options = Self {
            mode: find("sslmode=").or_else(|| env("PGSSLMODE")),
            root_certificate: find("sslrootcert=").or_else(|| env("PGSSLROOTCERT")),
        };
        (format!("{head}{}", rest.join(separator)).trim_end_matches('?').to_owned(), options)
    }

    fn mode(&self) -> Result<SslMode, Error> {
        match self.mode.as_deref() {
            Some("disable") => Ok(SslMode::Disable),
            None | Some("allow" | "prefer") => Ok(SslMode::Prefer),
            Some("require" | "verify-ca" | "verify-full") => Ok(SslMode::Require),
            Some(other) => {
                Err(Error::new(ErrorKind::InvalidSettings, format!("sslmode \"{other}\" is not known"))
                    .with_hint("Use disable, prefer, require, verify-ca or verify-full."))
            }
        }
    }

    fn verifies(&self) -> bool {
        matches!(self.mode.as_deref(), Some("verify-ca" | "verify-full"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::resolve(Some("postgres://u:hunter2@h:1/d"), &|_| None).unwrap();
        assert!(!format!("{target:?} {target}").contains("hunter2"));
    }

    #[test]
    fn the_environment_fills_what_the_url_leaves_open() {
        let env = |name: &str| match name {
            "PGHOST" => Some("db".into()),
            "PGUSER" => Some("ada".into()),
            "PGDATABASE" => Some("app".into()),
            "PGPORT" => Some("6543".into()),
            _ => None,
        };
        assert_eq!(Target::resolve(None, &env).unwrap().to_string(), "ada@db:6543/app");
    }

    #[test]
    fn the_password_file_fills_what_neither_url_nor_environment_gives() {
        let path = std::env::temp_dir().join(format!("remat-passfile-{}", std::process::id()));
        std::fs::write(&path, "db:5432:app:ada:from-file\n").unwrap();
        let given = |url: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let env = |name: &str| (name == "PGPASSFILE").then(|| path.display().to_string());
            let password =
                Target::resolve(Some(url), &env).unwrap().config.get_password().map(<[u8]>::to_vec);
            password.map(|password| String::from_utf8(password).unwrap())
        };
        assert_eq!(given("postgres://ada@db/app", 0o600).as_deref(), Some("from-file"));
        assert_eq!(given("postgres://ada:own@db/app", 0o600).as_deref(), Some("own"));
        assert_eq!(given("postgres://eve@db/app", 0o600), None);
        assert_eq!(given("postgres://ada@db/app", 0o644), None, "a file that others may read is ignored");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_full_verification_is_taken_out_of_the_url() {
        let (text, ssl) =
            SslOptions::take_from("postgres://h/d?sslmode=verify-full&options=-c%20x%3D1", &|_| None);
        assert_eq!(text, "postgres://h/d?options=-c%20x%3D1");
        assert!(ssl.verifies());
    }

    #[test]
    fn an_unknown_sslmode_is_refused() {
        assert!(Target::resolve(Some("postgres://h/d?sslmode=maybe"), &|_| None).is_err());
    }
}
