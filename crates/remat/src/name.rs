//! Names of database objects.
//!
//! Law: a name inside remat is an [`Identifier`] or a [`RelationName`] that PostgreSQL can hold unchanged. What is
//! longer than 63 bytes, empty, or has a NUL is refused here, because the server would cut or reject it later.
//! `Display` is for people, [`Identifier::to_sql`] for the server; no other place quotes a name.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};

/// The longest name in bytes that PostgreSQL keeps (`NAMEDATALEN - 1`).
pub const MAX_BYTES: usize = 63;

/// One name as the catalog stores it: any text of 1 to 63 bytes without NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// Takes a name as the catalog would hold it: case kept, no quotes around it.
    ///
    /// ```
    /// use remat::name::Identifier;
    /// assert_eq!(Identifier::new("Weird \"one\"").unwrap().to_sql(), r#""Weird ""one""""#);
    /// assert!(Identifier::new("x".repeat(64)).is_err());
    /// ```
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        match name.len() {
            0 => Err(invalid("a name must not be empty".into(), None)),
            _ if name.contains('\0') => Err(invalid("a name must not contain a NUL byte".into(), None)),
            1..=MAX_BYTES => Ok(Self(name)),
            bytes => Err(invalid(
                format!("name \"{name}\" is too long"),
                Some(format!(
                    "It has {bytes} bytes; PostgreSQL keeps {MAX_BYTES} and cuts the rest in silence."
                )),
            )),
        }
    }

    /// The name as the catalog holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name quoted for SQL text. Always quoted: whether a word is reserved changes between servers.
    pub fn to_sql(&self) -> String {
        quote(&self.0)
    }

    /// A name made from this one and a suffix, within 63 bytes; a hash keeps long ones apart.
    ///
    /// ```
    /// use remat::name::Identifier;
    /// let short = Identifier::new("sales").unwrap();
    /// assert_eq!(short.derived("new").as_str(), "sales_remat_new");
    /// let long = Identifier::new("x".repeat(63)).unwrap().derived("new");
    /// assert!(long.as_str().len() <= 63);
    /// ```
    #[must_use]
    pub fn derived(&self, suffix: &str) -> Self {
        let plain = format!("{}_remat_{suffix}", self.0);
        if plain.len() <= MAX_BYTES {
            return Self(plain);
        }
        let tail = format!("_remat_{}_{suffix}", &hash(&self.0)[..8]);
        let head = cut(&self.0, MAX_BYTES.saturating_sub(tail.len()));
        Self(cut(&format!("{head}{tail}"), MAX_BYTES).to_owned())
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(&self.0) { f.write_str(&self.0) } else { f.write_str(&quote(&self.0)) }
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A relation: its schema and its name, kept apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationName {
    /// The schema.
    pub schema: Identifier,
    /// The name within the schema.
    pub name: Identifier,
}

impl RelationName {
    /// Puts a schema and a name together; both as the catalog holds them.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Result<Self, Error> {
        Ok(Self { schema: Identifier::new(schema)?, name: Identifier::new(name)? })
    }

    /// Reads what a person typed: `name`, `schema.name`, with double quotes where the name needs them.
    /// Like the server, it folds unquoted letters to lower case.
    ///
    /// ```
    /// use remat::name::RelationName;
    /// let view = RelationName::parse("Sales.\"Per Day\"", "public").unwrap();
    /// assert_eq!((view.schema.as_str(), view.name.as_str()), ("sales", "Per Day"));
    /// assert_eq!(view.to_string(), "sales.\"Per Day\"");
    /// ```
    pub fn parse(typed: &str, default_schema: &str) -> Result<Self, Error> {
        let mut parts = split_typed(typed)?;
        match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(name), None, None) => Self::new(default_schema, name),
            (Some(name), Some(schema), None) => Self::new(schema, name),
            _ => Err(invalid(
                format!("\"{typed}\" is not a view name"),
                Some("A name has one or two parts: name or schema.name.".into()),
            )),
        }
    }

    /// Schema and name quoted for SQL text.
    pub fn to_sql(&self) -> String {
        format!("{}.{}", self.schema.to_sql(), self.name.to_sql())
    }

    /// A name beside this one in the same schema; see [`Identifier::derived`].
    #[must_use]
    pub fn derived(&self, suffix: &str) -> Self {
        Self { schema: self.schema.clone(), name: self.name.derived(suffix) }
    }
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl Serialize for RelationName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The first 32 hexadecimal digits of the SHA-256 of a text: remat's one fingerprint function.
pub fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(16)
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(digit)
        .collect()
}

