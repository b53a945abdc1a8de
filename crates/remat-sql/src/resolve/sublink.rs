//! Sub-selects in expressions.

use squawk_syntax::{
    SyntaxKind::{ALL_FN, ANY_FN, COMMENT, IN_KW, PAREN_EXPR, SOME_FN, WHITESPACE},
    SyntaxNode,
};

use crate::{
    ir::{Expr, Piece, Quantifier, Sublink, SublinkKind},
    rejection::Rejection,
};

use super::{
    Reader,
    syntax::{child, not_canonical, query_in, words},
};

impl Reader<'_> {
    pub(super) fn exists(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let query = query_in(node).ok_or_else(|| not_canonical(node))?;
        self.sublink(SublinkKind::Exists, &query, out)
    }

    pub(super) fn scalar(&mut self, query: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        self.sublink(SublinkKind::Scalar, query, out)
    }

    pub(super) fn array(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let query = query_in(node).ok_or_else(|| not_canonical(node))?;
        self.sublink(SublinkKind::Array, &query, out)
    }

    /// `x IN (select)` and `x operator ANY (select)`; says whether the node was one of them.
    pub(super) fn tested(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<bool, Rejection> {
        let mut parts =
            node.children_with_tokens().filter(|part| !matches!(part.kind(), WHITESPACE | COMMENT));
        let (Some(left), Some(operator), Some(right)) = (parts.next(), parts.next(), node.last_child())
        else {
            return Ok(false);
        };
        let Some(left) = left.into_node() else { return Ok(false) };
        if operator.kind() == IN_KW && right.kind() == PAREN_EXPR {
            let Some(query) = query_in(&right) else { return Ok(false) };
            let test = self.expr(&left)?;
            self.sublink(SublinkKind::In(test), &query, out)?;
            return Ok(true);
        }
        let Some((quantifier, query)) = quantified(&right) else { return Ok(false) };
        let operator = operator.as_node().map_or_else(|| operator.to_string(), words);
        let test = self.expr(&left)?;
        self.sublink(SublinkKind::Compare { test, operator, quantifier }, &query, out)?;
        Ok(true)
    }

    /// NOT, which belongs to the sub-select if one follows.
    pub(super) fn not(&mut self, node: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let operand = node.last_child().ok_or_else(|| not_canonical(node))?;
        let mut within = Expr::default();
        self.walk(&operand, &mut within)?;
        match within.pieces.as_mut_slice() {
            [Piece::Sublink(sublink)] if can_be_negated(sublink) => sublink.negated = true,
            _ => out.push_text("NOT "),
        }
        within.pieces.into_iter().for_each(|piece| out.push(piece));
        Ok(())
    }

    fn sublink(&mut self, kind: SublinkKind, query: &SyntaxNode, out: &mut Expr) -> Result<(), Rejection> {
        let query = self.query(query)?;
        out.push(Piece::Sublink(Box::new(Sublink { kind, negated: false, query })));
        Ok(())
    }
}

fn can_be_negated(sublink: &Sublink) -> bool {
    match sublink.kind {
        SublinkKind::Exists | SublinkKind::In(_) => !sublink.negated,
        SublinkKind::Compare { .. } | SublinkKind::Scalar | SublinkKind::Array => false,
    }
}

fn quantified(node: &SyntaxNode) -> Option<(Quantifier, SyntaxNode)> {
    let kinds = [(ANY_FN, Quantifier::Any), (SOME_FN, Quantifier::Any), (ALL_FN, Quantifier::All)];
    kinds.iter().find_map(|(kind, quantifier)| Some((*quantifier, query_in(&child(node, *kind)?)?)))
}
