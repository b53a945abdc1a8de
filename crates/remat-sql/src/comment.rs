//! The comment at the top of a view file.
//!
//! Law: only a block comment that nothing but white space precedes counts; block comments nest, as on the server.

/// The body of the block comment that opens the text, and what follows it.
///
/// ```
/// let (body, rest) = remat_sql::leading_comment("/* remat */\nselect 1").unwrap();
/// assert_eq!((body, rest), (" remat ", "\nselect 1"));
/// assert!(remat_sql::leading_comment("select 1 /* remat */").is_none());
/// ```
pub fn leading_comment(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start().strip_prefix("/*")?;
    let end = closing(inner)?;
    Some((&inner[..end], &inner[end + 2..]))
}

fn closing(inner: &str) -> Option<usize> {
    let mut open = 1;
    let mut at = 0;
    while let Some(pair) = inner.as_bytes().get(at..at + 2) {
        match pair {
            b"/*" => open += 1,
            b"*/" => open -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        if open == 0 {
            return Some(at);
        }
        at += 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::leading_comment;

    #[test]
    fn a_nested_comment_ends_where_the_outer_one_does() {
        assert_eq!(leading_comment(" \n/* a /* b */ c */ select 1"), Some((" a /* b */ c ", " select 1")));
    }

    #[test]
    fn a_comment_that_never_ends_is_none() {
        assert_eq!(leading_comment("/* a /* b */ select 1"), None);
        assert_eq!(leading_comment("/*/"), None);
    }

    #[test]
    fn a_line_comment_is_not_a_head() {
        assert_eq!(leading_comment("-- remat\nselect 1"), None);
    }
}
