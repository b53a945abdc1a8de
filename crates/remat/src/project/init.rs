//! The files that `remat init` writes.
//!
//! Law: they are a project that reads without complaint, and whose one view runs on an empty database.

/// Path within the project and content of each file.
///
/// ```
/// let files = remat::project::init("shop");
/// assert_eq!(files.iter().map(|(path, _)| *path).collect::<Vec<_>>(), ["remat.toml", "views/example.sql"]);
/// ```
pub fn init(name: &str) -> Vec<(&'static str, String)> {
    let name = toml::Value::String(name.to_owned()).to_string();
    vec![
        (super::settings::FILE, SETTINGS.replace("{name}", &name)),
        ("views/example.sql", EXAMPLE.to_owned()),
    ]
}

const SETTINGS: &str = r#"# What `remat plan` and `remat apply` read, beside views/**/*.sql.

[project]
name = {name}

# What every view inherits. A view file may say otherwise. These are the defaults.
#schema = "public"            # of files that name no schema
#search_path = ["public"]     # where unqualified names of a query are looked up
#time_zone = "UTC"            # of the session, and of schedules
#lock_timeout = "50ms"        # how long one attempt may make readers queue
#lock_budget = "30s"          # how long all attempts together may wait for locks
#statement_timeout = "0"      # how long a refresh may take; 0 is without limit
#queue = "default"            # which workers do the work
#priority = 0                 # the larger, the sooner
#overlap = "coalesce"         # or skip, queue, cancel_other
#misfire = "once"             # or skip, all: times that passed while nobody watched
#catch_up = "24h"             # how late such a time may still fire
#jitter = "30s"               # over what time those that fire late are spread
#lock_retries = 10            # further tries after a wait for a lock in vain
#work_retries = 3             # further tries after a lost connection or a deadlock

#[project.parameters]         # further parameters of the server
#work_mem = "64MB"

#[database]                   # or DATABASE_URL, or the PG* variables
#url_env = "SHOP_DATABASE_URL"

#[[job]]                      # one schedule for many views, or for a statement
#name = "refresh_dashboards"
#schedule = "*/5 * * * *"
#zone = "UTC"
#tag = "dashboard"            # or view = "…", or sql = "…"

#[[queue]]                    # how many runs of a queue may be at work at once
#name = "reports"
#concurrency = 2

#[serve]                      # what `remat serve` does
#listen = "127.0.0.1:8080"
#web = true
#workers = 4
#queues = []                  # all of them
#poll = "5s"
#grace = "30s"

#[backend]                    # how a run reaches a worker
#kind = "postgres"

#[retention]                  # which runs are kept
#keep_per_view = 1000
#keep_days = 90
#keep_failures_days = 365
#every = "1h"
"#;

const EXAMPLE: &str = r#"/* remat
strategy    = "auto"
key         = ["day"]
schedule    = "@daily"
tags        = ["example"]
description = "The last thirty days. Replace it by a query of your own."
*/
select day::date as day
from generate_series(current_date - 29, current_date, interval '1 day') as day
"#;