fn digit(half: u8) -> char {
    char::from_digit(half.into(), 16).expect("half a byte is one digit")
}

#[cfg(feature = "openapi")]
mod described {
    //! Names are texts to whoever reads a document of the API.

    use std::borrow::Cow;

    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{
            RefOr,
            schema::{ObjectBuilder, Schema, Type},
        },
    };

    use super::{Identifier, RelationName};

    macro_rules! text {
        ($type:ty, $name:literal, $description:literal) => {
            impl PartialSchema for $type {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new().schema_type(Type::String).description(Some($description)).into()
                }
            }

            impl ToSchema for $type {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed($name)
                }
            }
        };
    }

    text!(Identifier, "Identifier", "A name of at most 63 bytes.");
    text!(RelationName, "RelationName", "`schema.name`, with double quotes where SQL needs them.");
}

/// A text as an SQL literal.
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", escaped.replace('\\', "\\\\")) } else { format!("'{escaped}'") }
}

/// Names as a quoted, comma-separated list.
pub fn list_to_sql<'a>(names: impl IntoIterator<Item = &'a Identifier>) -> String {
    names.into_iter().map(Identifier::to_sql).collect::<Vec<_>>().join(", ")
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn is_plain(name: &str) -> bool {
    let first = name.as_bytes()[0];
    (first.is_ascii_lowercase() || first == b'_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn split_typed(typed: &str) -> Result<Vec<String>, Error> {
    let mut parts = vec![String::new()];
    let mut chars = typed.chars().peekable();
    let mut quoted = false;
    while let Some(char) = chars.next() {
        let last = parts.last_mut().expect("there is always a part");
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other if quoted => last.push(other),
            other => last.extend(other.to_lowercase()),
        }
    }
    if quoted {
        return Err(invalid(format!("\"{typed}\" has an unclosed double quote"), None));
    }
    Ok(parts)
}

fn invalid(primary: String, detail: Option<String>) -> Error {
    let error = Error::new(ErrorKind::InvalidDefinition, primary);
    match detail {
        Some(detail) => error.with_detail(detail),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_63_bytes_is_kept_and_one_of_64_is_refused() {
        assert_eq!(Identifier::new("é".repeat(31) + "x").unwrap().as_str().len(), 63);
        assert!(Identifier::new("é".repeat(32)).is_err());
    }

    #[test]
    fn names_that_agree_in_63_bytes_derive_different_names() {
        let one = Identifier::new(format!("{}a", "x".repeat(62))).unwrap();
        let other = Identifier::new(format!("{}b", "x".repeat(62))).unwrap();
        assert_ne!(one.derived("new"), other.derived("new"));
    }

    #[test]
    fn a_typed_name_folds_like_the_server_and_keeps_quoted_dots() {
        let name = RelationName::parse(r#""My.Schema"."He said ""hi""""#, "public").unwrap();
        assert_eq!(name.schema.as_str(), "My.Schema");
        assert_eq!(name.name.as_str(), "He said \"hi\"");
        assert!(RelationName::parse("a.b.c", "public").is_err());
        assert!(RelationName::parse("\"open", "public").is_err());
    }

    #[test]
    fn a_literal_survives_quotes_and_backslashes() {
        assert_eq!(literal(r"it's a \ "), r"E'it''s a \\ '");
    }
}
