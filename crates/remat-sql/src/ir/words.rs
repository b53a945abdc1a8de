//! Expressions in words, for the server and for people.
//!
//! Law: both are written by the same code. They differ in two things only: people see names without quotes where none are
//! needed, and a sub-select as its number.

use super::{
    Call, Clock, ColumnRef, Comparison, Direction, Expr, OrderKey, Over, Piece, Quantifier, Query, SortBy,
    Source,
};
use super::{SourceKind, Sublink, SublinkKind, Target, WindowSpec};

/// A text that is being written, and the queries around the place.
pub(super) struct Words<'a> {
    pub(super) out: String,
    /// The innermost last.
    pub(super) levels: Vec<&'a Query>,
    /// The sub-selects that people are shown by number; none when writing for the server.
    pub(super) aside: Option<Vec<&'a Query>>,
}

impl<'a> Words<'a> {
    pub(super) fn server() -> Self {
        Self { out: String::new(), levels: Vec::new(), aside: None }
    }

    pub(super) fn expr(&mut self, expr: &'a Expr) {
        for piece in &expr.pieces {
            match piece {
                Piece::Text(text) | Piece::Clock(Clock { text, .. }) => self.out.push_str(text),
                Piece::Column(column) => self.column(column),
                Piece::Comparison(comparison) => {
                    self.out.push('(');
                    self.comparison(comparison);
                    self.out.push(')');
                }
                Piece::Aggregate(call) => self.call(call),
                Piece::Window(window) => {
                    self.call(&window.call);
                    self.out.push_str(" OVER ");
                    match &window.over {
                        Over::Named(name) => self.name(name),
                        Over::Spec(spec) => self.spec(spec),
                    }
                }
                Piece::Sublink(sublink) => self.sublink(sublink),
            }
        }
    }

    pub(super) fn exprs(&mut self, exprs: &'a [Expr]) {
        listed(self, exprs, Self::expr);
    }

    pub(super) fn comparison(&mut self, comparison: &'a Comparison) {
        self.expr(&comparison.left);
        self.out.push(' ');
        self.out.push_str(&comparison.operator);
        self.out.push(' ');
        self.expr(&comparison.right);
    }

    /// Nothing, or the words and then the conjuncts.
    pub(super) fn conjuncts(&mut self, start: &str, conjuncts: &'a [Expr]) {
        for (n, conjunct) in conjuncts.iter().enumerate() {
            self.out.push_str(if n == 0 { start } else { " AND " });
            self.expr(conjunct);
        }
    }

    pub(super) fn order(&mut self, keys: &'a [OrderKey]) {
        listed(self, keys, |words, key| {
            match &key.by {
                SortBy::Expr(expr) => words.expr(expr),
                SortBy::Output(n) => words.out.push_str(&n.to_string()),
            }
            match &key.direction {
                Direction::Ascending => {}
                Direction::Descending => words.out.push_str(" DESC"),
                Direction::Using(operator) => {
                    words.out.push_str(" USING ");
                    words.out.push_str(operator);
                }
            }
            words.out.push_str(match key.nulls_first {
                None => "",
                Some(true) => " NULLS FIRST",
                Some(false) => " NULLS LAST",
            });
        });
    }

    pub(super) fn spec(&mut self, spec: &'a WindowSpec) {
        let start = self.out.len();
        if let Some(base) = &spec.base {
            self.out.push(' ');
            self.name(base);
        }
        if !spec.partition.is_empty() {
            self.out.push_str(" PARTITION BY ");
            self.exprs(&spec.partition);
        }
        if !spec.order.is_empty() {
            self.out.push_str(" ORDER BY ");
            self.order(&spec.order);
        }
        if let Some(frame) = &spec.frame {
            self.out.push(' ');
            self.expr(frame);
        }
        if self.out.len() == start {
            self.out.push(' ');
        }
        self.out.replace_range(start..=start, "(");
        self.out.push(')');
    }

