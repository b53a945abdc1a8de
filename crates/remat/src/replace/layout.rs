//! Who is built, who is re-pointed, in which order: everything about a replacement but its running.
//!
//! Law: the order is the dependency order for building and renaming and its reverse for locking and dropping, because
//! readers lock from the outermost view inwards. The old relations are dropped without `cascade`: the server itself
//! refuses if anything still refers to one of them.

use std::collections::HashMap;

use super::{
    build::{Built, Contents, NewRelation, Old, Source, came_from_definition},
    carry::{Carried, Kind},
    dependents::{Dependent, Use},
    follow::Follow,
    picture::Picture,
    script::{Phase, Script, Step, rename, search_path},
};
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName, literal},
};

/// A replacement with every decision taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) main: Built,
    /// Dependents that are replaced themselves.
    pub(super) dependents: Vec<Built>,
    /// Plain views that only read the new relation, outermost last.
    pub(super) repointed: Vec<Repointed>,
    /// The managed table's defining view under its final name.
    pub(super) defining_view: RelationName,
    pub(super) notes: Vec<String>,
}

/// A view that gets its own text again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repointed {
    name: RelationName,
    query: String,
    carried: Carried,
}

/// What was asked and found.
pub(super) struct Found<'a> {
    pub(super) new: &'a NewRelation,
    pub(super) picture: Option<&'a Picture>,
    /// The new relation's columns, where they may differ from the old one's.
    pub(super) columns: Option<&'a [super::carry::Column]>,
    pub(super) contents: Contents,
    pub(super) owner: Identifier,
    pub(super) defining_view: RelationName,
}

impl Layout {
    /// Decides. Names of default privileges are filled in by the caller, who can ask the server.
    pub(super) fn new(found: Found<'_>) -> Result<Self, Failure> {
        let follows = match found.picture {
            Some(picture) => super::follow::decide(picture, found.columns)?,
            None => Vec::new(),
        };
        let (main, notes) = main(&found);
        let mut layout = Self {
            main,
            dependents: Vec::new(),
            repointed: Vec::new(),
            defining_view: found.defining_view,
            notes,
        };
        let mut moved = HashMap::new();
        if let Some(picture) = found.picture {
            moved.insert(picture.oid, (picture.name.clone(), layout.main.scratch.clone()));
        }
        for (dependent, follow) in found.picture.iter().flat_map(|p| &p.dependents).zip(follows) {
            layout.take_along(dependent, follow, &mut moved)?;
        }
        Ok(layout)
    }

    fn take_along(
        &mut self,
        dependent: &Dependent,
        follow: Follow,
        moved: &mut HashMap<u32, (RelationName, RelationName)>,
    ) -> Result<(), Failure> {
        match follow {
            Follow::Stay => {}
            Follow::Repoint => self.repointed.push(self.repoint(dependent)?),
            Follow::Replace => {
                let scratch = dependent.name.derived("new");
                let query =
                    dependent.uses.iter().try_fold(
                        dependent.query.clone(),
                        |text, used: &Use| match moved.get(&used.relation) {
                            Some((from, to)) => reread(&dependent.name, &text, from, to),
                            None => Ok(text),
                        },
                    )?;
                moved.insert(dependent.oid, (dependent.name.clone(), scratch.clone()));
                self.dependents.push(Built {
                    name: dependent.name.clone(),
                    scratch,
                    contents: Contents::Full(query),
                    carried: dependent.carried.clone(),
                    default_grantees: Vec::new(),
                    old: Some(Old::of(dependent.oid, &dependent.name, &dependent.carried)),
                });
            }
        }
        Ok(())
    }

    fn repoint(&self, dependent: &Dependent) -> Result<Repointed, Failure> {
        let query = match &self.main.old {
            Some(Old { name: old, .. }) if *old != self.main.name => {
                reread(&dependent.name, &dependent.query, old, &self.main.name)?
            }
            _ => dependent.query.clone(),
        };
        Ok(Repointed { name: dependent.name.clone(), query, carried: dependent.carried.clone() })
    }

    /// Everything that is built, each after all that it reads.
    pub(super) fn built(&self) -> impl DoubleEndedIterator<Item = &Built> {
        std::iter::once(&self.main).chain(&self.dependents)
    }

    pub(super) fn built_mut(&mut self) -> impl Iterator<Item = &mut Built> {
        std::iter::once(&mut self.main).chain(&mut self.dependents)
    }

    /// The statements. `path` is the definition's search path, `home` the session's role.
    pub(super) fn script(&self, path: &[Identifier], home: &Identifier) -> Script {
        let mut script = Script::default();
        let tablespace = "select pg_catalog.set_config('default_tablespace', '', true)";
        script.add(Phase::Build, self.main.old.is_some().then(|| Step::sql(tablespace)));
        for built in self.built() {
            built.build(path, home, &mut script);
        }
        script.locks = self.locks();
        script.swap = self.swap();
        script
    }

