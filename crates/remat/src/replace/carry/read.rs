//! Reads what relations carry.

use serde_json::Value;
use tokio_postgres::types::Type;

use super::Carried;
use crate::{
    failure::{Failure, FailureKind},
    name::{Identifier, RelationName},
    pg::{Session, catalog::identifier},
};

/// What the relations with these object ids carry; the search path must be empty. One that is gone is left out.
pub(crate) async fn read(
    session: &Session,
    oids: &[u32],
) -> Result<Vec<(u32, RelationName, Carried)>, Failure> {
    let rows = session.query(include_str!("carried.sql"), &[(&oids, Type::OID_ARRAY)]).await?;
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        let name = RelationName { schema: identifier(row.get(2))?, name: identifier(row.get(1))? };
        let carried = serde_json::from_value(row.get::<_, Value>(3)).map_err(|error| {
            Failure::new(FailureKind::Prerequisite, format!("cannot replace \"{name}\""))
                .with_detail(format!("Its catalog entries cannot be read: {error}."))
        })?;
        read.push((row.get(0), name, carried));
    }
    read.sort_by_key(|(oid, ..)| oids.iter().position(|asked| asked == oid));
    Ok(read)
}

/// To whom a new relation of this owner in this schema is open by default privileges; none is everybody.
pub(crate) async fn default_grantees(
    session: &Session,
    owner: &Identifier,
    schema: &Identifier,
) -> Result<Vec<Option<Identifier>>, Failure> {
    let (owner, schema) = (owner.as_str(), schema.as_str());
    let params = [(&owner as _, Type::TEXT), (&schema as _, Type::TEXT)];
    let rows = session.query(include_str!("default_grantees.sql"), &params).await?;
    rows.iter().map(|row| row.get::<_, Option<String>>(0).map(identifier).transpose()).collect()
}
