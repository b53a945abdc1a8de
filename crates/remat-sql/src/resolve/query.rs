//! Queries: WITH, set operations, VALUES, and what follows them.

use squawk_syntax::{
    SyntaxKind::{
        ALL, COLUMN_LIST, COMPOUND_SELECT, CTE_NAME, EXCEPT, FETCH_CLAUSE, FIELD_EXPR, INT_NUMBER, INTERSECT,
        LIMIT_CLAUSE, LITERAL, LOCKING_CLAUSE, MATERIALIZED, NAME_REF, NOT_MATERIALIZED, NULLS_FIRST,
        NULLS_LAST, OFFSET_CLAUSE, ORDER_BY_CLAUSE, PAREN_SELECT, RECURSIVE_KW, ROW_LIST, SELECT, SORT_DESC,
        SORT_USING, UNION, VALUES, WITH_CLAUSE, WITH_TABLE, WITH_TIES,
    },
    SyntaxNode,
    ast::{self, AstNode},
};

use crate::{
    ir::{Body, Cte, Direction, Item, Limit, OrderKey, Query, SetOperator, SortBy},
    parse::words_of,
    rejection::{Code, Rejection},
};

use super::{
    Reader,
    names::Level,
    syntax::{child, column_names, has_token, is_query, name, not_canonical, query_in, tokens, words},
};

impl Reader<'_> {
    /// Reads a query as a level of its own.
    pub(super) fn query(&mut self, node: &SyntaxNode) -> Result<Query, Rejection> {
        let node = unwrapped(node)?;
        let with = child(&first_operand(&node), WITH_CLAUSE);
        self.level(&node, with.as_ref())
    }

    fn level(&mut self, node: &SyntaxNode, with: Option<&SyntaxNode>) -> Result<Query, Rejection> {
        self.deeper(node, |reader| {
            reader.levels.push(Level::default());
            let mut query = reader.parts(node, with)?;
            let sources = reader.levels.pop().map(|level| level.sources);
            if let Body::Select(select) = &mut query.body {
                select.sources = sources.unwrap_or_default();
            }
            Ok(query)
        })
    }

    fn parts(&mut self, node: &SyntaxNode, with: Option<&SyntaxNode>) -> Result<Query, Rejection> {
        let with = match with {
            Some(with) => self.with(with)?,
            None => Vec::new(),
        };
        let body = match node.kind() {
            SELECT => Body::Select(Box::new(self.select(node)?)),
            VALUES => Body::Values(self.values(node)?),
            COMPOUND_SELECT => self.set(node)?,
            _ => return Err(not_canonical(node)),
        };
        self.tail(node, Query { with, body, order: Vec::new(), offset: None, limit: None })
    }

    fn with(&mut self, clause: &SyntaxNode) -> Result<Vec<Cte>, Rejection> {
        if has_token(clause, RECURSIVE_KW) {
            return Err(Rejection::new(Code::RecursiveCte, "WITH RECURSIVE", words_of(clause))
                .because("the query has WITH RECURSIVE")
                .hint("Leave RECURSIVE out if no part reads itself."));
        }
        let mut with = Vec::new();
        for table in clause.children().filter(|table| table.kind() == WITH_TABLE) {
            let cte = self.cte_of(&table)?;
            self.innermost().with.push((cte.name.clone(), cte.output()));
            with.push(cte);
        }
        Ok(with)
    }

    fn cte_of(&mut self, table: &SyntaxNode) -> Result<Cte, Rejection> {
        let (Some(own), Some(query)) = (child(table, CTE_NAME), query_in(table)) else {
            return Err(not_canonical(table));
        };
        let materialized = match (child(table, MATERIALIZED), child(table, NOT_MATERIALIZED)) {
            (None, None) => None,
            (materialized, _) => Some(materialized.is_some()),
        };
        let columns = child(table, COLUMN_LIST).map(|list| column_names(&list));
        Ok(Cte { name: name(&own), columns, materialized, query: self.query(&query)? })
    }

    /// A chain of one operator is one set operation, however long it is.
    fn set(&mut self, node: &SyntaxNode) -> Result<Body, Rejection> {
        let (operator, all) = set_operator(node)?;
        let mut operands = Vec::new();
        let mut rest = node.clone();
        loop {
            let mut sides = rest.children().filter(is_query);
            let (Some(left), Some(right)) = (sides.next(), sides.next()) else {
                return Err(not_canonical(&rest));
            };
            operands.push(right);
            if left.kind() != COMPOUND_SELECT {
                operands.push(left);
                break;
            }
            if set_operator(&left)? != (operator, all) {
                return Err(not_canonical(&left));
            }
            rest = left;
        }
        let operands =
            operands.iter().rev().map(|operand| self.operand(operand)).collect::<Result<_, _>>()?;
        Ok(Body::Set { operator, all, operands })
    }

    /// A WITH clause before the first operand belongs to the whole, and was read.
    fn operand(&mut self, node: &SyntaxNode) -> Result<Query, Rejection> {
        match node.kind() {
            PAREN_SELECT => match query_in(node) {
                Some(inner) => self.query(&inner),
                None => Err(not_canonical(node)),
            },
            SELECT | VALUES => self.level(node, None),
            _ => Err(not_canonical(node)),
        }
    }

    fn values(&mut self, node: &SyntaxNode) -> Result<Vec<Vec<crate::ir::Expr>>, Rejection> {
        let rows = child(node, ROW_LIST).ok_or_else(|| not_canonical(node))?;
        rows.children().map(|row| row.children().map(|expr| self.expr(&expr)).collect()).collect()
    }

    fn tail(&mut self, node: &SyntaxNode, mut query: Query) -> Result<Query, Rejection> {
        for clause in node.children() {
            match clause.kind() {
                ORDER_BY_CLAUSE => {
                    let items = query.select().map(|select| select.items.clone()).unwrap_or_default();
                    let output = query.output();
                    query.order = self.order(&clause, &items, &output)?;
                }
                OFFSET_CLAUSE => query.offset = Some(self.only_expr(&clause)?),
                LIMIT_CLAUSE if child(&clause, ALL).is_some() => {}
                LIMIT_CLAUSE => {
                    query.limit = Some(Limit { rows: self.only_expr(&clause)?, with_ties: false });
                }
                FETCH_CLAUSE => {
                    let with_ties = child(&clause, WITH_TIES).is_some();
                    query.limit = Some(Limit { rows: self.only_expr(&clause)?, with_ties });
                }
                LOCKING_CLAUSE => {
                    return Err(Rejection::new(Code::Locking, words(&clause), words_of(&clause))
                        .because("the query locks rows")
                        .hint("Leave the clause out: a refresh locks nothing that it reads."));
                }
                _ => {}
            }
        }
        Ok(query)
    }

    fn only_expr(&mut self, clause: &SyntaxNode) -> Result<crate::ir::Expr, Rejection> {
        let expr = clause.children().find(|node| ast::Expr::can_cast(node.kind()));
        self.expr(&expr.ok_or_else(|| not_canonical(clause))?)
    }

    /// The keys of ORDER BY. A bare name means an output column first, if the clause is one of a query.
    pub(super) fn order(
        &mut self,
        clause: &SyntaxNode,
        items: &[Item],
        output: &[String],
    ) -> Result<Vec<OrderKey>, Rejection> {
        let keys = clause.children().flat_map(|list| list.children());
        keys.map(|key| self.order_key(&key, items, output)).collect()
    }

    fn order_key(
        &mut self,
        key: &SyntaxNode,
        items: &[Item],
        output: &[String],
    ) -> Result<OrderKey, Rejection> {
        let expr = key.first_child().ok_or_else(|| not_canonical(key))?;
        let named = || {
            let bare = if items.is_empty() { column_of_values(&expr) } else { None };
            let bare = bare.or_else(|| (expr.kind() == NAME_REF).then(|| name(&expr)))?;
            output.iter().position(|own| *own == bare)
        };
        let by = match (ordinal(&expr), named()) {
            (Some(n), _) if (1..=output.len()).contains(&n) => SortBy::Output(n),
            (_, Some(place)) => match items.get(place) {
                Some(item) => SortBy::Expr(item.expr.clone()),
                None => SortBy::Output(place + 1),
            },
            _ => SortBy::Expr(self.expr(&expr)?),
        };
        let direction = match (child(key, SORT_DESC), child(key, SORT_USING)) {
            (Some(_), _) => Direction::Descending,
            (None, Some(using)) => Direction::Using(
                words(&using).trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim().to_owned(),
            ),
            (None, None) => Direction::Ascending,
        };
        let nulls_first = match (child(key, NULLS_FIRST), child(key, NULLS_LAST)) {
            (None, None) => None,
            (first, _) => Some(first.is_some()),
        };
        Ok(OrderKey { by, direction, nulls_first })
    }
}

