//! One SELECT.

use squawk_syntax::{
    SyntaxKind::{
        AS_NAME, DISTINCT, DISTINCT_CLAUSE, DISTINCT_ON, FETCH_CLAUSE, FRAME_CLAUSE, FROM_CLAUSE,
        GROUP_BY_CLAUSE, GROUP_BY_LIST, GROUPING_CUBE, GROUPING_EXPR, GROUPING_ROLLUP, GROUPING_SETS,
        HAVING_CLAUSE, LIMIT_CLAUSE, LOCKING_CLAUSE, NAME_REF, OFFSET_CLAUSE, ORDER_BY_CLAUSE,
        PARTITION_BY_CLAUSE, SELECT_CLAUSE, TARGET_LIST, WHERE_CLAUSE, WINDOW, WINDOW_CLAUSE, WINDOW_REF,
        WINDOW_SPEC, WITH_CLAUSE,
    },
    SyntaxNode,
};

use crate::{
    ir::{Distinct, Expr, GroupKey, Grouping, Item, Select, Target, Window, WindowSpec},
    rejection::Rejection,
};

use super::{
    Reader,
    syntax::{child, name, not_canonical},
};

impl Reader<'_> {
    /// Reads FROM first: everything else names what stands there.
    pub(super) fn select(&mut self, node: &SyntaxNode) -> Result<Select, Rejection> {
        only_known(node)?;
        let from = match child(node, FROM_CLAUSE) {
            Some(clause) => clause.children().map(|item| self.tree(&item)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        let clause = child(node, SELECT_CLAUSE).ok_or_else(|| not_canonical(node))?;
        let items = self.items(&clause)?;
        let distinct = self.distinct(&clause, &items)?;
        let filter = self.clause_conjuncts(node, WHERE_CLAUSE)?;
        let group = match child(node, GROUP_BY_CLAUSE) {
            Some(clause) => Some(self.grouping(&clause)?),
            None => None,
        };
        let having = self.clause_conjuncts(node, HAVING_CLAUSE)?;
        let windows = match child(node, WINDOW_CLAUSE) {
            Some(clause) => clause.children().map(|window| self.window(&window)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        // The sources stay in the level until ORDER BY is read.
        Ok(Select { distinct, items, sources: Vec::new(), from, filter, group, having, windows })
    }

    fn items(&mut self, clause: &SyntaxNode) -> Result<Vec<Item>, Rejection> {
        let targets = child(clause, TARGET_LIST).into_iter().flat_map(|list| list.children());
        targets.map(|target| self.item(&target)).collect()
    }

    fn item(&mut self, target: &SyntaxNode) -> Result<Item, Rejection> {
        let value = target.first_child().filter(|value| value.kind() != AS_NAME);
        let expr = self.expr(&value.ok_or_else(|| not_canonical(target))?)?;
        let written = child(target, AS_NAME).and_then(|alias| alias.first_child()).map(|alias| name(&alias));
        let name = written.unwrap_or_else(|| self.own_name(&expr));
        Ok(Item { expr, name })
    }

    /// The name of an output column that has none written: the server writes it wherever it is another one.
    fn own_name(&self, expr: &Expr) -> String {
        let column = expr.bare_column().and_then(|column| {
            let source = self.levels.iter().rev().nth(column.up)?.sources.get(column.source)?;
            match &column.target {
                Target::Column(place) => source.columns.get(*place).cloned(),
                Target::System(name) => Some(name.clone()),
                Target::Row => None,
            }
        });
        column.unwrap_or_else(|| "?column?".to_owned())
    }

    fn distinct(&mut self, clause: &SyntaxNode, items: &[Item]) -> Result<Distinct, Rejection> {
        let Some(distinct) = child(clause, DISTINCT_CLAUSE) else { return Ok(Distinct::No) };
        let Some(on) = child(&distinct, DISTINCT_ON) else { return Ok(Distinct::Rows) };
        let named =
            |expr: &SyntaxNode| items.iter().find(|item| expr.kind() == NAME_REF && item.name == name(expr));
        let exprs = on.children().map(|expr| match named(&expr) {
            Some(item) => Ok(item.expr.clone()),
            None => self.expr(&expr),
        });
        Ok(Distinct::On(exprs.collect::<Result<_, _>>()?))
    }

    fn clause_conjuncts(
        &mut self,
        node: &SyntaxNode,
        kind: squawk_syntax::SyntaxKind,
    ) -> Result<Vec<Expr>, Rejection> {
        match child(node, kind).and_then(|clause| clause.first_child()) {
            Some(condition) => self.conjuncts(&condition),
            None => Ok(Vec::new()),
        }
    }

    fn grouping(&mut self, clause: &SyntaxNode) -> Result<Grouping, Rejection> {
        let list = child(clause, GROUP_BY_LIST).ok_or_else(|| not_canonical(clause))?;
        let keys = list.children().map(|key| self.group_key(&key)).collect::<Result<_, _>>()?;
        Ok(Grouping { distinct: child(clause, DISTINCT).is_some(), keys })
    }

    fn group_key(&mut self, key: &SyntaxNode) -> Result<GroupKey, Rejection> {
        self.deeper(key, |reader| match key.kind() {
            GROUPING_EXPR => {
                let expr = key.first_child().ok_or_else(|| not_canonical(key))?;
                Ok(GroupKey::Expr(reader.expr(&expr)?))
            }
            GROUPING_ROLLUP => Ok(GroupKey::Rollup(reader.exprs(key)?)),
            GROUPING_CUBE => Ok(GroupKey::Cube(reader.exprs(key)?)),
            GROUPING_SETS => {
                let keys = key.children().map(|key| reader.group_key(&key));
                Ok(GroupKey::Sets(keys.collect::<Result<_, _>>()?))
            }
            _ => Err(not_canonical(key)),
        })
    }

    fn exprs(&mut self, list: &SyntaxNode) -> Result<Vec<Expr>, Rejection> {
        list.children().map(|expr| self.expr(&expr)).collect()
    }

    fn window(&mut self, def: &SyntaxNode) -> Result<Window, Rejection> {
        let own = child(def, WINDOW).ok_or_else(|| not_canonical(def))?;
        let spec = child(def, WINDOW_SPEC).map(|spec| self.window_spec(&spec)).transpose()?;
        Ok(Window { name: name(&own), spec: spec.unwrap_or_default() })
    }

    pub(super) fn window_spec(&mut self, spec: &SyntaxNode) -> Result<WindowSpec, Rejection> {
        let partition = match child(spec, PARTITION_BY_CLAUSE) {
            Some(clause) => self.exprs(&clause)?,
            None => Vec::new(),
        };
        let order = match child(spec, ORDER_BY_CLAUSE) {
            Some(clause) => self.order(&clause, &[], &[])?,
            None => Vec::new(),
        };
        let frame = child(spec, FRAME_CLAUSE).map(|frame| self.open(&frame)).transpose()?;
        Ok(WindowSpec { base: child(spec, WINDOW_REF).map(|base| name(&base)), partition, order, frame })
    }
}

fn only_known(node: &SyntaxNode) -> Result<(), Rejection> {
    let unknown = node.children().find(|clause| {
        !matches!(
            clause.kind(),
            WITH_CLAUSE
                | SELECT_CLAUSE
                | FROM_CLAUSE
                | WHERE_CLAUSE
                | GROUP_BY_CLAUSE
                | HAVING_CLAUSE
                | WINDOW_CLAUSE
                | ORDER_BY_CLAUSE
                | LIMIT_CLAUSE
                | OFFSET_CLAUSE
                | FETCH_CLAUSE
                | LOCKING_CLAUSE
        )
    });
    unknown.map_or(Ok(()), |clause| Err(not_canonical(&clause)))
}
