//! The embedded default server.