/// The query itself, parentheses around it taken off.
fn unwrapped(node: &SyntaxNode) -> Result<SyntaxNode, Rejection> {
    let mut node = node.clone();
    while node.kind() == PAREN_SELECT {
        let mut parts = node.children();
        match (parts.next(), parts.next()) {
            (Some(inner), None) => node = inner,
            _ => return Err(not_canonical(&node)),
        }
    }
    Ok(node)
}

/// Where WITH stands: before the first operand of all.
fn first_operand(node: &SyntaxNode) -> SyntaxNode {
    let mut node = node.clone();
    while node.kind() == COMPOUND_SELECT {
        match node.children().find(is_query) {
            Some(left) => node = left,
            None => break,
        }
    }
    node
}

fn set_operator(node: &SyntaxNode) -> Result<(SetOperator, bool), Rejection> {
    let operators =
        [(UNION, SetOperator::Union), (INTERSECT, SetOperator::Intersect), (EXCEPT, SetOperator::Except)];
    let found = operators.iter().find_map(|(kind, operator)| Some((child(node, *kind)?, *operator)));
    let (words, operator) = found.ok_or_else(|| not_canonical(node))?;
    Ok((operator, child(&words, ALL).is_some()))
}

/// A column of VALUES that is no source, as 15 writes it.
fn column_of_values(expr: &SyntaxNode) -> Option<String> {
    let (base, column) = (expr.first_child()?, expr.last_child()?);
    (expr.kind() == FIELD_EXPR && name(&base) == "*VALUES*").then(|| name(&column))
}

fn ordinal(expr: &SyntaxNode) -> Option<usize> {
    let number = tokens(expr).find(|token| expr.kind() == LITERAL && token.kind() == INT_NUMBER)?;
    number.text().parse().ok()
}
