//! Publishing what is due, again and again.
//!
//! Law: what is due is read from both sides and kept nowhere: a board is due when Redis has none of the view's present
//! contents. So a publication that was lost to a crash and a Redis that was emptied are both repaired by the next pass,
//! whoever makes it.

use std::collections::HashMap;

use super::{Keys, Published, Publisher, Question, STEP, board::Found, redis::Trouble, target_of};
use crate::{
    Remat,
    error::Error,
    name::RelationName,
    run::words,
    store::fills::{self, Fill},
    view::View,
};

/// Keeps the boards of one database up to date.
#[derive(Clone)]
pub struct PublishService {
    /// The database.
    pub remat: Remat,
    /// Where its views are published.
    pub publisher: Publisher,
}

words! {
    /// What a pass found of one view.
    Passed {
        /// Its board was as new as the view.
        Current = "current",
        /// It was published.
        Published = "published",
        /// It was never filled.
        Unfilled = "unfilled",
        /// Another process publishes it, or failed to a moment ago.
        Busy = "busy",
        /// It could not be published.
        Failed = "failed",
    }
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Every view that has a target, by name.
    pub views: Vec<Reported>,
}

/// What a pass did for one view.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The view.
    pub view: RelationName,
    /// What it found.
    pub passed: Passed,
    /// The publication, if there was one.
    pub published: Option<Published>,
    /// Why it failed, if it did.
    pub error: Option<Error>,
}

impl PublishService {
    /// Publishes every view whose board is missing or older than the view. One that fails does not stop the rest;
    /// a Redis that cannot be reached does.
    pub async fn run_once(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        for (view, fill) in self.published_views().await? {
            let passed = match fill {
                None => Reported::plain(&view, Passed::Unfilled),
                Some(fill) if !self.is_due(&view, fill).await? => Reported::plain(&view, Passed::Current),
                Some(_) => self.publish(&view).await,
            };
            report.views.push(passed);
        }
        Ok(report)
    }

    /// The views that a pass would publish now.
    pub async fn pending(&self) -> Result<Vec<View>, Error> {
        let mut pending = Vec::new();
        for (view, fill) in self.published_views().await? {
            if let Some(fill) = fill
                && self.is_due(&view, fill).await?
            {
                pending.push(view);
            }
        }
        Ok(pending)
    }

    async fn published_views(&self) -> Result<Vec<(View, Option<Fill>)>, Error> {
        let mut views = self.remat.views().await?;
        views.retain(|view| view.definition.publish.is_some());
        let ids: Vec<i64> = views.iter().map(|view| view.id).collect();
        let fills =
            self.remat.with_session(async |session| Ok(fills::of_views(session, &ids).await?)).await?;
        let fills: HashMap<i64, Fill> = fills.into_iter().collect();
        Ok(views
            .into_iter()
            .map(|view| (fills.get(&view.id).copied(), view))
            .map(|(fill, view)| (view, fill))
            .collect())
    }

    async fn is_due(&self, view: &View, fill: Fill) -> Result<bool, Error> {
        let target = target_of(view)?;
        let keys = Keys::of(&target.key);
        match self.publisher.look(view, target, &keys, &Question::Top(0), STEP).await {
            Ok(Found::Board { data_as_of, .. }) => Ok(data_as_of < fill.data_as_of),
            // Whatever is wrong with this board, a publication replaces it or says why not.
            Ok(Found::Nothing(_)) | Err(Trouble::Refused(_)) => Ok(true),
            Err(trouble) => Err(self.publisher.shared.redis.error(trouble)),
        }
    }

    async fn publish(&self, view: &View) -> Reported {
        match self.publisher.publish_alone(&self.remat, view).await {
            Ok(Some(published)) => {
                Reported { published: Some(published), ..Reported::plain(view, Passed::Published) }
            }
            Ok(None) => Reported::plain(view, Passed::Busy),
            Err(error) => Reported { error: Some(error), ..Reported::plain(view, Passed::Failed) },
        }
    }
}

impl Reported {
    fn plain(view: &View, passed: Passed) -> Self {
        Self { view: view.definition.name.clone(), passed, published: None, error: None }
    }
}
