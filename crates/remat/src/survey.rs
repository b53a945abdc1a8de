//! What the pages of the dashboard show, read in as few round trips as there are subjects.
//!
//! Law: these read and change nothing. Each costs the same however many runs are kept.

use jiff::Timestamp;

use crate::{
    Remat,
    access::Scope,
    diagnosis::{self, Around},
    eligibility::{self, Eligibility},
    error::Error,
    failure::Failure,
    name::RelationName,
    pg::{
        catalog::{self, Relation},
        footprint::{self, Footprint, IndexFootprint},
        standing::{self, Right, Standing},
    },
    run::Run,
    store::{
        facts,
        glance::{self, Glance},
        history::{self, Fill, Point, Version},
        lineage::{self, Node},
        live::{self, Blocking, LiveRun},
        runs,
        search::{self, Page, Search},
        views,
        workers::{self, WorkerRow},
    },
    view::View,
};

/// Every view at one moment, with what stands around them.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The moment, by the server's clock.
    pub at: Timestamp,
    /// How long ago a scheduler looked last, in seconds; none where none ever did.
    pub ticked_seconds: Option<f64>,
    /// The views by name.
    pub views: Vec<Glance>,
    /// What is at work, and who could work.
    pub around: Around,
    /// The processes that claim runs.
    pub workers: Vec<WorkerRow>,
}

/// A worker whose heartbeat is older is not counted on, in seconds.
const HEARD_OF_S: f64 = 15.0;

/// A scheduler that has not looked for so long has stalled, in seconds.
const SILENT_S: f64 = 60.0;

/// One view's past.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its last runs that have ended, the newest first.
    pub points: Vec<Point>,
    /// When it was brought up to date, the oldest first.
    pub fills: Vec<Fill>,
    /// Its definitions, the newest first.
    pub versions: Vec<Version>,
}

/// One view's relation.
#[derive(Clone, Debug)]
pub struct Ground {
    /// What the catalog says of it.
    pub relation: Relation,
    /// What it takes, and who reads it.
    pub footprint: Option<Footprint>,
    /// Its indexes.
    pub indexes: Vec<IndexFootprint>,
    /// What a drop with cascade would take along.
    pub dependents: Vec<String>,
    /// By which strategies it could be refreshed.
    pub eligibility: Vec<Eligibility>,
}

impl Remat {
    /// Every view with what stands around it.
    pub async fn picture(&self) -> Result<Picture, Error> {
        self.with_session(async |session| {
            let (at, scheduler) = facts::scheduler(session).await?;
            let views = glance::all(session).await?;
            let live = live::runs(session).await?;
            let workers = workers::all(session).await?;
            let roots = diagnosis::roots_of(&views);
            let roots = if roots.is_empty() { Vec::new() } else { runs::get_all(session, &roots).await? };
            let heard = workers.iter().filter(|worker| worker.heartbeat_age_seconds.abs() < HEARD_OF_S);
            let served = heard.map(|worker| worker.queues.clone()).collect();
            let has_scheduler = scheduler.silent_s.is_some_and(|silent| silent < SILENT_S);
            let around = Around { live, roots, served, has_scheduler };
            let ticked_seconds = scheduler.silent_s;
            Ok(Picture { at, ticked_seconds, views, around, workers })
        })
        .await
    }

    /// What became of a view since a moment.
    pub async fn past(&self, view_id: i64, since: Timestamp) -> Result<Past, Error> {
        self.with_session(async |session| {
            Ok(Past {
                points: history::points(session, view_id, 200).await?,
                fills: history::fills(session, view_id, since, 5_000).await?,
                versions: history::versions(session, view_id, 30).await?,
            })
        })
        .await
    }

    /// What stands under a view's name, and what it could be refreshed by; none where nothing stands.
    pub async fn ground(&self, view: &View) -> Result<Option<Ground>, Error> {
        let explanation = self.explain(view).await.ok();
        self.with_session(async |session| {
            let Some(relation) = catalog::relation_named(session, &view.definition.name).await? else {
                return Ok(None);
            };
            let faults = eligibility::index_faults(session, relation.oid).await?;
            let judged = eligibility::judge(&view.definition, Some(&relation), &faults, explanation.as_ref());
            Ok(Some(Ground {
                footprint: footprint::of(session, &[relation.oid]).await?.into_iter().next(),
                indexes: footprint::indexes(session, relation.oid).await?,
                dependents: catalog::dependents(session, relation.oid).await?,
                eligibility: judged,
                relation,
            }))
        })
        .await
    }

    /// What relations take and who reads them.
    pub async fn footprints(&self, oids: &[u32]) -> Result<Vec<Footprint>, Error> {
        self.with_session(async |session| Ok(footprint::of(session, oids).await?)).await
    }

    /// The durations of the last refreshes of these views, the oldest first.
    pub async fn durations(&self, view_ids: &[i64], each: i64) -> Result<Vec<(i64, Vec<i64>)>, Error> {
        self.with_session(async |session| history::durations(session, view_ids, each).await).await
    }

    /// What is at work.
    pub async fn live(&self) -> Result<Vec<LiveRun>, Error> {
        self.with_session(async |session| live::runs(session).await).await
    }

    /// Who holds up a run at work, and whom it holds up.
    pub async fn blocking(&self, run: &LiveRun) -> Result<Vec<Blocking>, Error> {
        let Some(pid) = run.pid else { return Ok(Vec::new()) };
        self.with_session(async |session| live::around(session, pid, &run.blockers).await).await
    }

    /// A page of runs.
    pub async fn search_runs(&self, search: &Search) -> Result<Page, Error> {
        self.with_session(async |session| search::page(session, search).await).await
    }

    /// The runs that failed last, of the views within a scope.
    pub async fn last_failures(&self, scope: &Scope, limit: usize) -> Result<Vec<Run>, Error> {
        let schemas = scope.schemas().map(<[String]>::to_vec);
        let search = Search { status: Some(crate::run::Status::Failed), schemas, limit, ..Search::default() };
        Ok(self.search_runs(&search).await?.runs)
    }

    /// The project that defines a view, if one does.
    pub async fn project_of(&self, view: &RelationName) -> Result<Option<String>, Error> {
        self.with_session(async |session| views::project_of(session, view).await).await
    }

    /// What reads what.
    pub async fn lineage(&self) -> Result<Vec<Node>, Error> {
        self.with_session(async |session| lineage::nodes(session).await).await
    }

    /// The server and the role, and what the role may do to these relations.
    pub async fn standing(&self, oids: &[u32]) -> Result<(Standing, Vec<Right>), Error> {
        self.with_session(async |session| {
            Ok::<_, Failure>((standing::read(session).await?, standing::rights(session, oids).await?))
                .map_err(Error::from)
        })
        .await
    }
}

impl Picture {
    /// One view of it.
    pub fn view(&self, name: &RelationName) -> Option<&Glance> {
        self.views.iter().find(|view| view.view == *name)
    }

    /// The processes that are heard of.
    pub fn heard_of(&self) -> usize {
        self.around.served.len()
    }

    /// What it comes to.
    pub fn health(&self) -> diagnosis::Health {
        diagnosis::health(&self.views, &self.around, self.at)
    }
}
