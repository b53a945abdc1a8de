//! Builds a replacement beside the view and swaps the names: readers wait for the renames only.
//!
//! The query is the one that the deployed relation has, as the server prints it: an edited definition is deployed by
//! `apply`, never by a refresh.

use super::{Report, Work};
use crate::{
    failure::Failure,
    replace::{self, NewRelation, Source},
    store::runs::Rows,
    view::RelationKind,
};

pub(super) async fn refresh(work: &mut Work<'_>) -> Result<Report, Failure> {
    let definition = &work.view.definition;
    let new = NewRelation {
        name: work.relation.name.clone(),
        kind: RelationKind::Matview,
        source: Source::Deployed,
        owner: Some(work.relation.owner.clone()),
        key: Vec::new(),
        indexes: Vec::new(),
        with_data: true,
    };
    let replaced =
        replace::replace(work.session, &definition.settings, Some(work.relation), &new, work.view.id).await?;
    for (phase, took) in &replaced.phases {
        work.phases.push(phase.as_str(), *took);
    }
    Ok(Report {
        data_as_of: replaced.data_as_of,
        lock_wait: replaced.lock_wait,
        rows: Rows {
            before: work.rows_before(),
            after: replaced.rows.and_then(|rows| rows.try_into().ok()),
            ..Rows::default()
        },
        wants_vacuum: true,
        rebuilt: replaced.rebuilt,
        replaced: true,
        notes: replaced.notes,
        ..Report::default()
    })
}
