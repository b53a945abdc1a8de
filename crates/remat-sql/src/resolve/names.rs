//! Which names are visible, and what they mean.

use squawk_syntax::SyntaxNode;

use crate::{
    catalog::QualifiedName,
    ir::{ColumnRef, Source, SourceKind, Target},
    parse::words_of,
    rejection::{Code, Rejection},
};

use super::Reader;

/// The names of one query.
#[derive(Default)]
pub(super) struct Level {
    /// What stands in FROM, as far as it was read.
    pub(super) sources: Vec<Source>,
    /// The common table expressions, as far as they were read: names, and the names of their columns.
    pub(super) with: Vec<(String, Vec<String>)>,
}

const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];

impl Reader<'_> {
    /// The names of the query that is read.
    pub(super) fn innermost(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let innermost = self.levels.len() - 1;
        &mut self.levels[innermost]
    }

    /// `alias.column`, or the whole row where there is no column.
    pub(super) fn qualified(
        &self,
        node: &SyntaxNode,
        alias: &str,
        column: Option<&str>,
    ) -> Result<ColumnRef, Rejection> {
        let found = self.levels.iter().rev().enumerate().find_map(|(up, level)| {
            let of_name = |source: &Source| source.name.as_deref() == Some(alias);
            level.sources.iter().position(of_name).map(|source| (up, source, &level.sources[source]))
        });
        let Some((up, place, source)) = found else { return Err(unknown(node, "table", alias)) };
        let target = match column {
            None => Target::Row,
            Some(column) => target(source, column).ok_or_else(|| unknown(node, "column", column))?,
        };
        Ok(ColumnRef { up, source: place, target })
    }

    /// A column without qualification: merged by USING, or of the one source that has it.
    pub(super) fn bare(&self, node: &SyntaxNode, column: &str) -> Result<ColumnRef, Rejection> {
        for (up, level) in self.levels.iter().rev().enumerate() {
            let mut having: Vec<_> = level
                .sources
                .iter()
                .enumerate()
                .filter_map(|(place, source)| Some((place, source, target(source, column)?)))
                .collect();
            // The last join merged what the joins before it had merged.
            if let Some(merged) = having.iter().rposition(|(_, source, _)| source.name.is_none()) {
                having = vec![having.swap_remove(merged)];
            }
            match having.pop() {
                None => {}
                Some((source, _, target)) if having.is_empty() => {
                    return Ok(ColumnRef { up, source, target });
                }
                Some(_) => return Err(ambiguous(node, column)),
            }
        }
        Err(unknown(node, "column", column))
    }

    /// What a name in FROM reads, and the names of its columns.
    pub(super) fn table(
        &self,
        node: &SyntaxNode,
        schema: Option<String>,
        name: &str,
    ) -> Result<(SourceKind, Vec<String>), Rejection> {
        if schema.is_none()
            && let Some(cte) = self.cte(name)
        {
            return Ok(cte);
        }
        let relation =
            schema.map_or_else(|| QualifiedName::system(name), |schema| QualifiedName::new(schema, name));
        let Some(known) = self.catalog.relations.get(&relation) else {
            return Err(unknown(node, "relation", name));
        };
        let columns = known.columns.iter().map(|column| column.name.clone()).collect();
        Ok((SourceKind::Relation { relation, only: false }, columns))
    }

    fn cte(&self, name: &str) -> Option<(SourceKind, Vec<String>)> {
        self.levels.iter().rev().enumerate().find_map(|(up, level)| {
            let index = level.with.iter().position(|(own, _)| own == name)?;
            Some((SourceKind::Cte { up, index }, level.with[index].1.clone()))
        })
    }
}

fn target(source: &Source, column: &str) -> Option<Target> {
    let place = source.columns.iter().position(|own| own == column);
    let system = || {
        let relation = matches!(source.kind, SourceKind::Relation { .. });
        (relation && SYSTEM_COLUMNS.contains(&column)).then(|| Target::System(column.to_owned()))
    };
    place.map(Target::Column).or_else(system)
}

fn unknown(node: &SyntaxNode, what: &str, name: &str) -> Rejection {
    Rejection::new(Code::UnknownName, format!("{what} \"{name}\""), words_of(node))
        .because(format!("{what} \"{name}\" does not exist in the catalog that was read"))
        .hint("Read the catalog and the text of the view in one transaction.")
}

fn ambiguous(node: &SyntaxNode, column: &str) -> Rejection {
    Rejection::new(Code::UnknownName, format!("column \"{column}\""), words_of(node))
        .because(format!("column \"{column}\" is in more than one table"))
        .hint("Give the text that pg_get_viewdef prints under an empty search_path.")
}
