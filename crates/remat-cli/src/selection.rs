//! Which views a command is about: names, a tag, or all of them.
//!
//! Law: a name or tag that nobody defined is an error before anything is done, so that a misspelt one is never mistaken
//! for success.

use clap::Args;
use remat::{
    Remat,
    error::{Error, ErrorKind},
    name::RelationName,
    view::View,
};

/// Views that something is done to; one of the three must be given.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Selection {
    /// Views by name: `name` or `schema.name`, double quotes where SQL needs them.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Every view.
    #[arg(long)]
    all: bool,
    /// Every view with this tag.
    #[arg(long)]
    tag: Option<String>,
}

/// Views that something is shown about; all of them when none is named.
#[derive(Args, Debug)]
pub(crate) struct Narrowing {
    /// Only these views: `name` or `schema.name`, double quotes where SQL needs them.
    #[arg(value_name = "NAME", conflicts_with = "tag")]
    names: Vec<String>,
    /// Only views with this tag.
    #[arg(long)]
    tag: Option<String>,
}

impl Selection {
    /// The views in the order in which they were named, each once.
    pub(crate) async fn resolve(&self, remat: &Remat) -> Result<Vec<View>, Error> {
        let narrowing = Narrowing { names: self.names.clone(), tag: self.tag.clone() };
        narrowing.resolve(remat).await
    }
}

impl Narrowing {
    /// Whether a person named views one by one.
    #[cfg(feature = "redis")]
    pub(crate) fn names_views(&self) -> bool {
        !self.names.is_empty()
    }

    /// The views in the order in which they were named, each once.
    pub(crate) async fn resolve(&self, remat: &Remat) -> Result<Vec<View>, Error> {
        if !self.names.is_empty() {
            return named(remat, &self.names).await;
        }
        let mut views = remat.views().await?;
        if let Some(tag) = &self.tag {
            views.retain(|view| view.definition.tags.contains(tag));
            if views.is_empty() {
                return Err(no_such_tag(tag));
            }
        }
        Ok(views)
    }

    /// Keeps what is about one of the views.
    pub(crate) async fn keep<T>(
        &self,
        remat: &Remat,
        items: Vec<T>,
        name: fn(&T) -> &RelationName,
    ) -> Result<Vec<T>, Error> {
        let views = self.resolve(remat).await?;
        let wanted = |item: &T| views.iter().any(|view| view.definition.name == *name(item));
        Ok(items.into_iter().filter(wanted).collect())
    }
}

/// Reads a name as a person types it.
pub(crate) async fn one(remat: &Remat, typed: &str) -> Result<View, Error> {
    remat.view(&RelationName::parse(typed, "public")?).await
}

async fn named(remat: &Remat, names: &[String]) -> Result<Vec<View>, Error> {
    let mut views: Vec<View> = Vec::new();
    for typed in names {
        let view = one(remat, typed).await?;
        if views.iter().all(|other| other.id != view.id) {
            views.push(view);
        }
    }
    Ok(views)
}

fn no_such_tag(tag: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no view has the tag \"{tag}\""))
        .with_hint("`remat status --json` shows the tags of each view.")
}
