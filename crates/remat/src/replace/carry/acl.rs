//! Privileges on a relation and its columns.
//!
//! Law: a grant is given again by the role that gave it, because revoking follows the giver. What default privileges
//! gave to the new relation is taken away first.

use serde::Deserialize;

use super::{Carried, Column, Step};
use crate::name::{Identifier, RelationName};

/// One privilege that one role gave to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Grant {
    /// Who gave it.
    pub grantor: Identifier,
    /// Who has it; none is everybody.
    pub grantee: Option<Identifier>,
    /// Its word.
    pub privilege: String,
    /// Whether it may be passed on.
    pub grantable: bool,
}

impl Grant {
    /// The same with another role in the place of one, as a change of owner does.
    #[must_use]
    pub(super) fn with_role(mut self, from: &Identifier, to: &Identifier) -> Self {
        if self.grantor == *from {
            self.grantor = to.clone();
        }
        if self.grantee.as_ref() == Some(from) {
            self.grantee = Some(to.clone());
        }
        self
    }

    fn give(&self, column: Option<&Identifier>, to: &RelationName) -> Step {
        let column = column.map(|name| format!(" ({})", name.to_sql())).unwrap_or_default();
        let option = if self.grantable { " with grant option" } else { "" };
        let privilege = self.privilege.to_lowercase();
        let grantee = grantee_to_sql(self.grantee.as_ref());
        Step::sql(format!("grant {privilege}{column} on {} to {grantee}{option}", to.to_sql()))
    }
}

impl Carried {
    pub(super) fn grant(&self, to: &RelationName, default_grantees: &[Option<Identifier>]) -> Vec<Step> {
        let untouched = self.acl_is_default && default_grantees.is_empty();
        let (mut first, mut others) = (Vec::new(), Vec::new());
        if !untouched {
            first.push(self.revoke(to, default_grantees));
        }
        let of_relation = self.acl.iter().filter(|_| !untouched).map(|grant| (None, grant));
        let of_columns = self.columns.iter().flat_map(Column::grants);
        for (column, grant) in of_relation.chain(of_columns) {
            let give = grant.give(column, to);
            if grant.grantor == self.owner {
                first.push(give);
            } else {
                others.extend([Step::Become(grant.grantor.clone()), give, Step::Become(self.owner.clone())]);
            }
        }
        first.extend(others);
        first
    }

    fn revoke(&self, to: &RelationName, default_grantees: &[Option<Identifier>]) -> Step {
        let mut from = vec![grantee_to_sql(None), self.owner.to_sql()];
        from.extend(default_grantees.iter().map(|grantee| grantee_to_sql(grantee.as_ref())));
        from.dedup();
        Step::sql(format!("revoke all on {} from {}", to.to_sql(), from.join(", ")))
    }
}

fn grantee_to_sql(grantee: Option<&Identifier>) -> String {
    grantee.map_or_else(|| "public".to_owned(), Identifier::to_sql)
}
