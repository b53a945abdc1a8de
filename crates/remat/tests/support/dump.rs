//! A dump of a database, restored elsewhere by the programs of the server under test.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this, and fails by panicking"
)]

use std::process::{Command, Stdio};

use remat_testkit::Server;

/// How a dump travels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// `pg_dump | psql`
    Script,
    /// `pg_dump --format=custom | pg_restore`
    Archive,
    /// The same, with what is there dropped first.
    ArchiveOver,
}

/// Whether these programs are there: the packaged server comes without them. The run on the other version shows what they do.
pub(crate) fn can(server: &Server) -> bool {
    let found = server.bin_dir.join("psql").exists();
    assert!(found || server.major != 15, "Debian has psql beside its server");
    found
}

/// Copies a database into another one, and panics unless all of it arrived.
pub(crate) fn copy(server: &Server, from: &str, to: &str, way: Way) {
    let program = |name: &str, args: &[&str]| {
        let mut command = Command::new(server.bin_dir.join(name));
        command.args(args);
        command
    };
    let mut dump = program("pg_dump", &["--dbname", from]);
    let mut restore = match way {
        Way::Script => program("psql", &["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", to]),
        Way::Archive => program("pg_restore", &["--exit-on-error", "--dbname", to]),
        Way::ArchiveOver => program(
            "pg_restore",
            &["--clean", "--if-exists", "--single-transaction", "--exit-on-error", "--dbname", to],
        ),
    };
    if !matches!(way, Way::Script) {
        dump.arg("--format=custom");
    }
    if matches!(way, Way::ArchiveOver) {
        // What is dropped must be known before: the dump ends first.
        let dumped = dump.output().unwrap();
        assert!(dumped.status.success());
        let file = std::env::temp_dir().join(format!("remat-dump-{}", std::process::id()));
        std::fs::write(&file, dumped.stdout).unwrap();
        let restored = restore.arg(&file).stdout(Stdio::null()).status().unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(restored.success());
        return;
    }
    let mut dumping = dump.stdout(Stdio::piped()).spawn().unwrap();
    let restored = restore.stdin(dumping.stdout.take().unwrap()).stdout(Stdio::null()).status().unwrap();
    assert!(restored.success() && dumping.wait().unwrap().success());
}
