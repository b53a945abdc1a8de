//! The password file of libpq: `~/.pgpass`, or what `PGPASSFILE` names.
//!
//! Law: the first line that matches host, port, database and user gives the password. A file that others may read is
//! ignored with a warning, as libpq does. Nothing here fails: without an answer the server decides.

use std::path::{Path, PathBuf};

use super::Environment;

/// What a line of the file is matched against.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password for a connection, where the file has one.
pub(super) fn password(wanted: &Wanted<'_>, env: Environment<'_>) -> Option<String> {
    let path = path(env)?;
    let text = std::fs::read_to_string(&path).ok()?;
    if is_open_to_others(&path) {
        tracing::warn!(path = %path.display(), "the password file may be read by others and is ignored; chmod 0600 it");
        return None;
    }
    find(&text, wanted)
}

fn path(env: Environment<'_>) -> Option<PathBuf> {
    let named = env("PGPASSFILE").map(PathBuf::from);
    named.or_else(|| env("HOME").map(|home| Path::new(&home).join(".pgpass")))
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> bool {
    false
}

fn find(text: &str, wanted: &Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let values = [wanted.host, &port, wanted.database, wanted.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let [.., password] = <[String; 5]>::try_from(fields.clone()).ok()?;
        let matches = fields.iter().zip(values).all(|(field, value)| field == "*" || field == value);
        matches.then_some(password)
    })
}

/// Five fields with colons between them; a backslash takes the next character as it is. The password is the rest.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let (Some(field), Some(literal)) = (fields.last_mut(), literal) {
            field.push(literal);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted<'static> = Wanted { host: "db", port: 5432, database: "app", user: "ada" };

    #[test]
    fn the_first_line_that_matches_gives_the_password() {
        let text = "# db:5432:app:ada:comment\ndb:5433:app:ada:port\ndb:*:app:ada:first\n*:*:*:*:second";
        assert_eq!(find(text, &WANTED).as_deref(), Some("first"));
    }

    #[test]
    fn a_backslash_takes_a_colon_into_the_password() {
        assert_eq!(find(r"*:*:*:*:a\:b\\c", &WANTED).as_deref(), Some(r"a:b\c"));
    }

    #[test]
    fn a_short_line_gives_nothing() {
        assert_eq!(find("db:5432:app", &WANTED), None);
    }
}
