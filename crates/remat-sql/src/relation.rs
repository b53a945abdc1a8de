//! The relations that a query names in its FROM items.
//!
//! Law: a reference is found in the syntax tree, never by searching the text, so strings, comments and column names
//! are not mistaken for one. Editing replaces the spans of references and leaves every other byte as it was. Names in
//! other places (`'sales'::regclass`, a row type, `schema.table.column`) are not references here; what
//! `pg_get_viewdef` prints has the last of these only through the alias.

use std::ops::Range;

use squawk_syntax::{
    SyntaxKind, SyntaxNode,
    ast::{self, AstNode, NameLike},
};

use crate::{
    parse::{with_tree, without_errors},
    rejection::Rejection,
};

/// One mention of a relation as a FROM item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The schema, if it was written; as the catalog holds it.
    pub schema: Option<String>,
    /// The name, as the catalog holds it.
    pub name: String,
    /// Where the name stands, the schema included, in bytes.
    pub span: Range<usize>,
    /// Where an alias can be written: none where one stands already, or where none may stand (`table sales`).
    pub alias_at: Option<usize>,
}

/// Every relation that a query names, in the order of the text. Names of its own common table expressions are left
/// out where they hide a relation.
///
/// ```
/// let found = remat_sql::relations("with a as (select 1) select * from a, b, c.d").unwrap();
/// assert_eq!(found.iter().map(|reference| reference.name.as_str()).collect::<Vec<_>>(), ["b", "d"]);
/// ```
pub fn relations(text: &str) -> Result<Vec<Reference>, Rejection> {
    with_tree(text, |root, errors| {
        without_errors(text, errors)?;
        Ok(root
            .descendants()
            .filter_map(ast::RelationNameRef::cast)
            .filter_map(|name| reference(&name))
            .collect())
    })?
}

/// The mentions of `schema.name`; both as the catalog holds them.
pub fn relation_references(text: &str, schema: &str, name: &str) -> Result<Vec<Reference>, Rejection> {
    let mut found = relations(text)?;
    found.retain(|reference| reference.schema.as_deref() == Some(schema) && reference.name == name);
    Ok(found)
}

