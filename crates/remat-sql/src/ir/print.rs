//! A query as SQL.
//!
//! Law: what is printed reads as the same query under an empty `search_path`. Every name that this crate writes is quoted
//! here, always, so no list of reserved words is kept. The words of the server are written as they were.

use super::words::{Words, listed};
use super::{
    Body, Cte, Distinct, Expr, GroupKey, Grouping, Join, JoinKind, Query, Select, SetOperator, Source,
};
use super::{SourceKind, Tree};

/// The query as one line of SQL.
pub fn sql(query: &Query) -> String {
    let mut words = Words::server();
    words.query(query);
    words.out
}

/// An expression of a query in SQL.
pub fn expr_sql(query: &Query, expr: &Expr) -> String {
    let mut words = Words::server();
    words.levels.push(query);
    words.expr(expr);
    words.out
}

/// An expression of a query as people read it: names without quotes where they need none.
pub fn expr_told(query: &Query, expr: &Expr) -> String {
    let mut words = Words { aside: Some(Vec::new()), ..Words::server() };
    words.levels.push(query);
    words.expr(expr);
    words.out
}

/// A source of a query in SQL, as it stands in FROM.
pub fn source_sql(query: &Query, source: usize) -> Option<String> {
    let mut words = Words::server();
    words.levels.push(query);
    words.source(query.select()?.sources.get(source)?);
    Some(words.out)
}

/// A name in SQL, quoted always.
pub fn quoted(name: &str) -> String {
    let mut words = Words::server();
    words.name(name);
    words.out
}

impl<'a> Words<'a> {
    /// Writes a query without parentheses around it.
    pub(super) fn query(&mut self, query: &'a Query) {
        self.levels.push(query);
        for (n, cte) in query.with.iter().enumerate() {
            self.out.push_str(if n == 0 { "WITH " } else { ", " });
            self.cte(cte);
        }
        if !query.with.is_empty() {
            self.out.push(' ');
        }
        self.body(&query.body);
        self.tail(query);
        self.levels.pop();
    }

    pub(super) fn in_parentheses(&mut self, query: &'a Query) {
        self.out.push('(');
        self.query(query);
        self.out.push(')');
    }

    fn cte(&mut self, cte: &'a Cte) {
        self.name(&cte.name);
        if let Some(columns) = &cte.columns {
            self.names(columns);
        }
        self.out.push_str(match cte.materialized {
            None => " AS ",
            Some(true) => " AS MATERIALIZED ",
            Some(false) => " AS NOT MATERIALIZED ",
        });
        self.in_parentheses(&cte.query);
    }

