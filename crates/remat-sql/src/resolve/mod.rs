//! What `pg_get_viewdef(oid)` prints under an empty `search_path`, to a [`Query`] whose names are settled.
//!
//! Law: a name means what the server means by it, or the text is refused. There is no inference of types and no
//! guess, because the server has printed what it understood. This stage relies on the following, which holds in 15 and 18:
//!
//! - Stars are written out, casts and ordinary parentheses are explicit, BETWEEN is two comparisons, NATURAL is USING.
//! - Relations and functions of other schemas than `pg_catalog` are qualified. A name without schema in FROM is a
//!   common table expression if one of that name is visible, else a relation of `pg_catalog`.
//! - A column is written `alias.column`, and an alias differs from every alias of the levels around it. It is written bare
//!   in two places: at the outermost level if that has one source (16 and newer), and where FULL JOIN USING merged it.
//! - Columns of functions and VALUES in FROM are named after the alias; so are those of relations that were renamed.
//! - GROUP BY holds expressions, never ordinals or aliases. ORDER BY of a SELECT holds expressions, and a column whose
//!   bare name would mean another output column is qualified; ORDER BY of a set operation holds ordinals, and that of
//!   bare VALUES ordinals or `"*VALUES*".column1`.
//! - Set operations of different kinds are in parentheses.

mod call;
mod expr;
mod from;
mod names;
mod query;
mod select;
mod sublink;
mod syntax;

use squawk_syntax::SyntaxNode;

use crate::{
    catalog::Catalog,
    ir::Query,
    parse::{MAX_NESTING, query_node, with_tree, words_of},
    rejection::{Code, Rejection},
};
use names::Level;

/// Reads a query as `pg_get_viewdef(oid)` prints it under an empty `search_path`.
///
/// ```
/// use remat_sql::{catalog::Catalog, ir, read};
/// let query = read("SELECT q.a FROM ( VALUES (1)) q(a)", &Catalog::default()).unwrap();
/// assert_eq!(ir::sql(&query), r#"SELECT "q"."a" AS "a" FROM (VALUES (1)) AS "q"("a")"#);
/// assert_eq!(read("SELECT a FROM b", &Catalog::default()).unwrap_err().code.as_str(), "R013");
/// ```
pub fn read(text: &str, catalog: &Catalog) -> Result<Query, Rejection> {
    with_tree(text, |root, errors| {
        let node = query_node(text, root, errors)?;
        Reader { catalog, levels: Vec::new(), depth: 0 }.query(&node)
    })?
}

/// The reader: what it may know, and the names visible where it stands.
struct Reader<'a> {
    catalog: &'a Catalog,
    /// The innermost last.
    levels: Vec<Level>,
    depth: usize,
}

impl Reader<'_> {
    /// Reads something one level deeper in the value that is made, so that whoever walks it needs little stack.
    fn deeper<T>(
        &mut self,
        node: &SyntaxNode,
        read: impl FnOnce(&mut Self) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        if self.depth >= MAX_NESTING {
            return Err(Rejection::new(Code::TooLarge, "deep nesting", words_of(node))
                .because(format!("the query nests deeper than {MAX_NESTING}"))
                .hint("Move parts of the query into views of their own."));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }
}