/// Lets a query read another relation in the place of one; the query still calls it by the old name.
///
/// ```
/// let text = "select sales.total from public.sales where note <> 'public.sales'";
/// let repointed = remat_sql::repoint(text, ("public", "sales"), ("public", "sales_new")).unwrap();
/// assert_eq!(
///     repointed,
///     r#"select sales.total from "public"."sales_new" AS "sales" where note <> 'public.sales'"#
/// );
/// ```
pub fn repoint(text: &str, from: (&str, &str), to: (&str, &str)) -> Result<String, Rejection> {
    let mut edited = text.to_owned();
    // From the end, so that the spans before stay true.
    for reference in relation_references(text, from.0, from.1)?.into_iter().rev() {
        if let Some(at) = reference.alias_at {
            edited.insert_str(at, &format!(" AS {}", quote(from.1)));
        }
        edited.replace_range(reference.span, &format!("{}.{}", quote(to.0), quote(to.1)));
    }
    Ok(edited)
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn reference(name: &ast::RelationNameRef) -> Option<Reference> {
    let path = name.path_ref()?;
    let own = path.segment()?.text();
    let schema = match path.qualifier() {
        // `database.schema.name`: the schema is the middle one.
        Some(qualifier) => Some(qualifier.segment()?.text()),
        None if hidden_by_cte(name.syntax(), &own) => return None,
        None => None,
    };
    let span = name.syntax().text_range().into();
    let alias_at = missing_alias(name.syntax());
    Some(Reference { schema, name: own, span, alias_at })
}

/// After the name, or after the parenthesis or star that belongs to it.
fn missing_alias(name: &SyntaxNode) -> Option<usize> {
    let item = name.parent().filter(|parent| parent.kind() == SyntaxKind::RELATION_FROM_ITEM)?;
    let item = in_only_parentheses(&item).unwrap_or(item);
    if item.children().any(|child| child.kind() == SyntaxKind::FROM_ALIAS) {
        return None;
    }
    let ends = [SyntaxKind::RELATION_NAME_REF, SyntaxKind::PAREN_EXPR, SyntaxKind::STAR];
    let end = item.children_with_tokens().filter(|child| ends.contains(&child.kind())).last()?;
    Some(end.text_range().end().into())
}

/// The whole of `only (sales)`, whose alias stands outside.
fn in_only_parentheses(item: &SyntaxNode) -> Option<SyntaxNode> {
    let whole = item.parent()?.parent()?;
    let only = || whole.children_with_tokens().any(|child| child.kind() == SyntaxKind::ONLY_KW);
    (whole.kind() == SyntaxKind::PAREN_FROM_ITEM && only()).then_some(whole)
}

/// Whether a common table expression of this name is visible where the name stands.
fn hidden_by_cte(name: &SyntaxNode, own: &str) -> bool {
    name.ancestors().any(|ancestor| {
        let with = ancestor.children().find_map(ast::WithClause::cast);
        with.is_some_and(|with| visible(&with, name).any(|cte| cte == own))
    })
}

/// The tables of a WITH clause that a name may mean: inside it, without RECURSIVE, only those before its own.
fn visible<'a>(with: &ast::WithClause, name: &'a SyntaxNode) -> impl Iterator<Item = String> + use<'a> {
    let recursive = with.recursive_token().is_some();
    let at = name.text_range();
    with.with_tables()
        .take_while(move |table| recursive || !table.syntax().text_range().contains_range(at))
        .filter_map(|table| table.name().map(|name| name.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALES: (&str, &str) = ("public", "sales");
    const OTHER: (&str, &str) = ("Old \"x\"", "sales 2");

    fn names(text: &str) -> Vec<String> {
        relations(text).unwrap().into_iter().map(|found| found.name).collect()
    }

    fn to_other(text: &str) -> String {
        repoint(text, SALES, OTHER).unwrap()
    }

    #[test]
    fn an_alias_is_added_where_none_stands_and_kept_where_one_does() {
        assert_eq!(
            to_other("SELECT sales.a FROM public.sales, public.\"sales\" s, only (public.sales)"),
            "SELECT sales.a FROM \"Old \"\"x\"\"\".\"sales 2\" AS \"sales\", \"Old \"\"x\"\"\".\"sales 2\" s, \
             only (\"Old \"\"x\"\"\".\"sales 2\") AS \"sales\""
        );
    }

    #[test]
    fn a_sample_and_a_star_follow_or_precede_the_alias_as_the_grammar_wants() {
        let text = to_other(
            "select 1 from public.sales * where exists (select from public.sales tablesample system(1))",
        );
        assert!(text.contains("* AS \"sales\" where"), "{text}");
        assert!(text.contains("AS \"sales\" tablesample"), "{text}");
        assert!(crate::single_select(&text).is_ok(), "{text}");
    }

    #[test]
    fn a_bare_table_command_gets_no_alias() {
        assert_eq!(to_other("table public.sales"), "table \"Old \"\"x\"\"\".\"sales 2\"");
    }

    #[test]
    fn strings_comments_columns_and_other_schemas_stay() {
        let text = "select sales.public, 'public.sales', $$from public.sales$$ -- from public.sales\n\
                    from archive.sales /* public.sales */ join \"Public\".sales using (id)";
        assert_eq!(to_other(text), text);
    }

    #[test]
    fn unquoted_names_fold_and_quoted_ones_do_not() {
        assert_eq!(relation_references("select 1 from PUBLIC.Sales", "public", "sales").unwrap().len(), 1);
        assert_eq!(
            relation_references("select 1 from public.\"Sales\"", "public", "sales").unwrap().len(),
            0
        );
        assert_eq!(
            relation_references("select 1 from U&\"p\\0075blic\".sales", "public", "sales").unwrap().len(),
            1
        );
    }

    #[test]
    fn references_inside_joins_sublinks_and_unions_are_found() {
        let text = "select (select max(a) from public.sales) from (x left join public.sales on true) \
                    union all (select 1 from lateral (select * from public.sales) y)";
        assert_eq!(relation_references(text, "public", "sales").unwrap().len(), 3);
    }

    #[test]
    fn a_common_table_expression_hides_a_relation_only_where_it_is_visible() {
        assert_eq!(names("with sales as (select * from sales) select * from sales"), ["sales"]);
        assert!(names("with recursive sales as (select 1 union select * from sales) table sales").is_empty());
        assert_eq!(
            names("with a as (select * from b), b as (select * from a) select * from a, b, c"),
            ["b", "c"]
        );
        assert_eq!(names("select (with a as (select 1) table a) from a"), ["a"]);
        assert_eq!(names("with a as (select 1) select * from public.a"), ["a"]);
    }

    #[test]
    fn an_unreadable_text_is_refused_rather_than_left_alone() {
        assert!(repoint("select from from public.sales", SALES, OTHER).is_err());
    }
}