    pub(super) fn column(&mut self, column: &ColumnRef) {
        let source =
            self.around(column.up).and_then(Query::select).map(|select| &select.sources[column.source]);
        let Some(source) = source else { return };
        if let Some(name) = &source.name {
            self.name(name);
            self.out.push('.');
        }
        match &column.target {
            Target::Column(place) => self.name(&source.columns[*place]),
            Target::Row => self.out.push('*'),
            Target::System(name) => self.name(name),
        }
    }

    /// What a source reads, where that has a name; says whether it is the source's own.
    pub(super) fn relation(&mut self, source: &Source) -> bool {
        let name = match &source.kind {
            SourceKind::Relation { relation, .. } => {
                self.name(&relation.schema);
                self.out.push('.');
                &relation.name
            }
            SourceKind::Cte { up, index } => match self.around(*up) {
                Some(query) => &query.with[*index].name,
                None => return false,
            },
            SourceKind::Query { .. } | SourceKind::Function { .. } | SourceKind::Join => return false,
        };
        self.name(name);
        source.name.as_ref() == Some(name)
    }

    pub(super) fn names(&mut self, names: &[String]) {
        self.out.push('(');
        listed(self, names, |words, name| words.name(name));
        self.out.push(')');
    }

    pub(super) fn name(&mut self, name: &str) {
        if self.aside.is_some() && is_plain(name) {
            self.out.push_str(name);
        } else {
            self.out.push('"');
            self.out.push_str(&name.replace('"', "\"\""));
            self.out.push('"');
        }
    }

    fn around(&self, up: usize) -> Option<&'a Query> {
        self.levels.iter().rev().nth(up).copied()
    }

    fn call(&mut self, call: &'a Call) {
        if let Some(schema) = &call.function.schema {
            self.name(schema);
            self.out.push('.');
        }
        self.name(&call.function.name);
        self.out.push_str(if call.distinct { "(DISTINCT " } else { "(" });
        self.out.push_str(if call.star { "*" } else { "" });
        self.exprs(&call.args);
        if !call.order.is_empty() {
            self.out.push_str(" ORDER BY ");
            self.order(&call.order);
        }
        self.out.push(')');
        if !call.within.is_empty() {
            self.out.push_str(" WITHIN GROUP (ORDER BY ");
            self.order(&call.within);
            self.out.push(')');
        }
        if !call.filter.is_empty() {
            self.conjuncts(" FILTER (WHERE ", &call.filter);
            self.out.push(')');
        }
    }

    fn sublink(&mut self, sublink: &'a Sublink) {
        self.out.push_str(if sublink.negated { "(NOT " } else { "" });
        match &sublink.kind {
            SublinkKind::Exists => {
                self.out.push_str("EXISTS ");
                self.subquery(&sublink.query);
            }
            SublinkKind::In(test) => self.tested(test, "IN", &sublink.query),
            SublinkKind::Compare { test, operator, quantifier } => {
                let quantifier = match quantifier {
                    Quantifier::Any => "ANY",
                    Quantifier::All => "ALL",
                };
                self.tested(test, &format!("{operator} {quantifier}"), &sublink.query);
            }
            SublinkKind::Scalar => self.subquery(&sublink.query),
            SublinkKind::Array => {
                self.out.push_str("ARRAY");
                self.subquery(&sublink.query);
            }
        }
        self.out.push_str(if sublink.negated { ")" } else { "" });
    }

    fn tested(&mut self, test: &'a Expr, how: &str, query: &'a Query) {
        self.out.push('(');
        self.expr(test);
        self.out.push(' ');
        self.out.push_str(how);
        self.out.push(' ');
        self.subquery(query);
        self.out.push(')');
    }

    fn subquery(&mut self, query: &'a Query) {
        match &mut self.aside {
            None => self.in_parentheses(query),
            Some(aside) => {
                aside.push(query);
                let number = aside.len().to_string();
                self.out.extend(["(sub-select ", &number, ")"]);
            }
        }
    }
}

/// Writes each, with commas between.
pub(super) fn listed<'a, T>(
    words: &mut Words<'a>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Words<'a>, T),
) {
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            words.out.push_str(", ");
        }
        write(words, item);
    }
}

fn is_plain(name: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c == '_';
    name.starts_with(word) && name.chars().all(|c| word(c) || c.is_ascii_digit())
}
