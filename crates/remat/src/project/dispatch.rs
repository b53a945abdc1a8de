//! The keys that say how runs reach a worker, which the project, each view and each job may say.
//!
//! Law: what is not said is inherited. Lengths of time are whole seconds here, because the clock of a schedule knows
//! nothing smaller.

use super::{session, table::Table};
use crate::{
    error::{Error, ErrorKind},
    schedule::{Dispatch, Misfire, Overlap, queue_is_a_word},
};

/// The keys that [`dispatch`] reads.
pub(super) const KEYS: [&str; 8] =
    ["queue", "priority", "overlap", "misfire", "catch_up", "jitter", "lock_retries", "work_retries"];

/// Reads the keys over what is inherited.
pub(super) fn dispatch(table: &Table<'_, '_>, inherited: &Dispatch) -> Result<Dispatch, Error> {
    let retries = 0..=i32::MAX;
    Ok(Dispatch {
        queue: table.read("queue", queue)?.unwrap_or_else(|| inherited.queue.clone()),
        priority: table.integer("priority", i32::MIN..=i32::MAX)?.unwrap_or(inherited.priority),
        overlap: table.read("overlap", str::parse::<Overlap>)?.unwrap_or(inherited.overlap),
        misfire: table.read("misfire", str::parse::<Misfire>)?.unwrap_or(inherited.misfire),
        catch_up_s: table.read("catch_up", seconds)?.unwrap_or(inherited.catch_up_s),
        jitter_s: table.read("jitter", seconds)?.unwrap_or(inherited.jitter_s),
        lock_retries: table.integer("lock_retries", retries.clone())?.unwrap_or(inherited.lock_retries),
        work_retries: table.integer("work_retries", retries)?.unwrap_or(inherited.work_retries),
    })
}

/// The name of a queue.
pub(super) fn queue(name: &str) -> Result<String, Error> {
    queue_is_a_word(name).map(|()| name.to_owned())
}

/// A length of time in whole seconds.
pub(super) fn seconds(text: &str) -> Result<i64, Error> {
    let read = session::duration(text)?;
    if read.subsec_nanos() != 0 {
        let primary = format!("\"{text}\" is not a whole number of seconds");
        return Err(Error::new(ErrorKind::InvalidDefinition, primary));
    }
    Ok(read.as_secs())
}
