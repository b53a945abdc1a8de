//! A query for people: one line for each part, indented as a plan is.
//!
//! Law: for reading only; nothing parses it. Each sub-select stands below the query whose expressions name it by number.

use super::words::Words;
use super::{
    Body, Cte, Distinct, Expr, Join, JoinKind, Query, Select, SetOperator, Source, SourceKind, Tree,
};

/// The query as lines of text.
///
/// ```
/// use remat_sql::{catalog::Catalog, ir, read};
/// let query = read("SELECT 1 AS one, 'a'::text AS a", &Catalog::default()).unwrap();
/// assert_eq!(ir::plan(&query), "select\n  1 as one\n  'a'::text as a\n");
/// ```
pub fn plan(query: &Query) -> String {
    let words = Words { aside: Some(Vec::new()), ..Words::server() };
    let mut plan = Plan { words, text: String::new(), indent: 0 };
    plan.query(query);
    plan.text
}

struct Plan<'a> {
    words: Words<'a>,
    text: String,
    indent: usize,
}

impl<'a> Plan<'a> {
    fn query(&mut self, query: &'a Query) {
        let outer = self.words.aside.replace(Vec::new());
        self.words.levels.push(query);
        for cte in &query.with {
            self.cte(cte);
        }
        self.body(&query.body);
        if !query.order.is_empty() {
            self.line(|words| {
                words.out.push_str("order by ");
                words.order(&query.order);
            });
        }
        self.labelled("offset ", query.offset.as_ref());
        if let Some(limit) = &query.limit {
            self.labelled(if limit.with_ties { "limit with ties " } else { "limit " }, Some(&limit.rows));
        }
        let aside = std::mem::replace(&mut self.words.aside, outer);
        for (n, query) in aside.into_iter().flatten().enumerate() {
            self.heading(&format!("sub-select {}", n + 1));
            self.within(|plan| plan.query(query));
        }
        self.words.levels.pop();
    }

    fn cte(&mut self, cte: &'a Cte) {
        self.line(|words| {
            words.out.push_str("with ");
            words.name(&cte.name);
            if let Some(columns) = &cte.columns {
                words.names(columns);
            }
            words.out.push_str(match cte.materialized {
                None => "",
                Some(true) => " materialized",
                Some(false) => " not materialized",
            });
        });
        self.within(|plan| plan.query(&cte.query));
    }

