//! Which views somebody sees.

use crate::name::RelationName;

/// The views that somebody sees, and may do something to.
///
/// ```
/// use remat::{access::Scope, name::RelationName};
///
/// let scope = Scope::Schemas(vec!["sales".into()]);
/// assert!(scope.sees(&RelationName::new("sales", "daily").unwrap()));
/// assert!(!scope.sees(&RelationName::new("people", "wages").unwrap()));
/// assert!(!scope.is_all() && Scope::All.is_all());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every view, and what is about no view.
    #[default]
    All,
    /// Views of these schemas alone.
    Schemas(Vec<String>),
}

impl Scope {
    /// Whether a view is within it.
    pub fn sees(&self, view: &RelationName) -> bool {
        self.has_schema(view.schema.as_str())
    }

    /// Whether views of this schema are within it.
    pub fn has_schema(&self, schema: &str) -> bool {
        match self {
            Self::All => true,
            Self::Schemas(schemas) => schemas.iter().any(|known| known == schema),
        }
    }

    /// Whether it ends nowhere.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The schemas; none when it ends nowhere.
    pub fn schemas(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Schemas(schemas) => Some(schemas),
        }
    }
}

impl From<Option<Vec<String>>> for Scope {
    fn from(schemas: Option<Vec<String>>) -> Self {
        schemas.map_or(Self::All, Self::Schemas)
    }
}
