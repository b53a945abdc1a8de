//! The stylesheet and the script, served from the binary under names that change with their contents.
//!
//! Law: nothing is asked of another host, and nothing here comes from a third party.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

use super::squeeze;

/// One file.
pub(super) struct Asset {
    text: &'static str,
    kind: &'static str,
    name: String,
}

pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(include_str!("remat.css"), "text/css; charset=utf-8", "css"));
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(include_str!("remat.js"), "text/javascript; charset=utf-8", "js"));
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(include_str!("icon.svg"), "image/svg+xml", "svg"));

impl Asset {
    fn new(text: &'static str, kind: &'static str, ending: &str) -> Self {
        let hash = Sha256::digest(text.as_bytes());
        let number = hash.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Self { text, kind, name: format!("{number:012x}.{ending}") }
    }

    /// Where it is, without the base.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// Anybody may have these: they hold nothing of the database.
pub(super) async fn serve(Path(name): Path<String>, headers: axum::http::HeaderMap) -> Response {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let head = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    squeeze::answer(&headers, head, asset.text.as_bytes())
}
