//! The keys of one board in Redis.
//!
//! Law: all keys of a board are in one hash slot, so that a script may touch them together on a cluster too: the others
//! put the board's key between braces, or share the braces that it has.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The keys of one board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// The sorted set.
    pub(super) board: String,
    /// The hash that tells what the set holds and as of when.
    pub(super) meta: String,
    /// Held by whoever repairs the board.
    pub(super) lock: String,
}

impl Keys {
    pub(super) fn of(board: &str) -> Self {
        let stem = stem(board);
        Self { board: board.to_owned(), meta: format!("{stem}:meta"), lock: format!("{stem}:lock") }
    }

    /// A key that no other publication uses.
    pub(super) fn temporary(&self) -> String {
        format!("{}:new:{}", stem(&self.board), unique())
    }
}

/// What nobody else has: the machine's clock, the process and a counter.
pub(super) fn unique() -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{number}", now.as_nanos(), std::process::id())
}

fn stem(board: &str) -> String {
    if has_tag(board) { board.to_owned() } else { format!("{{{board}}}") }
}

/// Whether Redis hashes only a part of the key: that between the first `{` and the next `}`, unless it is empty.
fn has_tag(key: &str) -> bool {
    key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).is_some_and(|(tag, _)| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Redis hashes of a key.
    fn hashed(key: &str) -> &str {
        match key.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => key,
        }
    }

    #[test]
    fn all_keys_of_a_board_are_in_one_slot() {
        for board in ["leaderboard:global", "{acme}:board", "a{b", "größe {x} \"y\"", "x{y}z{w}"] {
            let keys = Keys::of(board);
            for key in [&keys.meta, &keys.lock, &keys.temporary()] {
                assert_eq!(hashed(key), hashed(board), "{key}");
            }
        }
    }

    #[test]
    fn no_two_temporary_keys_are_the_same() {
        let keys = Keys::of("board");
        assert_ne!(keys.temporary(), keys.temporary());
        assert_eq!(keys.meta, "{board}:meta");
    }
}
