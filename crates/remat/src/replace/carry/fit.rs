//! Makes what one relation carries fit another: other columns, another owner, another kind.

use super::{Carried, Column, Index, Kind};
use crate::name::Identifier;

impl Carried {
    /// What of it a relation with these columns can carry, and notes about what it cannot.
    pub(crate) fn fit(mut self, columns: &[Column]) -> (Self, Vec<String>) {
        let lost =
            |uses: &[Identifier]| uses.iter().find(|name| columns.iter().all(|c| c.name != **name)).cloned();
        let mut notes = Vec::new();
        self.indexes.retain(|index| keeps("index", &index.name, lost(&index.uses).as_ref(), &mut notes));
        self.statistics
            .retain(|one| keeps("statistics object", &one.name, lost(&one.uses).as_ref(), &mut notes));
        if self.replica_identity == "i" && !self.indexes.iter().any(|index| index.replica_identity) {
            self.replica_identity = "d".into();
        }
        let had = self.columns;
        self.columns = columns.iter().map(|column| column.taking_from(&had)).collect();
        (self, notes)
    }

    /// The same for another owner, who takes the old owner's part in every grant.
    #[must_use]
    pub(crate) fn owned_by(mut self, owner: &Identifier) -> Self {
        let old = std::mem::replace(&mut self.owner, owner.clone());
        let swap = |grants: &mut Vec<_>| {
            *grants =
                std::mem::take(grants).into_iter().map(|g: super::Grant| g.with_role(&old, owner)).collect();
        };
        swap(&mut self.acl);
        self.columns.iter_mut().for_each(|column| swap(&mut column.acl));
        for statistics in &mut self.statistics {
            if statistics.owner == old {
                statistics.owner = owner.clone();
            }
        }
        self
    }

    /// The same for another kind of relation, as far as that kind can have it.
    #[must_use]
    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        if self.kind == kind {
            return self;
        }
        if kind != Kind::Table {
            self.row_security = false;
            self.force_row_security = false;
            self.unlogged = false;
            self.indexes.iter_mut().for_each(|index| index.constraint = None);
        }
        if self.kind == Kind::View {
            self.options.clear();
            self.replica_identity = "d".into();
            self.triggers.clear();
            self.rules.clear();
            self.columns.iter_mut().for_each(|column| column.default = None);
        }
        self.kind = kind;
        self
    }

    /// Adds the indexes that a definition asks for, where none that is carried serves.
    pub(crate) fn add_indexes(&mut self, asked: Vec<Index>) {
        for index in asked {
            if !self.indexes.iter().any(|carried| carried.serves(&index)) {
                self.indexes.push(index);
            }
        }
    }
}

impl Column {
    /// This column of a new relation with what a column of the same name had.
    fn taking_from(&self, had: &[Self]) -> Self {
        let Some(old) = had.iter().find(|old| old.name == self.name) else {
            return self.clone();
        };
        let same = old.data_type == self.data_type;
        Self {
            data_type: self.data_type.clone(),
            not_null: false,
            storage: old.storage.clone().filter(|_| same),
            compression: old.compression.clone().filter(|_| same),
            default: old.default.clone().filter(|_| same),
            ..old.clone()
        }
    }
}

fn keeps(kind: &str, name: &Identifier, lost: Option<&Identifier>, notes: &mut Vec<String>) -> bool {
    if let Some(column) = lost {
        notes.push(format!("{kind} {name} was dropped: the query no longer has its column {column}"));
    }
    lost.is_none()
}
