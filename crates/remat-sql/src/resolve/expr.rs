//! Expressions: words are copied, what matters is taken out of them.
//!
//! Law: every name that is a column, every call that takes rows together and every sub-select is found by its place in
//! the tree. The reader descends by recursion through long chains of operators, so its frames are kept small.

use squawk_syntax::{
    SyntaxElement,
    SyntaxKind::{
        self, ALL_FN, AND_KW, ANY_FN, ARRAY_EXPR, BETWEEN_EXPR, BIN_EXPR, CALL_EXPR, COLLATE,
        CURRENT_CATALOG_KW, CURRENT_DATE_KW, CURRENT_ROLE_KW, CURRENT_SCHEMA_KW, CURRENT_TIME_KW,
        CURRENT_TIMESTAMP_KW, CURRENT_USER_KW, EQ, FIELD_EXPR, GTEQ, JSON_ARRAY_AGG_FN, JSON_OBJECT_AGG_FN,
        L_ANGLE, LITERAL, LOCALTIME_KW, LOCALTIMESTAMP_KW, LTEQ, NAME_REF, NEQ, NEQB, NOT_KW, PAREN_EXPR,
        POSTFIX_EXPR, PREFIX_EXPR, R_ANGLE, SESSION_USER_KW, SOME_FN, SYSTEM_USER_KW, USER_KW,
    },
    SyntaxNode,
    ast::{self, AstNode},
};

use crate::{
    ir::{Clock, ClockKind, Comparison, Expr, Piece},
    rejection::{Code, Rejection},
};

use super::{
    Reader,
    syntax::{child, has_token, is_query, is_trivia, name, not_canonical, query_in, tokens, words},
};

impl Reader<'_> {
    /// Reads an expression; what could bind to its surroundings is put in parentheses.
    pub(super) fn expr(&mut self, node: &SyntaxNode) -> Result<Expr, Rejection> {
        let expr = self.open(node)?;
        if !binds_outwards(node.kind()) || expr.only().is_some_and(is_closed) {
            return Ok(expr);
        }
        let mut closed = Expr::text("(");
        expr.pieces.into_iter().for_each(|piece| closed.push(piece));
        closed.push_text(")");
        Ok(closed)
    }

    /// Reads what need not be an operand.
    pub(super) fn open(&mut self, node: &SyntaxNode) -> Result<Expr, Rejection> {
        self.deeper(node, |reader| {
            let mut out = Expr::default();
            reader.walk(node, &mut out)?;
            Ok(trimmed(out))
        })
    }

    /// Reads the parts of a node, some left out.
    pub(super) fn without(
        &mut self,
        node: &SyntaxNode,
        nodes: &[SyntaxKind],
        words: &[SyntaxKind],
    ) -> Result<Expr, Rejection> {
        self.deeper(node, |reader| {
            let mut out = Expr::default();
            for part in node.children_with_tokens() {
                let left_out = if part.as_node().is_some() { nodes } else { words };
                if !left_out.contains(&part.kind()) {
                    reader.element(&part, &mut out)?;
                }
            }
            Ok(trimmed(out))
        })
    }

    /// The conjuncts of a condition: AND means the same however it nests.
    pub(super) fn conjuncts(&mut self, condition: &SyntaxNode) -> Result<Vec<Expr>, Rejection> {
        let mut waiting = vec![condition.clone()];
        let mut conjuncts = Vec::new();
        while let Some(node) = waiting.pop() {
            let bare = without_parentheses(&node);
            if bare.kind() == BIN_EXPR && has_token(&bare, AND_KW) {
                let sides: Vec<_> = bare.children().collect();
                waiting.extend(sides.into_iter().rev());
            } else {
                conjuncts.push(self.expr(&node)?);
            }
        }
        Ok(conjuncts)
    }

    pub(super) fn walk(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        match node.kind() {
            NAME_REF => self.name(node, out),
            FIELD_EXPR => self.field(node, out),
            CALL_EXPR => self.call(node, out),
            BIN_EXPR => self.binary(node, out),
            PREFIX_EXPR if has_token(node, NOT_KW) => self.not(node, out),
            PAREN_EXPR => self.parentheses(node, out),
            ARRAY_EXPR if query_in(node).is_some() => self.array(node, out),
            LITERAL => {
                out.push_text(&node.text().to_string());
                Ok(())
            }
            kind if ast::Type::can_cast(kind) => {
                out.push_text(&words(node));
                Ok(())
            }
            _ if is_query(node) => Err(not_canonical(node)),
            _ => self.copied(node, out),
        }
    }

    pub(super) fn copied_parts(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        node.children_with_tokens().try_for_each(|part| self.element(&part, out))
    }

    fn element(&mut self, part: &SyntaxElement, out: &mut Expr) -> Result<(), Rejection> {
        match (part.as_node(), part.as_token()) {
            (Some(node), _) => self.walk(node, out)?,
            (None, Some(token)) if !is_trivia(token) => out.push_text(token.text()),
            (None, _) => out.push_text(" "),
        }
        Ok(())
    }

    /// A bare name: a column, or a word of SQL that is a value.
    fn name(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let word = tokens(node).next().map(|token| token.kind());
        match word {
            Some(
                CURRENT_DATE_KW | CURRENT_TIME_KW | CURRENT_TIMESTAMP_KW | LOCALTIME_KW | LOCALTIMESTAMP_KW,
            ) => {
                out.push(Piece::Clock(Clock { kind: ClockKind::Transaction, text: words(node) }));
            }
            Some(
                CURRENT_CATALOG_KW | CURRENT_ROLE_KW | CURRENT_SCHEMA_KW | CURRENT_USER_KW | SESSION_USER_KW
                | SYSTEM_USER_KW | USER_KW,
            ) => out.push_text(&words(node)),
            Some(_) => out.push(Piece::Column(self.bare(node, &name(node))?)),
            None => return Err(not_canonical(node)),
        }
        Ok(())
    }

    /// `alias.column`, `alias.*`, or a field of a composite value.
    fn field(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let mut parts = node.children();
        let (base, field) = (parts.next().ok_or_else(|| not_canonical(node))?, parts.next());
        if base.kind() != NAME_REF {
            self.walk(&base, out)?;
            let field = field.ok_or_else(|| not_canonical(node))?;
            out.push_text(&format!(".{}", words(&field)));
            return Ok(());
        }
        let column = field.map(|field| name(&field));
        out.push(Piece::Column(self.qualified(node, &name(&base), column.as_deref())?));
        Ok(())
    }

    /// Parentheses, left out around what has its own.
    fn parentheses(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let inner = node.first_child().ok_or_else(|| not_canonical(node))?;
        if is_query(&inner) {
            return self.scalar(&inner, out);
        }
        let mut within = Expr::default();
        self.walk(&inner, &mut within)?;
        let bare = within.only().is_some_and(is_closed);
        out.push_text(if bare { "" } else { "(" });
        within.pieces.into_iter().for_each(|piece| out.push(piece));
        out.push_text(if bare { "" } else { ")" });
        Ok(())
    }

    fn binary(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        if self.tested(node, out)? {
            return Ok(());
        }
        let Some(operator) = comparison_operator(node) else { return self.copied(node, out) };
        let (Some(left), Some(right)) = (node.first_child(), node.last_child()) else {
            return Err(not_canonical(node));
        };
        if is_quantified(&right) {
            return self.copied(node, out);
        }
        let (left, right) = (self.expr(&left)?, self.expr(&right)?);
        out.push(Piece::Comparison(Box::new(Comparison { left, operator, right })));
        Ok(())
    }

    fn copied(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        if matches!(node.kind(), JSON_OBJECT_AGG_FN | JSON_ARRAY_AGG_FN) {
            return Err(Rejection::new(Code::JsonAggregate, words(node), crate::parse::words_of(node))
                .because("the aggregate has a syntax of its own, which is not followed")
                .hint("Write json_object_agg, jsonb_object_agg, json_agg or jsonb_agg."));
        }
        self.copied_parts(node, out)
    }
}

