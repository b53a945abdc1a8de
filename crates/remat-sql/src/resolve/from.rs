//! FROM: sources and joins.

use squawk_syntax::{
    SyntaxKind::{
        COLUMN_DEF_LIST, COLUMN_LIST, COLUMN_NAME, COLUMN_REF_LIST, EXPR_FROM_ITEM, FROM_ALIAS,
        FUNCTION_FROM_ITEM, JOIN_CROSS, JOIN_EXPR, JOIN_FULL, JOIN_INNER, JOIN_LEFT, JOIN_RIGHT,
        JOIN_USING_CLAUSE, LATERAL_KW, NATURAL_KW, ON_CLAUSE, ONLY_KW, PAREN_FROM_ITEM, RELATION_FROM_ITEM,
        RELATION_NAME_REF, REQUIRED_AS_ALIAS, ROWS_FROM_ITEM, TABLE_ALIAS, TABLESAMPLE_CLAUSE,
        WITH_ORDINALITY,
    },
    SyntaxNode,
};

use crate::{
    ir::{ColumnRef, Join, JoinKind, Source, SourceKind, Target, Tree, Using},
    parse::{in_words, words_of},
    rejection::{Code, Rejection},
};

use super::{
    Reader,
    syntax::{child, column_names, has_token, is_query, name, not_canonical, path, query_in, words},
};

/// What FROM says about a source beside what it is.
struct Alias {
    name: Option<String>,
    columns: Vec<String>,
    types: Option<Vec<String>>,
}

impl Reader<'_> {
    /// Reads an item of FROM; its sources go to the level that is read.
    pub(super) fn tree(&mut self, node: &SyntaxNode) -> Result<Tree, Rejection> {
        self.deeper(node, |reader| match node.kind() {
            JOIN_EXPR => reader.join(node),
            PAREN_FROM_ITEM => reader.parenthesised(node),
            RELATION_FROM_ITEM => reader.relation(node),
            FUNCTION_FROM_ITEM | EXPR_FROM_ITEM | ROWS_FROM_ITEM => reader.function(node),
            kind => {
                let item = in_words(kind).trim_end_matches(" FROM ITEM").to_owned();
                Err(refused(node, &item, "Put it into a view of its own, and read that."))
            }
        })
    }

    fn parenthesised(&mut self, node: &SyntaxNode) -> Result<Tree, Rejection> {
        let inner = node.first_child().ok_or_else(|| not_canonical(node))?;
        let query = if is_query(&inner) { Some(inner.clone()) } else { query_in(&inner) };
        match query {
            Some(query) => self.subquery(node, &query),
            None if child(node, FROM_ALIAS).is_some() => {
                Err(refused(node, "alias over a join", "Give aliases to the tables instead."))
            }
            None => self.tree(&inner.first_child().ok_or_else(|| not_canonical(&inner))?),
        }
    }

    fn subquery(&mut self, node: &SyntaxNode, query: &SyntaxNode) -> Result<Tree, Rejection> {
        let query = Box::new(self.query(query)?);
        let output = query.output();
        let lateral = has_token(node, LATERAL_KW);
        self.source(node, SourceKind::Query { lateral, query }, output, None)
    }

    fn relation(&mut self, node: &SyntaxNode) -> Result<Tree, Rejection> {
        if let Some(sample) = child(node, TABLESAMPLE_CLAUSE) {
            return Err(Rejection::new(Code::TableSample, "TABLESAMPLE", words_of(&sample))
                .because("the query reads a sample of a table")
                .hint("Read the whole table: a sample is another one each time."));
        }
        let reference = child(node, RELATION_NAME_REF).ok_or_else(|| not_canonical(node))?;
        let (schema, own) = path(&reference);
        let (mut kind, columns) = self.table(&reference, schema, &own)?;
        if let SourceKind::Relation { only, .. } = &mut kind {
            *only = has_token(node, ONLY_KW);
        }
        self.source(node, kind, columns, Some(own))
    }

    fn function(&mut self, node: &SyntaxNode) -> Result<Tree, Rejection> {
        let call = self.without(node, &[FROM_ALIAS, WITH_ORDINALITY], &[LATERAL_KW])?;
        let (lateral, ordinality) = (has_token(node, LATERAL_KW), child(node, WITH_ORDINALITY).is_some());
        let types = alias(node).types;
        self.source(node, SourceKind::Function { lateral, call, ordinality, types }, Vec::new(), None)
    }

    fn source(
        &mut self,
        node: &SyntaxNode,
        kind: SourceKind,
        columns: Vec<String>,
        own_name: Option<String>,
    ) -> Result<Tree, Rejection> {
        let alias = alias(node);
        let listed = !alias.columns.is_empty();
        let name = alias.name.or(own_name).ok_or_else(|| not_canonical(node))?;
        let columns = match &kind {
            SourceKind::Function { .. } if !listed => return Err(not_canonical(node)),
            SourceKind::Function { .. } => alias.columns,
            SourceKind::Relation { .. } | SourceKind::Cte { .. } => {
                crate::ir::renamed(columns, &alias.columns)
            }
            SourceKind::Query { .. } | SourceKind::Join => crate::ir::renamed(columns, &alias.columns),
        };
        Ok(Tree::Source(self.add(Source { name: Some(name), columns, listed, kind })))
    }

    fn join(&mut self, node: &SyntaxNode) -> Result<Tree, Rejection> {
        let mut sides = node.children();
        let (Some(left), Some(join)) = (sides.next(), sides.next()) else { return Err(not_canonical(node)) };
        let kind = join_kind(&join)?;
        let right = join.children().find(is_from_item).ok_or_else(|| not_canonical(&join))?;
        let (left, right) = (self.tree(&left)?, self.tree(&right)?);
        let on = match child(&join, ON_CLAUSE).and_then(|on| on.first_child()) {
            Some(condition) => self.conjuncts(&condition)?,
            None => Vec::new(),
        };
        let mut join_read =
            Join { kind, left, right, on, using: Vec::new(), using_alias: None, source: None };
        if let Some(clause) = child(&join, JOIN_USING_CLAUSE) {
            self.merge(&clause, &mut join_read)?;
        }
        Ok(Tree::Join(Box::new(join_read)))
    }

    /// The columns of USING, as a source of their own.
    fn merge(&mut self, clause: &SyntaxNode, join: &mut Join) -> Result<(), Rejection> {
        let columns = child(clause, COLUMN_REF_LIST).map(|list| column_names(&list)).unwrap_or_default();
        for own in &columns {
            let (left, right) = (self.side(clause, &join.left, own)?, self.side(clause, &join.right, own)?);
            join.using.push(Using { name: own.clone(), left, right });
        }
        join.using_alias =
            child(clause, REQUIRED_AS_ALIAS).and_then(|alias| alias.first_child()).map(|alias| name(&alias));
        join.source = Some(self.add(Source { name: None, columns, listed: false, kind: SourceKind::Join }));
        Ok(())
    }

    /// The column of this name on one side of a join.
    fn side(&mut self, clause: &SyntaxNode, tree: &Tree, column: &str) -> Result<ColumnRef, Rejection> {
        let sources = &self.innermost().sources;
        let of = |place: usize| sources[place].columns.iter().position(|own| own == column);
        // A join ends after its sides, so what it merged comes before what it merged it from.
        let found = tree.sources().into_iter().rev().find_map(|place| Some((place, of(place)?)));
        let (source, place) = found.ok_or_else(|| not_canonical(clause))?;
        Ok(ColumnRef { up: 0, source, target: Target::Column(place) })
    }

    fn add(&mut self, source: Source) -> usize {
        let sources = &mut self.innermost().sources;
        sources.push(source);
        sources.len() - 1
    }
}