    /// Outermost first: a replaced view never reads a re-pointed one.
    fn locks(&self) -> Vec<String> {
        let repointed = self.repointed.iter().rev();
        let views = repointed.map(|view| lock(Kind::View, &view.name, &view.carried.owner));
        let olds = self.built().rev().filter_map(|built| built.old.as_ref());
        views.chain(olds.map(|old| lock(old.kind, &old.name, &old.owner))).collect()
    }

    fn swap(&self) -> Vec<Step> {
        let mut steps = vec![Step::Return, search_path(&[])];
        for built in self.built() {
            if let Some(Old { kind, name, .. }) = &built.old {
                steps.push(rename(kind.to_sql(), name, &name.name.derived("old")));
            }
            steps.push(rename(built.carried.kind.to_sql(), &built.scratch, &built.name.name));
        }
        steps.extend(self.repointed.iter().map(Repointed::again));
        for Old { kind, name, .. } in self.built().rev().filter_map(|built| built.old.as_ref()) {
            steps.push(Step::Sql(format!("drop {} {}", kind.to_sql(), name.derived("old").to_sql())));
        }
        steps.extend(self.swap_defining_view());
        steps.extend(self.built().flat_map(|built| built.carried.settle(&built.name)));
        steps
    }

    fn swap_defining_view(&self) -> Vec<Step> {
        let old = Step::Sql(format!("drop view if exists {}", self.defining_view.to_sql()));
        match &self.main.contents {
            Contents::Defined { query: None, .. } => Vec::new(),
            Contents::Defined { view, query: Some(_) } => {
                vec![old, rename("view", view, &self.defining_view.name)]
            }
            Contents::Pinned(_) | Contents::Full(_) => {
                let was_table = matches!(self.main.old, Some(Old { kind: Kind::Table, .. }));
                was_table.then_some(old).into_iter().collect()
            }
        }
    }
}

impl Repointed {
    /// Its options are stated, because `create or replace` drops those that are not.
    fn again(&self) -> Step {
        let (name, clauses) = (self.name.to_sql(), self.carried.clauses());
        Step::Sql(format!("create or replace view {name}{clauses} as\n{}\n", self.query))
    }
}

/// What the new relation is to carry: all that the old one does, as far as it fits.
fn main(found: &Found<'_>) -> (Built, Vec<String>) {
    let new = found.new;
    let kind = Kind::from(new.kind);
    let (mut carried, notes) = match found.picture {
        None => (Carried::nothing(kind, found.owner.clone()), Vec::new()),
        Some(picture) => inherited(picture, found),
    };
    carried.populated = new.with_data;
    carried.add_indexes(new.asked_indexes());
    let built = Built {
        name: new.name.clone(),
        scratch: new.name.derived("new"),
        contents: found.contents.clone(),
        carried,
        default_grantees: Vec::new(),
        old: found.picture.map(|picture| Old::of(picture.oid, &picture.name, &picture.carried)),
    };
    (built, notes)
}

fn inherited(picture: &Picture, found: &Found<'_>) -> (Carried, Vec<String>) {
    let mut carried = picture.carried.clone();
    if matches!(found.new.source, Source::Query(_)) {
        carried.indexes.retain(|index| !came_from_definition(&picture.name, index));
    }
    let carried = carried.owned_by(&found.owner).of_kind(found.new.kind.into());
    match found.columns {
        Some(columns) => carried.fit(columns),
        None => (carried, Vec::new()),
    }
}

/// A statement that changes nothing and takes the lock that keeps readers out.
fn lock(kind: Kind, name: &RelationName, owner: &Identifier) -> String {
    match kind {
        Kind::Table => format!("lock table {} in access exclusive mode", name.to_sql()),
        Kind::Matview | Kind::View => {
            format!("alter {} {} owner to {}", kind.to_sql(), name.to_sql(), owner.to_sql())
        }
    }
}

fn reread(
    view: &RelationName,
    text: &str,
    from: &RelationName,
    to: &RelationName,
) -> Result<String, Failure> {
    let (from, to) = ((from.schema.as_str(), from.name.as_str()), (to.schema.as_str(), to.name.as_str()));
    remat_sql::repoint(text, from, to).map_err(|rejection| {
        Failure::new(FailureKind::Dependents, format!("cannot rebuild the dependent view \"{view}\""))
            .with_detail(format!("Its query cannot be read: {rejection}."))
            .with_hint(format!("Drop {} first and create it again afterwards.", literal(&view.to_string())))
    })
}
