//! The application's own session: it loads, writes, and refreshes the twins.

use remat::{Remat, error::Error, name::RelationName, pg::Session};
use tokio_postgres::types::Type;

/// A session whose settings do not depend on the role or the machine.
pub(super) struct Driver {
    pub(super) session: Session,
}

impl Driver {
    /// Opens a session with what the project pins for its views.
    pub(super) async fn open(remat: &Remat) -> Result<Self, Error> {
        let session = remat.session().await?;
        session
            .batch("set search_path = public; set time zone 'UTC'; set client_min_messages = warning")
            .await?;
        Ok(Self { session })
    }

    /// Changes about so many rows as the live application does; gives how many it changed.
    pub(super) async fn churn(&self, changes: i32) -> Result<i64, Error> {
        let sql = "select analyses_added + analyses_updated + analyses_deleted + points_added from skyflow_churn($1)";
        Ok(self.session.query_one(sql, &[(&changes, Type::INT4)]).await?.get(0))
    }

    /// Counts the rows of a relation.
    pub(super) async fn count(&self, name: &RelationName) -> Result<i64, Error> {
        let sql = format!("select count(*) from {}", name.to_sql());
        Ok(self.session.query_one(&sql, &[]).await?.get(0))
    }

    /// The server's version as it says it, such as `15.14 (Debian 15.14-0+deb12u1)`.
    pub(super) async fn server_version(&self) -> Result<String, Error> {
        Ok(self.session.query_one("select current_setting('server_version')", &[]).await?.get(0))
    }
}
