//! Removes what killed tests left on a server: databases and roles whose process no longer lives.

use std::path::Path;

use crate::db::{PREFIX, connect, drop_database, process_of};
use crate::servers::Server;

/// Drops the databases of dead test processes; returns how many there were.
pub async fn sweep(server: &Server) -> usize {
    let client = connect(&server.url("postgres", "postgres")).await;
    let query = "select datname from pg_database where starts_with(datname, $1)";
    let rows = client.query(query, &[&PREFIX]).await.expect("the catalog can be read");
    let names = rows.iter().map(|row| row.get::<_, String>(0));
    let dead: Vec<_> = names.filter(|name| process_of(name).is_some_and(|pid| !is_alive(pid))).collect();
    for name in &dead {
        drop_database(server, name).await.expect("a database that nobody uses can be dropped");
    }
    dead.len()
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
