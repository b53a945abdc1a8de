//! Which parameters of the server a definition may set.
//!
//! Law: what a refresh depends on for its truth or its rights is remat's own to set, and is refused here by name.

use crate::error::{Error, ErrorKind};

/// Parameters that remat sets, and what to write in their place.
const PINNED: [(&str, &str); 13] = [
    ("timezone", "Use time_zone."),
    ("search_path", "Use search_path."),
    ("lock_timeout", "Use lock_timeout."),
    ("statement_timeout", "Use statement_timeout."),
    ("role", "Use owner."),
    ("session_authorization", "Use owner."),
    ("datestyle", "remat sets it to ISO, so that contents do not depend on who refreshes."),
    ("client_encoding", "remat talks to the server in UTF8."),
    ("standard_conforming_strings", "remat writes its SQL for the standard's strings."),
    ("default_transaction_", "remat chooses the transaction of a refresh."),
    ("transaction_", "remat chooses the transaction of a refresh."),
    ("remat.", "remat sets it for its own statements."),
    ("idle_in_transaction_session_timeout", "remat sets it for its sessions."),
];

/// Refuses a parameter that remat sets itself, and what cannot be the name of one.
pub(crate) fn free(name: &str) -> Result<(), Error> {
    let lower = name.to_ascii_lowercase();
    let pinned =
        |known: &str| if known.ends_with(['_', '.']) { lower.starts_with(known) } else { lower == known };
    if let Some((_, hint)) = PINNED.iter().find(|(known, _)| pinned(known)) {
        return Err(Error::new(
            ErrorKind::InvalidDefinition,
            format!("parameter \"{name}\" is set by remat itself"),
        )
        .with_hint(*hint));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(legal) {
        return Err(Error::new(
            ErrorKind::InvalidDefinition,
            format!("\"{name}\" is not the name of a parameter"),
        ));
    }
    Ok(())
}
