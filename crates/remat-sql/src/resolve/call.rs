//! Calls: which take rows together, which ask a clock, and which are words like any other.
//!
//! Law: an aggregate is told by its name, from the catalog, or by a syntax that nothing else has.

use squawk_syntax::{
    SyntaxKind::{
        ARG, ARG_LIST, CURRENT_TIME_KW, CURRENT_TIMESTAMP_KW, DISTINCT, EXISTS_FN, FIELD_EXPR, FILTER_CLAUSE,
        LOCALTIME_KW, LOCALTIMESTAMP_KW, NAME_REF, ORDER_BY_CLAUSE, OVER_CLAUSE, STAR, WINDOW_REF,
        WINDOW_SPEC, WITHIN_CLAUSE,
    },
    SyntaxNode,
};

use crate::{
    catalog::{Overloads, QualifiedName},
    ir::{Call, Clock, ClockKind, Expr, FunctionName, OrderKey, Over, Piece, WindowCall, WindowSpec},
    parse::words_of,
    rejection::{Code, Rejection},
};

use super::{
    Reader,
    syntax::{child, has_token, name, not_canonical, tokens, words},
};

impl Reader<'_> {
    pub(super) fn call(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        if let Some(exists) = child(node, EXISTS_FN) {
            return self.exists(&exists, out);
        }
        let (Some(callee), Some(args)) = (node.first_child(), child(node, ARG_LIST)) else {
            return self.parts_of_call(node, out);
        };
        let Some(function) = function_name(&callee) else { return self.parts_of_call(node, out) };
        if let Some(over) = child(node, OVER_CLAUSE) {
            let (call, over) = (self.call_of(node, function, &args)?, self.over(&over)?);
            out.push(Piece::Window(Box::new(WindowCall { call, over })));
        } else if self.is_aggregate(node, &function, &args)? {
            let call = self.call_of(node, function, &args)?;
            out.push(Piece::Aggregate(Box::new(call)));
        } else {
            let own = function.schema.is_none();
            match clock(&callee, &args).filter(|_| own) {
                Some(ClockKind::Age) => {
                    out.push(Piece::Clock(Clock { kind: ClockKind::Age, text: words(&callee) }));
                    self.copied_parts(&args, out)?;
                }
                Some(kind) => out.push(Piece::Clock(Clock { kind, text: words(node) })),
                None => {
                    out.push_text(&words(&callee));
                    self.copied_parts(&args, out)?;
                }
            }
        }
        Ok(())
    }

    /// A call with a syntax of its own, which may bring clauses that only aggregates have.
    fn parts_of_call(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        node.children().try_for_each(|part| match part.kind() {
            FILTER_CLAUSE | OVER_CLAUSE | WITHIN_CLAUSE => Err(not_canonical(&part)),
            _ => self.walk(&part, out),
        })
    }

    fn is_aggregate(
        &self,
        node: &SyntaxNode,
        function: &FunctionName,
        args: &SyntaxNode,
    ) -> Result<bool, Rejection> {
        let told = child(node, FILTER_CLAUSE).is_some()
            || child(node, WITHIN_CLAUSE).is_some()
            || child(args, DISTINCT).is_some()
            || has_token(args, STAR)
            || args.children().any(|arg| child(&arg, ORDER_BY_CLAUSE).is_some());
        let schema = function.schema.as_deref().unwrap_or("pg_catalog");
        match self.catalog.aggregates.get(&QualifiedName::new(schema, &*function.name)) {
            Some(Overloads::Mixed) if !told => {
                let own = &function.name;
                Err(Rejection::new(Code::AmbiguousFunction, format!("function \"{own}\""), words_of(node))
                    .because(format!("\"{own}\" is the name of aggregates and of other functions"))
                    .hint("Give the aggregate a name of its own."))
            }
            Some(Overloads::Mixed | Overloads::Aggregates) => Ok(true),
            None => Ok(told),
        }
    }

    fn call_of(
        &mut self,
        node: &SyntaxNode,
        function: FunctionName,
        args: &SyntaxNode,
    ) -> Result<Call, Rejection> {
        let known = [ARG_LIST, WITHIN_CLAUSE, FILTER_CLAUSE, OVER_CLAUSE];
        if let Some(part) = node.children().skip(1).find(|part| !known.contains(&part.kind())) {
            return Err(not_canonical(&part));
        }
        let listed = args.children().filter(|arg| arg.kind() == ARG);
        let mut call = Call {
            function,
            up: 0,
            distinct: child(args, DISTINCT).is_some(),
            star: has_token(args, STAR),
            args: listed.map(|arg| self.without(&arg, &[ORDER_BY_CLAUSE], &[])).collect::<Result<_, _>>()?,
            order: self.keys_of(args.children().find_map(|arg| child(&arg, ORDER_BY_CLAUSE)))?,
            within: self
                .keys_of(child(node, WITHIN_CLAUSE).and_then(|within| child(&within, ORDER_BY_CLAUSE)))?,
            filter: match child(node, FILTER_CLAUSE).and_then(|filter| filter.first_child()) {
                Some(condition) => self.conjuncts(&condition)?,
                None => Vec::new(),
            },
        };
        call.up = call.innermost().unwrap_or(0);
        Ok(call)
    }

    fn keys_of(&mut self, clause: Option<SyntaxNode>) -> Result<Vec<OrderKey>, Rejection> {
        clause.map_or(Ok(Vec::new()), |clause| self.order(&clause, &[], &[]))
    }

    fn over(&mut self, clause: &SyntaxNode) -> Result<Over, Rejection> {
        let target = clause.first_child().ok_or_else(|| not_canonical(clause))?;
        match (target.kind(), child(&target, WINDOW_SPEC)) {
            (WINDOW_REF, _) => Ok(Over::Named(name(&target))),
            (_, Some(spec)) => Ok(Over::Spec(self.window_spec(&spec)?)),
            // `OVER ()`: everything.
            (_, None) => Ok(Over::Spec(WindowSpec::default())),
        }
    }
}

/// The name of a function, where it is called by name.
fn function_name(callee: &SyntaxNode) -> Option<FunctionName> {
    match callee.kind() {
        NAME_REF => Some(FunctionName { schema: None, name: name(callee) }),
        FIELD_EXPR => {
            let mut parts = callee.children();
            let (schema, own) = (parts.next()?, parts.next()?);
            (schema.kind() == NAME_REF)
                .then(|| FunctionName { schema: Some(name(&schema)), name: name(&own) })
        }
        _ => None,
    }
}

/// Which clock a function of the server asks.
fn clock(callee: &SyntaxNode, args: &SyntaxNode) -> Option<ClockKind> {
    let count = args.children().filter(|arg| arg.kind() == ARG).count();
    if let Some(CURRENT_TIME_KW | CURRENT_TIMESTAMP_KW | LOCALTIME_KW | LOCALTIMESTAMP_KW) =
        tokens(callee).next().map(|token| token.kind())
    {
        return Some(ClockKind::Transaction);
    }
    match (name(callee).as_str(), count) {
        ("now" | "transaction_timestamp", 0) => Some(ClockKind::Transaction),
        ("statement_timestamp", 0) => Some(ClockKind::Statement),
        ("clock_timestamp" | "timeofday", 0) => Some(ClockKind::Moment),
        ("age", 1) => Some(ClockKind::Age),
        _ => None,
    }
}
