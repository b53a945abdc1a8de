//! A table that is to be captured, as the catalog has it, and whether it can be.
//!
//! Law: what is refused here is refused with its reason, before any lock is taken. The fingerprint in the database refuses the
//! same, for what changes later.

use tokio_postgres::{Row, types::Type};

use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName},
    pg::{Session, catalog::identifier},
};

/// Object ids below are the server's own.
const FIRST_OF_USERS: u32 = 16_384;

/// A table with all that stands below it.
pub(super) struct Table {
    /// The table itself first.
    pub(super) levels: Vec<Level>,
    /// The columns that were asked for.
    pub(super) columns: Vec<Column>,
}

/// The table or one of its partitions.
pub(super) struct Level {
    pub(super) oid: u32,
    pub(super) name: RelationName,
    kind: String,
    persistence: String,
    owned: bool,
    /// Whether something stands above it: partition, child (it inherits in the old manner), or top.
    place: String,
    is_replicated: bool,
    column_names: Vec<String>,
    column_numbers: Vec<i16>,
}

/// One column.
pub(super) struct Column {
    pub(super) number: i16,
    pub(super) name: Identifier,
    pub(super) data_type: String,
    pub(super) collation: Option<RelationName>,
    is_virtual: bool,
}

impl Table {
    /// Reads it. The session's search path must be empty, so that types are printed with their schema.
    pub(super) async fn read(session: &Session, oid: u32, columns: &[i16]) -> Result<Self, Failure> {
        let rows = session.query(include_str!("table.sql"), &[(&oid, Type::OID)]).await?;
        let levels = rows.iter().map(level).collect::<Result<_, _>>()?;
        let params = [(&oid as _, Type::OID), (&columns as _, Type::INT2_ARRAY)];
        let rows = session.query(include_str!("columns.sql"), &params).await?;
        let columns = rows.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Self { levels, columns })
    }

    /// The table itself.
    pub(super) fn root(&self) -> &Level {
        &self.levels[0]
    }

    /// The columns of these numbers, in their order; those that are gone are left out.
    pub(super) fn columns_of<'a>(&'a self, numbers: &'a [i16]) -> impl Iterator<Item = &'a Column> {
        numbers.iter().filter_map(|number| self.columns.iter().find(|column| column.number == *number))
    }

    /// The numbers of the table's columns up to the last of these.
    pub(super) fn layout(&self, numbers: &[i16]) -> Vec<i16> {
        let last = numbers.iter().max().copied().unwrap_or(0);
        self.root().column_numbers.iter().copied().filter(|number| *number <= last).collect()
    }

    /// True when the rows of a level look like those of the table itself, so that each column has the same place.
    pub(super) fn is_alike(&self, level: &Level) -> bool {
        level.column_names == self.root().column_names
    }

    /// Fails where changes of these columns could pass unlogged.
    pub(super) fn check(&self, oid: u32, numbers: &[i16]) -> Result<(), Failure> {
        let Some(root) = self.levels.first() else {
            let primary = format!("a table with object id {oid} does not exist");
            return Err(Failure::new(FailureKind::UndefinedObject, primary));
        };
        for level in &self.levels {
            level.check(root)?;
        }
        for number in numbers {
            match self.columns.iter().find(|column| column.number == *number) {
                None => {
                    let primary = format!("table \"{}\" has no column of number {number}", root.name);
                    return Err(Failure::new(FailureKind::UndefinedObject, primary));
                }
                Some(column) if column.is_virtual => {
                    let detail = format!("Column \"{}\" is computed when it is read.", column.name);
                    return Err(refused(&root.name, &detail).with_hint("Capture the columns it is made of."));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

impl Level {
    /// True when it has no rows of its own but those of its partitions.
    pub(super) fn is_partitioned(&self) -> bool {
        self.kind == "p"
    }

    fn check(&self, root: &Self) -> Result<(), Failure> {
        if let Some(detail) = self.obstacle(root) {
            return Err(refused(&root.name, &detail));
        }
        if !self.owned {
            let primary = format!("must be owner of table \"{}\" to capture its changes", self.name);
            let mut failure = Failure::new(FailureKind::PermissionDenied, primary);
            failure.complaint.sqlstate = Some("42501".into());
            return Err(failure
                .with_detail("Only an owner makes triggers that session_replication_role does not bypass.")
                .with_hint("Grant the role that owns the table to the role of remat."));
        }
        Ok(())
    }

    fn obstacle(&self, root: &Self) -> Option<String> {
        let name = &self.name;
        let is_root = self.oid == root.oid;
        Some(match (self.kind.as_str(), self.persistence.as_str()) {
            _ if self.oid < FIRST_OF_USERS => format!("\"{name}\" is a catalog of the server."),
            ("v" | "m", _) => format!("\"{name}\" is a view; capture the tables that it reads."),
            ("f", _) => format!("\"{name}\" is a foreign table: others change it without a trigger here."),
            ("r" | "p", "t") => format!("\"{name}\" is temporary."),
            ("r" | "p", "u") => format!("\"{name}\" is unlogged: a crash empties it without a trigger."),
            ("r" | "p", _) if self.is_replicated => {
                format!("\"{name}\" is written by a subscription, which fires no statement triggers.")
            }
            ("r" | "p", _) if is_root && self.place != "top" => {
                format!("\"{name}\" stands below another table, whose statements fire no trigger of it.")
            }
            ("r" | "p", _) if !is_root && self.place != "partition" => {
                format!("\"{name}\" inherits from \"{}\" without being a partition.", root.name)
            }
            ("r" | "p", _) => return None,
            _ => format!("\"{name}\" is no table."),
        })
    }
}

fn refused(table: &RelationName, detail: &str) -> Failure {
    Failure::new(FailureKind::Prerequisite, format!("changes of \"{table}\" cannot be captured"))
        .with_detail(detail)
        .with_hint("Choose the strategy merge for views that read it.")
}

fn level(row: &Row) -> Result<Level, Failure> {
    Ok(Level {
        oid: row.get(0),
        name: RelationName { schema: identifier(row.get(1))?, name: identifier(row.get(2))? },
        kind: row.get(3),
        persistence: row.get(4),
        owned: row.get(5),
        place: row.get(6),
        is_replicated: row.get(7),
        column_names: row.get(8),
        column_numbers: row.get(9),
    })
}

fn column(row: &Row) -> Result<Column, Failure> {
    let collation = match (row.get::<_, Option<String>>(3), row.get::<_, Option<String>>(4)) {
        (Some(schema), Some(name)) => {
            Some(RelationName { schema: identifier(schema)?, name: identifier(name)? })
        }
        _ => None,
    };
    Ok(Column {
        number: row.get(0),
        name: identifier(row.get(1))?,
        data_type: row.get(2),
        collation,
        is_virtual: row.get(5),
    })
}
