//! Text to syntax, on the lossless tree of `squawk-syntax`.
//!
//! Law: a text is accepted when it is exactly one query, and what is given back is that query as it was written, from
//! its first to its last word, so that anything may follow on a new line. Whether names and types exist, and whether
//! a view may hold the query, is for the server to say.
//!
//! The parser descends by recursion; a text within the limits of this module cannot exhaust the stack it is given.

use std::{ops::Range, thread};

use squawk_syntax::{
    SourceFile, SyntaxElement, SyntaxKind, SyntaxNode, SyntaxToken, syntax_error::SyntaxError,
};

use crate::rejection::{Code, Rejection};

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 128 * 1024;

/// How deep brackets may nest.
pub const MAX_NESTING: usize = 256;

/// What brackets need at most within [`MAX_NESTING`], several times over.
const STACK_BASE: usize = 4 * 1024 * 1024;

/// What one byte may need: the worst seen is one frame of 1.8 kB for each of a row of signs, without optimisation.
const STACK_PER_BYTE: usize = 2 * 1024;

/// Exactly one query.
///
/// ```
/// let select = remat_sql::single_select("-- per day\nselect 1; -- the end").unwrap();
/// assert_eq!(select.query(), "select 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select<'a> {
    text: &'a str,
    span: Range<usize>,
}

impl<'a> Select<'a> {
    /// The query without comments, white space and semicolons around it.
    pub fn query(&self) -> &'a str {
        &self.text[self.span.clone()]
    }

    /// Where the query stands in the text, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

/// Reads a text that must hold exactly one query; semicolons and comments around it are allowed.
pub fn single_select(text: &str) -> Result<Select<'_>, Rejection> {
    let span = with_tree(text, |root, errors| query_node(text, root, errors).map(|query| words_of(&query)))??;
    Ok(Select { text, span })
}

/// Parses on a stack that suffices for the text, and hands the tree to `read` there: it is also dropped by recursion.
pub(crate) fn with_tree<T: Send>(
    text: &str,
    read: impl FnOnce(&SyntaxNode, &[SyntaxError]) -> T + Send,
) -> Result<T, Rejection> {
    within_limits(text)?;
    let stack = STACK_BASE + text.len() * STACK_PER_BYTE;
    let parse = || {
        let parse = SourceFile::parse(text);
        read(&parse.syntax_node(), &parse.errors())
    };
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("sql".into()).stack_size(stack).spawn_scoped(scope, parse);
        reader.map(|reader| reader.join().map_err(|_| unreadable(text)))
    })
    .unwrap_or_else(|_| Err(unreadable(text)))
}

/// The first complaint of the parser as a refusal.
pub(crate) fn without_errors(text: &str, errors: &[SyntaxError]) -> Result<(), Rejection> {
    let Some(error) = errors.first() else { return Ok(()) };
    let start = word_at(text, error.range().start().into());
    let end = start + text[start..].find(char::is_whitespace).unwrap_or(text.len() - start);
    let place = match &text[start..end] {
        "" => "at end of input".to_owned(),
        word => format!("at or near \"{word}\""),
    };
    Err(Rejection::new(Code::Syntax, "syntax error", start..end)
        .because(format!("syntax error {place}"))
        .hint(format!("The reader says: {}.", error.message().trim_end_matches('.'))))
}

fn within_limits(text: &str) -> Result<(), Rejection> {
    let refuse = |construct: &str, at: Range<usize>, reason: String| {
        Err(Rejection::new(Code::TooLarge, construct, at)
            .because(reason)
            .hint("Move parts of the query into views of their own."))
    };
    if text.len() > MAX_BYTES {
        return refuse("long text", 0..text.len(), format!("the query is longer than {MAX_BYTES} bytes"));
    }
    if let Some(at) = too_deep(text) {
        return refuse("deep nesting", at..at + 1, format!("brackets nest deeper than {MAX_NESTING}"));
    }
    Ok(())
}

