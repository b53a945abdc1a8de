//! Whether two rows differ in anything that a reader could see.
//!
//! Law: pure. Equal to the server is not the same as identical: 1.0 equals 1.00, and a collation may call two texts
//! equal. Columns of the types listed here are identical when equal, and are compared by value, which is several times
//! cheaper; all others by `*<>`, the operator of REFRESH CONCURRENTLY itself, which compares the stored image and needs
//! no equality operator. The casts change nothing where the type is what its name says, and keep a type of the same
//! name in a schema of the search path from being taken for it.

/// The condition that two rows differ, from the two sides of each column and its type.
///
/// ```
/// let sides = [("s.n".to_owned(), "t.n".to_owned(), "integer")];
/// assert_eq!(remat_sql::image::differs(sides), "s.n::pg_catalog.int4 is distinct from t.n::pg_catalog.int4");
/// ```
pub fn differs<'a>(sides: impl IntoIterator<Item = (String, String, &'a str)>) -> String {
    let mut conditions = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (s, t, data_type) in sides {
        if let Some(cast) = identical_when_equal(data_type) {
            conditions.push(format!("{s}{cast} is distinct from {t}{cast}"));
        } else {
            ours.push(s);
            theirs.push(t);
        }
    }
    if !ours.is_empty() {
        let (ours, theirs) = (ours.join(", "), theirs.join(", "));
        conditions.push(format!("row({ours})::record operator(pg_catalog.*<>) row({theirs})::record"));
    }
    if conditions.is_empty() { "false".into() } else { conditions.join(" or ") }
}

/// The cast under which values of a type, as the server prints it, are identical when they are equal.
fn identical_when_equal(data_type: &str) -> Option<&'static str> {
    let base = data_type.split('(').next().unwrap_or_default().trim_end();
    match base {
        "bigint" => Some("::pg_catalog.int8"),
        "integer" => Some("::pg_catalog.int4"),
        "smallint" => Some("::pg_catalog.int2"),
        "boolean" => Some("::pg_catalog.bool"),
        "date" => Some("::pg_catalog.date"),
        "uuid" => Some("::pg_catalog.uuid"),
        "text" | "character varying" => Some("::pg_catalog.text collate pg_catalog.\"C\""),
        "timestamp with time zone" => Some("::pg_catalog.timestamptz"),
        "timestamp without time zone" => Some("::pg_catalog.timestamp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs_in(types: &[&str]) -> String {
        differs(types.iter().map(|data_type| ("s.c1".into(), "t.\"v\"".into(), *data_type)))
    }

    #[test]
    fn types_whose_equal_values_may_look_different_are_compared_by_image() {
        for data_type in
            ["numeric", "numeric(8,2)", "double precision", "jsonb", "character(3)", "integer[]", "app.text"]
        {
            assert_eq!(
                differs_in(&[data_type]),
                "row(s.c1)::record operator(pg_catalog.*<>) row(t.\"v\")::record"
            );
        }
    }

    #[test]
    fn text_is_compared_without_its_collation() {
        let text = "s.c1::pg_catalog.text collate pg_catalog.\"C\" is distinct from t.\"v\"::pg_catalog.text collate pg_catalog.\"C\"";
        assert_eq!(differs_in(&["text"]), text);
        assert_eq!(differs_in(&["character varying(40)"]), text);
    }

    #[test]
    fn a_type_that_is_not_known_for_certain_is_compared_by_image() {
        assert_eq!(identical_when_equal("timestamp(3) with time zone"), None);
        assert_eq!(identical_when_equal("bigint[]"), None);
    }
}
