//! Extended statistics.

use serde::Deserialize;

use super::{Step, comment};
use crate::name::{Identifier, RelationName};

/// One statistics object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Statistics {
    /// Its schema, which need not be the relation's.
    pub schema: Identifier,
    /// Its name.
    pub name: Identifier,
    /// Who owns it.
    pub owner: Identifier,
    /// Its definition between the name and `from`: kinds, columns and expressions.
    pub body: String,
    /// Its statistics target, when set.
    pub target: Option<i32>,
    /// What a person wrote about it.
    pub comment: Option<String>,
    /// Every column that it reads.
    pub uses: Vec<Identifier>,
}

impl Statistics {
    /// Its name while the old relation stands.
    pub(crate) fn scratch(&self) -> RelationName {
        RelationName { schema: self.schema.clone(), name: self.name.derived("new") }
    }

    /// In a schema where the relation's owner may not create anything, the session's own role makes it.
    pub(super) fn create(&self, to: &RelationName, relation_owner: &Identifier) -> Vec<Step> {
        let name = self.scratch().to_sql();
        let elsewhere = self.schema != to.schema || self.owner != *relation_owner;
        let mut steps: Vec<Step> = elsewhere.then_some(Step::Return).into_iter().collect();
        steps.push(Step::sql(format!("create statistics {name}{} from {}", self.body, to.to_sql())));
        if let Some(target) = self.target {
            steps.push(Step::sql(format!("alter statistics {name} set statistics {target}")));
        }
        steps.extend(comment("statistics", &name, self.comment.as_deref()));
        if elsewhere {
            steps.push(Step::sql(format!("alter statistics {name} owner to {}", self.owner.to_sql())));
            steps.push(Step::Become(relation_owner.clone()));
        }
        steps
    }

    pub(super) fn rename(&self) -> Step {
        Step::sql(format!("alter statistics {} rename to {}", self.scratch().to_sql(), self.name.to_sql()))
    }
}
