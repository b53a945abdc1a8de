//! Small questions to the syntax tree.

use squawk_syntax::{
    SyntaxElement, SyntaxKind, SyntaxNode, SyntaxToken,
    ast::{self, AstNode},
};

use crate::{
    parse::{in_words, words_of},
    rejection::{Code, Rejection},
};

/// The first child of this kind.
pub(super) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// Whether a node holds a word of this kind itself.
pub(super) fn has_token(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    tokens(node).any(|token| token.kind() == kind)
}

/// The words that a node holds itself.
pub(super) fn tokens(node: &SyntaxNode) -> impl Iterator<Item = SyntaxToken> {
    node.children_with_tokens().filter_map(SyntaxElement::into_token).filter(|token| !is_trivia(token))
}

pub(super) fn is_trivia(token: &SyntaxToken) -> bool {
    matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT)
}

/// The name that a node holds, as the catalog has it.
pub(super) fn name(node: &SyntaxNode) -> String {
    ast::normalize_name_node(node)
}

/// The names of a list of columns, or of columns with types.
pub(super) fn column_names(list: &SyntaxNode) -> Vec<String> {
    let names = list
        .descendants()
        .filter(|node| matches!(node.kind(), SyntaxKind::COLUMN_NAME | SyntaxKind::COLUMN_NAME_REF));
    names.map(|node| name(&node)).collect()
}

/// What a node holds, white space and comments made single spaces.
pub(super) fn words(node: &SyntaxNode) -> String {
    let mut words = String::new();
    for token in node.descendants_with_tokens().filter_map(SyntaxElement::into_token) {
        words.push_str(if is_trivia(&token) { " " } else { token.text() });
    }
    words.trim().to_owned()
}

/// Schema and name of a path; the schema only if it was written, the name alone if there are more than two parts.
pub(super) fn path(node: &SyntaxNode) -> (Option<String>, String) {
    let segments = node.descendants().filter(|node| node.kind() == SyntaxKind::PATH_SEGMENT_REF);
    let mut segments: Vec<_> = segments.map(|segment| name(&segment)).collect();
    let own = segments.pop().unwrap_or_default();
    (segments.pop(), own)
}

/// Whether a node is a query, and not an expression.
pub(super) fn is_query(node: &SyntaxNode) -> bool {
    ast::SelectVariant::can_cast(node.kind())
}

/// The query directly within a node.
pub(super) fn query_in(node: &SyntaxNode) -> Option<SyntaxNode> {
    node.children().find(is_query)
}

/// A refusal of what the server would not print.
pub(super) fn not_canonical(node: &SyntaxNode) -> Rejection {
    let construct = in_words(node.kind()).to_lowercase();
    Rejection::new(Code::NotCanonical, construct.clone(), words_of(node))
        .because(format!("the server does not print a view with this {construct}"))
        .hint("Give the text that pg_get_viewdef prints under an empty search_path.")
}