/// Counts brackets wherever they stand, strings and comments included: too strict for none but odd texts.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_NESTING
    })
}

/// The one query of a text that holds nothing else.
pub(crate) fn query_node(
    text: &str,
    root: &SyntaxNode,
    errors: &[SyntaxError],
) -> Result<SyntaxNode, Rejection> {
    without_errors(text, errors)?;
    let statement = single_statement(text, root)?;
    is_query(&statement)?;
    reads_only(&statement)?;
    Ok(statement)
}

fn single_statement(text: &str, root: &SyntaxNode) -> Result<SyntaxNode, Rejection> {
    let mut statements = root.children().filter(|node| node.kind() != SyntaxKind::EMPTY_STMT);
    let Some(statement) = statements.next() else {
        return Err(Rejection::new(Code::Empty, "empty text", 0..text.len())
            .because("there is no query")
            .hint("Write one SELECT."));
    };
    match statements.next() {
        None => Ok(statement),
        Some(second) => Err(Rejection::new(Code::SeveralStatements, "second statement", words_of(&second))
            .because("there is more than one statement")
            .hint("A view is one query; put each further one into a file of its own.")),
    }
}

fn is_query(statement: &SyntaxNode) -> Result<(), Rejection> {
    use SyntaxKind::{COMPOUND_SELECT, PAREN_SELECT, SELECT, SELECT_INTO, TABLE, VALUES};
    // SELECT INTO is refused by a code of its own.
    if matches!(statement.kind(), SELECT | VALUES | TABLE | PAREN_SELECT | COMPOUND_SELECT | SELECT_INTO) {
        return Ok(());
    }
    let name = in_words(statement.kind());
    Err(Rejection::new(Code::NotAQuery, name.clone(), words_of(statement))
        .because(format!("{name} is not a query"))
        .hint("Write SELECT, VALUES, TABLE, or WITH followed by one of them."))
}

fn reads_only(statement: &SyntaxNode) -> Result<(), Rejection> {
    for element in statement.descendants_with_tokens() {
        let span = || element.text_range().start().into()..element.text_range().end().into();
        match element.kind() {
            SyntaxKind::SELECT_INTO => {
                return Err(Rejection::new(Code::SelectInto, "SELECT INTO", span())
                    .because("the query makes a table with INTO")
                    .hint("Leave INTO out: the view is where the rows go."));
            }
            kind @ (SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE | SyntaxKind::MERGE) => {
                return Err(Rejection::new(Code::DataModifying, in_words(kind), span())
                    .because(format!("the query contains {}", in_words(kind)))
                    .hint("A view only reads; write in a statement of its own."));
            }
            SyntaxKind::POSITIONAL_PARAM => {
                return Err(Rejection::new(Code::Parameter, "parameter", span())
                    .because("the query contains a parameter")
                    .hint("A view has no caller who could give it a value; write the value."));
            }
            _ => {}
        }
    }
    Ok(())
}

/// From the first word of a node to its last, a semicolon at the end left out.
pub(crate) fn words_of(node: &SyntaxNode) -> Range<usize> {
    let mut words = node.descendants_with_tokens().filter_map(SyntaxElement::into_token).filter(is_word);
    let Some(first) = words.next() else { return node.text_range().into() };
    let last = words.last().unwrap_or_else(|| first.clone());
    first.text_range().start().into()..last.text_range().end().into()
}

fn is_word(token: &SyntaxToken) -> bool {
    !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT | SyntaxKind::SEMICOLON)
}

pub(crate) fn in_words(kind: SyntaxKind) -> String {
    format!("{kind:?}").replace('_', " ")
}

fn word_at(text: &str, at: usize) -> usize {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    at + (text.len() - at - text[at..].trim_start().len())
}

fn unreadable(text: &str) -> Rejection {
    Rejection::new(Code::Syntax, "unreadable text", 0..text.len()).because("the query cannot be read")
}
