//! Faults that are known: stories that meet them are left out until they are mended.
//!
//! Law: nothing else is left out anywhere, and a fault that is mended goes from here in the same change.

use crate::story::Story;

/// What is wrong with it, if that is known.
pub(crate) fn fault(story: &Story) -> Option<&'static str> {
    let has = |word: &str| story.query.contains(word);
    if story.tables.iter().any(|table| table.contains("\"w\"")) {
        return Some("a column has the name of the weight");
    }
    if (has("min(") || has("max(")) && !has("group by") {
        return Some("an extremum over all rows stays when the last row leaves");
    }
    None
}
