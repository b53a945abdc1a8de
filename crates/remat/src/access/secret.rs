//! The secret of a token or a session.
//!
//! Law: it has 256 bits of the system's randomness, is never printed by `Debug`, and leaves the process by
//! [`Secret::reveal`] alone.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};

/// What a token's text begins with, so that a scanner of leaked secrets can tell it.
const PREFIX: &str = "remat_";
const BYTES: usize = 32;

/// A secret that was just made.
pub struct Secret(String);

impl Secret {
    /// A new one. Fails when the system gives no randomness.
    pub(crate) fn random() -> Result<Self, Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::new(ErrorKind::InvalidSettings, "the system gives no random bytes")
                .with_detail(format!("{error}."))
        })?;
        let mut text = String::from(PREFIX);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a string takes all text");
        }
        Ok(Self(text))
    }

    /// The text to show once, or to set as a cookie.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What is kept of a text.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// What a request hashes to, of all its parts: the same parts are the same request.
pub fn request_hash(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// What is kept of a presented secret; nothing for a text that no secret of ours looks like, however long it is.
pub(crate) fn presented(text: &str) -> Option<[u8; 32]> {
    let rest = text.strip_prefix(PREFIX)?;
    (rest.len() == 2 * BYTES && rest.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| hash(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_never_the_same_and_not_shown_by_debug() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.reveal().len(), 70);
        assert_ne!(one.reveal(), other.reveal());
        assert!(!format!("{one:?}").contains(&one.reveal()[6..12]));
        assert_eq!(presented(one.reveal()), Some(one.hash()));
    }

    #[test]
    fn what_looks_like_no_secret_is_not_looked_up() {
        for text in ["", "remat_", "remat_zz", &"a".repeat(70), &format!("remat_{}", "g".repeat(64))] {
            assert_eq!(presented(text), None, "{text}");
        }
    }
}