/// The operator, where it is one of the server's six that compare.
fn comparison_operator(node: &SyntaxNode) -> Option<String> {
    let operator = tokens(node).next()?;
    let text = match operator.kind() {
        EQ => "=",
        NEQ | NEQB => "<>",
        L_ANGLE => "<",
        R_ANGLE => ">",
        LTEQ => "<=",
        GTEQ => ">=",
        _ => return None,
    };
    Some(text.to_owned())
}

/// `ANY (…)` or `ALL (…)` over an array: an operand of nothing but a comparison.
fn is_quantified(node: &SyntaxNode) -> bool {
    node.kind() == CALL_EXPR && [ANY_FN, SOME_FN, ALL_FN].iter().any(|kind| child(node, *kind).is_some())
}

fn without_parentheses(node: &SyntaxNode) -> SyntaxNode {
    let mut node = node.clone();
    while node.kind() == PAREN_EXPR
        && let Some(inner) = node.first_child().filter(|inner| !is_query(inner))
    {
        node = inner;
    }
    node
}

fn binds_outwards(kind: SyntaxKind) -> bool {
    matches!(kind, BIN_EXPR | PREFIX_EXPR | POSTFIX_EXPR | BETWEEN_EXPR | COLLATE)
}

/// Whether a piece brings parentheses of its own.
fn is_closed(piece: &Piece) -> bool {
    match piece {
        Piece::Comparison(_) | Piece::Sublink(_) => true,
        Piece::Text(_) | Piece::Column(_) | Piece::Aggregate(_) | Piece::Window(_) | Piece::Clock(_) => false,
    }
}

fn trimmed(mut expr: Expr) -> Expr {
    if let Some(Piece::Text(first)) = expr.pieces.first_mut() {
        *first = first.trim_start().to_owned();
    }
    if let Some(Piece::Text(last)) = expr.pieces.last_mut() {
        *last = last.trim_end().to_owned();
    }
    expr.pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    expr
}