fn alias(node: &SyntaxNode) -> Alias {
    let Some(alias) = child(node, FROM_ALIAS) else {
        return Alias { name: None, columns: Vec::new(), types: None };
    };
    let name = child(&alias, TABLE_ALIAS).map(|own| name(&own));
    let Some(list) = child(&alias, COLUMN_DEF_LIST) else {
        let columns = child(&alias, COLUMN_LIST).map(|list| column_names(&list)).unwrap_or_default();
        return Alias { name, columns, types: None };
    };
    let types = list.children().map(|def| {
        let parts = def.children().filter(|part| part.kind() != COLUMN_NAME);
        parts.map(|part| words(&part)).collect::<Vec<_>>().join(" ")
    });
    Alias { name, columns: column_names(&list), types: Some(types.collect()) }
}

fn join_kind(join: &SyntaxNode) -> Result<JoinKind, Rejection> {
    let kinds = [
        (JOIN_INNER, JoinKind::Inner),
        (JOIN_LEFT, JoinKind::Left),
        (JOIN_RIGHT, JoinKind::Right),
        (JOIN_FULL, JoinKind::Full),
        (JOIN_CROSS, JoinKind::Cross),
    ];
    if has_token(join, NATURAL_KW) {
        return Err(not_canonical(join));
    }
    let found = kinds.iter().find(|(kind, _)| child(join, *kind).is_some());
    found.map(|(_, kind)| *kind).ok_or_else(|| not_canonical(join))
}

fn is_from_item(node: &SyntaxNode) -> bool {
    !matches!(
        node.kind(),
        JOIN_INNER | JOIN_LEFT | JOIN_RIGHT | JOIN_FULL | JOIN_CROSS | ON_CLAUSE | JOIN_USING_CLAUSE
    )
}

fn refused(node: &SyntaxNode, item: &str, hint: &str) -> Rejection {
    Rejection::new(Code::FromItem, item, words_of(node))
        .because(format!("FROM holds {item}, which is not followed"))
        .hint(hint)
}
