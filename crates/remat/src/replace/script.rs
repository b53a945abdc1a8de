//! The statements of a replacement, as a value that can be shown before it is run.
//!
//! Law: composing a script touches nothing and running it decides nothing. Whatever embeds a query is one step of its
//! own, so that the server takes it as exactly one statement.

use crate::{
    name::{Identifier, RelationName, list_to_sql, literal},
    pg::Restricted,
    run::words,
};

words! {
    /// A stretch of a replacement, for measuring.
    Phase {
        /// Running the query.
        Build = "build",
        /// Indexes and statistics objects.
        Index = "index",
        /// `analyze`.
        Analyze = "analyze",
        /// Comments, labels and privileges.
        Carry = "carry",
        /// Waiting for the lock.
        Lock = "lock",
        /// What happens while readers wait.
        Swap = "swap",
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Act as this role.
    Become(Identifier),
    /// Act as the session's own role again.
    Return,
    /// A statement.
    Sql(String),
    /// The statement whose count is the number of rows of the new relation.
    Fill(String),
    /// The same for a managed table, whose query would otherwise run with more than its owner's rights.
    FillTable(Restricted),
    /// A query that gives that number, where the statement that fills the relation does not.
    Count(String),
}

impl Step {
    pub(super) fn sql(text: impl Into<String>) -> Self {
        Self::Sql(text.into())
    }

    /// Its text for a person.
    fn to_sql(&self) -> String {
        match self {
            Self::Become(role) => format!("set local role {}", role.to_sql()),
            Self::Return => "set local role none".into(),
            Self::Sql(text) | Self::Fill(text) | Self::Count(text) => text.clone(),
            Self::FillTable(restricted) => restricted.to_sql(),
        }
    }
}

/// A whole replacement: build beside, lock, swap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// Before any lock that a reader would notice.
    pub build: Vec<(Phase, Step)>,
    /// Statements that only take locks: what readers enter first comes first, as they lock in that order.
    pub locks: Vec<String>,
    /// While readers wait.
    pub swap: Vec<Step>,
}

impl Script {
    pub(super) fn add(&mut self, phase: Phase, steps: impl IntoIterator<Item = Step>) {
        self.build.extend(steps.into_iter().map(|step| (phase, step)));
    }

    /// One statement that takes every lock, or none when nothing stands in the way.
    pub(super) fn lock(&self) -> Option<String> {
        let body = self.locks.join("; ");
        (!body.is_empty()).then(|| format!("do {}", literal(&format!("begin {body}; end"))))
    }

    /// The statements in order, for `plan --sql`; steps that keep the role are left out.
    pub(super) fn statements(&self, role: &Identifier) -> Vec<String> {
        let mut current = role.clone();
        let mut shown = listed(self.build.iter().map(|(_, step)| step), role, &mut current);
        shown.extend(self.lock());
        shown.extend(listed(&self.swap, role, &mut current));
        shown
    }
}

fn listed<'a>(
    steps: impl IntoIterator<Item = &'a Step>,
    home: &Identifier,
    current: &mut Identifier,
) -> Vec<String> {
    let mut shown = Vec::new();
    for step in steps {
        let role = acting(step, home);
        if role != Some(current) {
            shown.push(step.to_sql());
        }
        *current = role.unwrap_or(current).clone();
    }
    shown
}

/// The role that a step changes to.
fn acting<'a>(step: &'a Step, home: &'a Identifier) -> Option<&'a Identifier> {
    match step {
        Step::Become(role) => Some(role),
        Step::Return => Some(home),
        Step::Sql(_) | Step::Fill(_) | Step::FillTable(_) | Step::Count(_) => None,
    }
}

/// Sets the search path for the rest of the transaction.
pub(super) fn search_path(schemas: &[Identifier]) -> Step {
    let list = if schemas.is_empty() { "''".into() } else { list_to_sql(schemas) };
    Step::Sql(format!("set local search_path = {list}"))
}

/// `alter ... rename to`; the new name stays in the schema.
pub(super) fn rename(kind: &str, from: &RelationName, to: &Identifier) -> Step {
    Step::Sql(format!("alter {kind} {} rename to {}", from.to_sql(), to.to_sql()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_leaves_out_changes_to_the_role_that_acts_already() {
        let [home, owner] = ["home", "owner"].map(|role| Identifier::new(role).unwrap());
        let mut script = Script::default();
        let steps =
            [Step::Become(home.clone()), Step::sql("a"), Step::Become(owner), Step::sql("b"), Step::Return];
        script.add(Phase::Build, steps);
        script.locks = vec!["lock it's".into()];
        script.swap = vec![Step::Return, Step::sql("c")];
        let expected =
            ["a", "set local role \"owner\"", "b", "set local role none", "do 'begin lock it''s; end'", "c"];
        assert_eq!(script.statements(&home), expected);
    }
}
