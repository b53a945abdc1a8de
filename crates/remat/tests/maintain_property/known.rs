//! Faults that are known: stories that meet them are left out until they are mended.
//!
//! Law: nothing else is left out anywhere, and a fault that is mended goes from here in the same change.

use crate::story::Story;

/// What is wrong with it, if that is known.
pub(crate) fn fault(story: &Story) -> Option<&'static str> {
    let written = story.moments.iter().flat_map(|moment| &moment.work);
    let endless =
        story.tables.iter().chain(written).any(|statement| statement.contains("infinity'::timestamptz"));
    (endless && story.query.contains("date_trunc")).then_some("a range over date_trunc ends before infinity")
}
