//! How a private server is configured, as a value and as the text of its configuration file.
//!
//! Pure. Values are quoted here and nowhere else. The file is written anew at every start, so that a server's
//! settings are those of the last `open` and never a mixture.

use std::fmt::Write as _;
use std::path::Path;

use super::EmbeddedError;

/// What initdb chose for this machine comes first, so that every later line may overrule it.
const HEADER: &str =
    "# Written by remat at every start; changes here do not last.\ninclude 'data/postgresql.conf'\n";

/// Where a private server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listen {
    /// On a socket in a directory that only the server's account and root may enter. Other users of the machine
    /// cannot connect.
    #[default]
    Socket,
    /// On a free port of the loopback. Every local user may connect, as superuser: for tests and tools that
    /// know no sockets.
    AnyPort,
    /// On this port of the loopback, with the same caution.
    Port(u16),
}

/// The optional wishes for a private server.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// Where it listens.
    pub listen: Listen,
    /// Settings for `postgresql.conf`, the last of a name wins. `fsync` stays on unless turned off here.
    pub settings: Vec<(String, String)>,
}

impl ClusterOptions {
    /// Adds a server setting.
    ///
    /// ```
    /// use remat::embedded::ClusterOptions;
    /// let options = ClusterOptions::default().set("fsync", "off");
    /// assert_eq!(options.settings.len(), 1);
    /// ```
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Says where the server listens.
    #[must_use]
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }
}

/// The settings that do not depend on the address: equal text means that a running server may be reused.
pub(super) fn wishes(options: &ClusterOptions) -> Result<String, EmbeddedError> {
    let mut text = String::from(HEADER);
    for (name, value) in &options.settings {
        if !is_setting_name(name) {
            return Err(EmbeddedError::BadSetting { name: name.clone() });
        }
        line(&mut text, name, value);
    }
    line(&mut text, "listen_addresses", if options.listen == Listen::Socket { "" } else { "127.0.0.1" });
    Ok(text)
}

/// Adds the address, which may differ from start to start.
pub(super) fn with_address(mut wishes: String, port: u16, socket_dir: Option<&Path>) -> String {
    line(&mut wishes, "port", &port.to_string());
    // The setting is a list, in which double quotes keep a comma within a name.
    let quoted = |dir: &Path| format!("\"{}\"", dir.display().to_string().replace('"', "\"\""));
    line(&mut wishes, "unix_socket_directories", &socket_dir.map(quoted).unwrap_or_default());
    wishes
}

fn line(text: &mut String, name: &str, value: &str) {
    let value = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', " ");
    writeln!(text, "{name} = '{value}'").expect("a String accepts every write");
}

fn is_setting_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_cannot_leave_its_quotes() {
        let options = ClusterOptions::default().set("search_path", "a'\nfsync = 'off\\");
        let text = wishes(&options).unwrap();
        assert!(text.contains("search_path = 'a'' fsync = ''off\\\\'\n"), "{text}");
    }

    #[test]
    fn name_with_a_line_break_is_refused() {
        let options = ClusterOptions::default().set("a\nfsync", "off");
        assert!(matches!(wishes(&options), Err(EmbeddedError::BadSetting { .. })));
    }

    #[test]
    fn server_on_a_socket_listens_on_no_network() {
        assert!(wishes(&ClusterOptions::default()).unwrap().contains("listen_addresses = ''"));
    }
}