    fn body(&mut self, body: &'a Body) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Values(rows) => {
                self.out.push_str("VALUES ");
                listed(self, rows, |words, row| {
                    words.out.push('(');
                    words.exprs(row);
                    words.out.push(')');
                });
            }
            Body::Set { operator, all, operands } => {
                for (n, operand) in operands.iter().enumerate() {
                    if n > 0 {
                        self.out.push_str(set_words(*operator, *all));
                    }
                    self.in_parentheses(operand);
                }
            }
        }
    }

    fn select(&mut self, select: &'a Select) {
        self.out.push_str("SELECT");
        match &select.distinct {
            Distinct::No => {}
            Distinct::Rows => self.out.push_str(" DISTINCT"),
            Distinct::On(exprs) => {
                self.out.push_str(" DISTINCT ON (");
                self.exprs(exprs);
                self.out.push(')');
            }
        }
        for (n, item) in select.items.iter().enumerate() {
            self.out.push_str(if n == 0 { " " } else { ", " });
            self.expr(&item.expr);
            self.out.push_str(" AS ");
            self.name(&item.name);
        }
        for (n, tree) in select.from.iter().enumerate() {
            self.out.push_str(if n == 0 { " FROM " } else { ", " });
            self.tree(select, tree);
        }
        self.conjuncts(" WHERE ", &select.filter);
        if let Some(group) = &select.group {
            self.grouping(group);
        }
        self.conjuncts(" HAVING ", &select.having);
        for (n, window) in select.windows.iter().enumerate() {
            self.out.push_str(if n == 0 { " WINDOW " } else { ", " });
            self.name(&window.name);
            self.out.push_str(" AS ");
            self.spec(&window.spec);
        }
    }

    fn tree(&mut self, select: &'a Select, tree: &'a Tree) {
        match tree {
            Tree::Source(place) => self.source(&select.sources[*place]),
            Tree::Join(join) => self.join(select, join),
        }
    }

    fn join(&mut self, select: &'a Select, join: &'a Join) {
        self.out.push('(');
        self.tree(select, &join.left);
        self.out.push_str(match join.kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
        });
        self.tree(select, &join.right);
        self.conjuncts(" ON ", &join.on);
        if !join.using.is_empty() {
            self.out.push_str(" USING ");
            let names: Vec<_> = join.using.iter().map(|using| using.name.clone()).collect();
            self.names(&names);
        }
        if let Some(alias) = &join.using_alias {
            self.out.push_str(" AS ");
            self.name(alias);
        }
        self.out.push(')');
    }

    fn source(&mut self, source: &'a Source) {
        let (mut types, mut named) = (None, false);
        match &source.kind {
            SourceKind::Relation { only, .. } => {
                self.out.push_str(if *only { "ONLY " } else { "" });
                named = self.relation(source);
            }
            SourceKind::Cte { .. } | SourceKind::Join => named = self.relation(source),
            SourceKind::Query { lateral, query } => {
                self.out.push_str(if *lateral { "LATERAL " } else { "" });
                self.in_parentheses(query);
            }
            SourceKind::Function { lateral, call, ordinality, types: written } => {
                self.out.push_str(if *lateral { "LATERAL " } else { "" });
                self.expr(call);
                self.out.push_str(if *ordinality { " WITH ORDINALITY" } else { "" });
                types = written.as_ref();
            }
        }
        if named && !source.listed {
            return;
        }
        self.out.push_str(" AS ");
        self.name(source.name.as_deref().unwrap_or_default());
        match types {
            Some(types) => {
                self.out.push('(');
                listed(self, source.columns.iter().zip(types), |words, (name, of)| {
                    words.name(name);
                    words.out.push(' ');
                    words.out.push_str(of);
                });
                self.out.push(')');
            }
            None if source.listed => self.names(&source.columns),
            None => {}
        }
    }

    fn grouping(&mut self, group: &'a Grouping) {
        self.out.push_str(if group.distinct { " GROUP BY DISTINCT " } else { " GROUP BY " });
        listed(self, &group.keys, Self::group_key);
    }

    pub(super) fn group_key(&mut self, key: &'a GroupKey) {
        let start = match key {
            GroupKey::Expr(expr) => return self.expr(expr),
            GroupKey::Rollup(_) => "ROLLUP (",
            GroupKey::Cube(_) => "CUBE (",
            GroupKey::Sets(_) => "GROUPING SETS (",
        };
        self.out.push_str(start);
        match key {
            GroupKey::Expr(_) => {}
            GroupKey::Rollup(exprs) | GroupKey::Cube(exprs) => self.exprs(exprs),
            GroupKey::Sets(keys) => listed(self, keys, Self::group_key),
        }
        self.out.push(')');
    }

    fn tail(&mut self, query: &'a Query) {
        if !query.order.is_empty() {
            self.out.push_str(" ORDER BY ");
            self.order(&query.order);
        }
        if let Some(offset) = &query.offset {
            self.out.push_str(" OFFSET ");
            self.expr(offset);
        }
        let Some(limit) = &query.limit else { return };
        self.out.push_str(if limit.with_ties { " FETCH FIRST (" } else { " LIMIT " });
        self.expr(&limit.rows);
        self.out.push_str(if limit.with_ties { ") ROWS WITH TIES" } else { "" });
    }
}

pub(super) fn set_words(operator: SetOperator, all: bool) -> &'static str {
    match (operator, all) {
        (SetOperator::Union, false) => " UNION ",
        (SetOperator::Union, true) => " UNION ALL ",
        (SetOperator::Intersect, false) => " INTERSECT ",
        (SetOperator::Intersect, true) => " INTERSECT ALL ",
        (SetOperator::Except, false) => " EXCEPT ",
        (SetOperator::Except, true) => " EXCEPT ALL ",
    }
}