    fn body(&mut self, body: &'a Body) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Set { operator, all, operands } => {
                let operator = match operator {
                    SetOperator::Union => "union",
                    SetOperator::Intersect => "intersect",
                    SetOperator::Except => "except",
                };
                self.heading(&format!("{operator}{}", if *all { " all" } else { "" }));
                for operand in operands {
                    self.within(|plan| plan.query(operand));
                }
            }
            Body::Values(rows) => {
                self.heading("values");
                for row in rows {
                    self.within(|plan| plan.line(|words| words.exprs(row)));
                }
            }
        }
    }

    fn select(&mut self, select: &'a Select) {
        self.line(|words| match &select.distinct {
            Distinct::No => words.out.push_str("select"),
            Distinct::Rows => words.out.push_str("select distinct"),
            Distinct::On(exprs) => {
                words.out.push_str("select distinct on (");
                words.exprs(exprs);
                words.out.push(')');
            }
        });
        self.within(|plan| plan.items(select));
        if !select.from.is_empty() {
            self.heading("from");
        }
        for tree in &select.from {
            self.within(|plan| plan.tree(select, tree));
        }
        self.conjuncts("where", &select.filter);
        if let Some(group) = &select.group {
            self.line(|words| {
                words.out.push_str(if group.distinct { "group by distinct " } else { "group by " });
                super::words::listed(words, &group.keys, Words::group_key);
            });
        }
        self.conjuncts("having", &select.having);
        for window in &select.windows {
            self.line(|words| {
                words.out.push_str("window ");
                words.name(&window.name);
                words.out.push_str(" as ");
                words.spec(&window.spec);
            });
        }
    }

    fn items(&mut self, select: &'a Select) {
        for item in &select.items {
            self.line(|words| {
                words.expr(&item.expr);
                let start = words.out.len();
                words.name(&item.name);
                let name = words.out.split_off(start);
                let own = item.expr.bare_column().is_some() && words.out.ends_with(&format!(".{name}"));
                if !own {
                    words.out.push_str(" as ");
                    words.out.push_str(&name);
                }
            });
        }
    }

    fn tree(&mut self, select: &'a Select, tree: &'a Tree) {
        match tree {
            Tree::Source(place) => self.source(&select.sources[*place]),
            Tree::Join(join) => self.join(select, join),
        }
    }

    fn join(&mut self, select: &'a Select, join: &'a Join) {
        self.line(|words| {
            words.out.push_str(match join.kind {
                JoinKind::Inner => "join",
                JoinKind::Left => "left join",
                JoinKind::Right => "right join",
                JoinKind::Full => "full join",
                JoinKind::Cross => "cross join",
            });
            for (n, conjunct) in join.on.iter().enumerate() {
                words.out.push_str(if n == 0 { " on " } else { " and " });
                words.unwrapped(conjunct);
            }
            if !join.using.is_empty() {
                words.out.push_str(" using ");
                let names: Vec<_> = join.using.iter().map(|using| using.name.clone()).collect();
                words.names(&names);
            }
        });
        self.within(|plan| plan.tree(select, &join.left));
        self.within(|plan| plan.tree(select, &join.right));
    }

    fn source(&mut self, source: &'a Source) {
        self.line(|words| {
            match &source.kind {
                SourceKind::Relation { only, .. } => {
                    words.out.push_str(if *only { "only " } else { "" });
                    if words.relation(source) && !source.listed {
                        return;
                    }
                }
                SourceKind::Cte { .. } => {
                    words.out.push_str("with ");
                    if words.relation(source) && !source.listed {
                        return;
                    }
                }
                SourceKind::Query { lateral, .. } => {
                    words.out.push_str(if *lateral { "lateral query" } else { "query" });
                }
                SourceKind::Function { lateral, call, ordinality, .. } => {
                    words.out.push_str(if *lateral { "lateral " } else { "" });
                    words.expr(call);
                    words.out.push_str(if *ordinality { " with ordinality" } else { "" });
                }
                SourceKind::Join => {}
            }
            words.out.push_str(" as ");
            words.name(source.name.as_deref().unwrap_or_default());
            if source.listed {
                words.names(&source.columns);
            }
        });
        if let SourceKind::Query { query, .. } = &source.kind {
            self.within(|plan| plan.query(query));
        }
    }

    fn conjuncts(&mut self, heading: &str, conjuncts: &'a [Expr]) {
        if !conjuncts.is_empty() {
            self.heading(heading);
        }
        for conjunct in conjuncts {
            self.within(|plan| plan.line(|words| words.unwrapped(conjunct)));
        }
    }

    fn labelled(&mut self, label: &str, expr: Option<&'a Expr>) {
        let Some(expr) = expr else { return };
        self.line(|words| {
            words.out.push_str(label);
            words.expr(expr);
        });
    }

    fn heading(&mut self, heading: &str) {
        self.line(|words| words.out.push_str(heading));
    }

    fn line(&mut self, write: impl FnOnce(&mut Words<'a>)) {
        write(&mut self.words);
        self.text.push_str(&"  ".repeat(self.indent));
        self.text.push_str(&std::mem::take(&mut self.words.out));
        self.text.push('\n');
    }

    fn within(&mut self, write: impl FnOnce(&mut Self)) {
        self.indent += 1;
        write(self);
        self.indent -= 1;
    }
}

impl<'a> Words<'a> {
    /// A comparison without its parentheses, anything else as it is.
    fn unwrapped(&mut self, expr: &'a Expr) {
        match expr.comparison() {
            Some(comparison) => self.comparison(comparison),
            None => self.expr(expr),
        }
    }
}
