//! What a page knows of the one who asks for it: who that is, in which zone times are shown, which words stand in the URL.
//!
//! Law: whoever has no [`Principal`] gets nothing; the guard puts it there.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts},
};
use jiff::{Timestamp, tz::TimeZone};
use maud::Markup;
use remat::{
    access::{Act, Role},
    error::{Error, ErrorKind},
    name::RelationName,
    run::Run,
    schedule,
    survey::Picture,
    view::View,
};
use tokio::sync::Mutex;

use crate::http::{Principal, Problem, Web};

/// For how long what was read of all views serves the next page as well: less than the script waits after an event.
const HOLDS: Duration = Duration::from_millis(300);

/// When it was read, and what.
type Read = (Instant, Arc<Picture>);

/// What was read of all views a moment ago, for all who ask at the same time.
#[derive(Clone, Default)]
pub(crate) struct Known {
    picture: Arc<Mutex<Option<Read>>>,
}

impl Known {
    /// All views at one moment, a moment ago at most. Those who ask at the same time share one reading.
    async fn picture(&self, web: &Web) -> Result<Arc<Picture>, Error> {
        let mut known = self.picture.lock().await;
        if let Some((read, picture)) = &*known
            && read.elapsed() < HOLDS
        {
            return Ok(Arc::clone(picture));
        }
        let picture = Arc::new(web.remat.picture().await?);
        *known = Some((Instant::now(), Arc::clone(&picture)));
        Ok(picture)
    }
}

/// Which colours somebody chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    pub(super) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// One request for a page.
pub(super) struct Ask {
    pub(super) web: Web,
    pub(super) who: Principal,
    pub(super) zone: TimeZone,
    pub(super) zone_name: String,
    pub(super) theme: Theme,
    /// The path without the base.
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    /// By this machine's clock, once for the whole page.
    pub(super) now: Timestamp,
}

pub(super) const ZONE_COOKIE: &str = "remat_zone";
pub(super) const THEME_COOKIE: &str = "remat_theme";

impl FromRequestParts<Web> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let who = Principal::from_request_parts(parts, web).await?;
        let query = pairs(&parts.uri);
        let cookie = |name: &str| cookie(&parts.headers, name);
        let named = query.get("tz").cloned().or_else(|| cookie(ZONE_COOKIE)).unwrap_or_default();
        let (zone, zone_name) = match schedule::zone(&named) {
            Ok(zone) if !named.is_empty() => (zone, named),
            _ => (TimeZone::UTC, "UTC".to_owned()),
        };
        let theme = cookie(THEME_COOKIE).unwrap_or_default();
        let theme = Theme::ALL.into_iter().find(|known| known.as_str() == theme).unwrap_or(Theme::System);
        Ok(Self {
            web: web.clone(),
            who,
            zone,
            zone_name,
            theme,
            path: below(&web.base, parts.uri.path()).to_owned(),
            query,
            headers: parts.headers.clone(),
            now: Timestamp::now(),
        })
    }
}

impl Ask {
    pub(super) fn remat(&self) -> &remat::Remat {
        &self.web.remat
    }

    /// The views that whoever asks sees, with what stands around them.
    pub(super) async fn picture(&self) -> Result<Arc<Picture>, Error> {
        let picture = self.web.known.picture(&self.web).await?;
        if self.who.scope.is_all() {
            return Ok(picture);
        }
        let mut seen = Picture::clone(&picture);
        seen.views.retain(|view| self.sees(Some(&view.view)));
        seen.around.live.retain(|live| self.sees(live.view.as_ref()));
        seen.around.roots.retain(|root| self.sees(root.view.as_ref()));
        Ok(Arc::new(seen))
    }

    /// What was read is old: something was changed here.
    pub(super) async fn forget(&self) {
        *self.web.known.picture.lock().await = None;
    }

    /// Whether whoever asks sees this view, or what is about no view.
    pub(super) fn sees(&self, view: Option<&RelationName>) -> bool {
        view.map_or(self.who.scope.is_all(), |view| self.who.scope.sees(view))
    }

    /// A view that whoever asks sees; what they do not see is not there.
    pub(super) async fn view(&self, schema: String, name: String) -> Result<View, Error> {
        let name = RelationName::new(schema, name)?;
        if !self.sees(Some(&name)) {
            return Err(Error::new(ErrorKind::NotFound, format!("view \"{name}\" is not defined")));
        }
        self.remat().view(&name).await
    }

    /// A run that whoever asks sees.
    pub(super) async fn run(&self, id: i64) -> Result<Run, Error> {
        let run = self.remat().run(id).await?;
        if self.sees(run.view.as_ref()) {
            return Ok(run);
        }
        Err(Error::new(ErrorKind::NotFound, format!("run {id} is not known")))
    }

    /// Leaves in the audit what was asked for here of a view.
    pub(super) async fn record(
        &self,
        action: &str,
        view: &RelationName,
        run_id: Option<i64>,
    ) -> Result<(), Error> {
        let object = view.to_string();
        let act = self.who.act(action, Some(&object));
        self.remat().record_act(&Act { run_id, schema: Some(view.schema.as_str()), ..act }).await
    }

    /// The path of a link.
    pub(super) fn link(&self, path: &str) -> String {
        self.web.link(path)
    }

    pub(super) fn may(&self, role: Role) -> bool {
        self.who.role.may(role)
    }

    /// A word of the URL; none where it is empty.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(|word| word.trim()).filter(|word| !word.is_empty())
    }

    /// This page with other words in its URL; an empty one goes.
    pub(super) fn with(&self, changes: &[(&str, &str)]) -> String {
        let mut words = self.query.clone();
        words.remove("done");
        for (name, value) in changes {
            if value.is_empty() {
                words.remove(*name);
            } else {
                words.insert((*name).to_owned(), (*value).to_owned());
            }
        }
        let path = self.link(&self.path);
        if words.is_empty() {
            return path;
        }
        format!("{path}?{}", encode(words.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
    }
}

/// A path without the base, whether or not a proxy has taken it off already.
fn below<'a>(base: &str, path: &'a str) -> &'a str {
    match path.strip_prefix(base) {
        Some(rest) if rest.starts_with('/') => rest,
        Some("") => "/",
        _ => path,
    }
}

/// Names and values as they stand in a URL.
pub(super) fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pair = |(name, value): (&str, &str)| format!("{}={}", escape(name), escape(value));
    pairs.into_iter().map(pair).collect::<Vec<_>>().join("&")
}

/// One part of a path or one word of a query, with all that could mean something else spelled in per cents.
pub(super) fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The words of a query.
pub(super) fn pairs(uri: &Uri) -> BTreeMap<String, String> {
    axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|pairs| pairs.0.into_iter().collect())
        .unwrap_or_default()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(found, _)| *found == name).map(|(_, value)| value);
    found.filter(|value| !value.is_empty()).map(|value| value.replace("%2F", "/"))
}

/// What a page is made of, before its frame.
pub(super) struct Page {
    /// The words in the window's title.
    pub(super) title: String,
    /// Which entry of the navigation it belongs to.
    pub(super) place: &'static str,
    pub(super) body: Markup,
    /// The same by other means.
    pub(super) same: Same,
}

/// How to have a page's contents elsewhere.
#[derive(Default)]
pub(super) struct Same {
    pub(super) command: Option<String>,
    pub(super) api: Option<String>,
    pub(super) sql: Option<String>,
}

impl Same {
    pub(super) fn new(command: impl Into<String>, api: impl Into<String>) -> Self {
        Self { command: Some(command.into()), api: Some(api.into()), sql: None }
    }

    pub(super) fn sql(mut self, sql: impl Into<String>) -> Self {
        self.sql = Some(sql.into());
        self
    }
}
