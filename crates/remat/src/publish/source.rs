//! The rows of a published view as PostgreSQL has them, in the order of a sorted set.
//!
//! Law: the order is that of Redis: the higher score first, of equal scores the member with the greater bytes in UTF-8
//! first. No code of others is called: a member is written by the output function of its type, never by a cast, and a
//! score is of a type of the server's own.

use tokio_postgres::{Row, types::Type};

use super::{Entry, Question};
use crate::{
    error::{Error, ErrorKind},
    failure::Failure,
    name::Identifier,
    pg::{
        Session,
        catalog::{self, Relation},
    },
    snapshot,
    store::fills::{self, Fill},
    view::{Publish, View},
};

/// Rows that are in memory at once.
const ROWS: usize = 5_000;

/// The types that are scores.
const NUMBERS: [Type; 6] = [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC];

/// A published view within one snapshot.
pub(super) struct Source<'a> {
    session: &'a Session,
    view: &'a View,
    target: &'a Publish,
    /// The run whose contents the snapshot shows, if one is known.
    pub(super) fill: Option<Fill>,
}

/// Gives `work` the view in a snapshot that ends afterwards.
pub(super) async fn in_snapshot<T, W>(
    session: &Session,
    view: &View,
    target: &Publish,
    work: W,
) -> Result<T, Error>
where
    W: AsyncFnOnce(Source<'_>) -> Result<T, Error>,
{
    let result = async { work(open(session, view, target).await?).await }.await;
    // A connection that broke has rolled back by itself, and the first error says more.
    let ended = session.batch("rollback").await;
    let value = result?;
    ended?;
    Ok(value)
}

async fn open<'a>(session: &'a Session, view: &'a View, target: &'a Publish) -> Result<Source<'a>, Error> {
    let relation = snapshot::hold(session, view).await?;
    let fill = fills::of_view(session, view.id).await?;
    catalog::print_full_names(session).await?;
    columns_fit(session, &relation, target).await?;
    snapshot::act_as_owner(session, &relation).await?;
    Ok(Source { session, view, target, fill })
}

impl Source<'_> {
    /// Opens the rows, to be taken with [`Source::next`].
    pub(super) async fn rows(&self) -> Result<(), Error> {
        let order = match self.target.limit {
            Some(limit) => format!("order by score desc, bytes desc limit {limit}"),
            None => String::new(),
        };
        let sql = format!(
            "declare board no scroll cursor for select member, score from ({}) r {order}",
            self.select()
        );
        self.session.execute(&sql, &[]).await?;
        Ok(())
    }

    /// The next rows; none after the last.
    pub(super) async fn next(&self) -> Result<Vec<(String, f64)>, Error> {
        let rows = self.session.query(&format!("fetch {ROWS} from board"), &[]).await?;
        let row = |row: &Row| {
            let member: Option<String> = row.get(0);
            let score: Option<f64> = row.get(1);
            match (member, score) {
                (None, _) => Err(self.unfit(&self.target.member, "is NULL in some row")),
                (_, None) => Err(self.unfit(&self.target.score, "is NULL in some row")),
                (_, Some(score)) if score.is_nan() => {
                    Err(self.unfit(&self.target.score, "is not a number in some row"))
                }
                (Some(member), Some(score)) => Ok((member, score)),
            }
        };
        rows.iter().map(row).collect()
    }

    /// The error for a member that more than one row has.
    pub(super) fn member_is_repeated(&self) -> Error {
        self.unfit(&self.target.member, "is the same in several rows")
    }

    fn unfit(&self, column: &Identifier, what: &str) -> Error {
        let name = &self.view.definition.name;
        Error::new(ErrorKind::Conflict, format!("column {column} of view \"{name}\" {what}"))
            .with_detail("A sorted set has each member once, with a number as its score.")
            .with_hint("Leave such rows out of the view, or publish another column.")
    }

    /// Answers a question as Redis does from the whole board. Rows that cannot be in a sorted set are left out.
    pub(super) async fn answer(&self, question: &Question) -> Result<Vec<Entry>, Error> {
        let rows = format!(
            "select member, score, bytes from ({}) r
             where  member is not null and score < 'NaN'::pg_catalog.float8",
            self.select()
        );
        let limit = i64::from(self.target.limit.unwrap_or(u32::MAX));
        let rows = match question {
            Question::Top(count) => {
                let count = i64::from(*count).min(limit);
                self.session.query(&top(&rows), &[(&count, Type::INT8)]).await?
            }
            Question::Around { member, radius } => {
                let radius = i64::from(*radius);
                let params =
                    [(&limit as _, Type::INT8), (member as _, Type::TEXT), (&radius as _, Type::INT8)];
                self.session.query(&around(&rows), &params).await?
            }
        };
        let entry = |row: &Row| Entry { rank: row.get(0), member: row.get(1), score: row.get(2) };
        Ok(rows.iter().map(entry).collect())
    }

    /// Whole rows in the order of the board, as JSON.
    pub(super) async fn whole_rows(&self, offset: i64, limit: i64) -> Result<Vec<serde_json::Value>, Error> {
        let (member, score) = (self.target.member.to_sql(), self.target.score.to_sql());
        let sql = format!(
            "select pg_catalog.to_jsonb(v) from {} v
             order  by v.{score}::pg_catalog.float8 desc nulls last,
                       pg_catalog.convert_to(pg_catalog.concat(v.{member}), 'UTF8') desc
             offset $1 limit $2",
            self.view.definition.name.to_sql()
        );
        let rows = self.session.query(&sql, &[(&offset, Type::INT8), (&limit, Type::INT8)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Members, scores, and the bytes that decide between equal scores.
    fn select(&self) -> String {
        let (member, score) = (self.target.member.to_sql(), self.target.score.to_sql());
        format!(
            "select case when v.{member} is null then null else pg_catalog.concat(v.{member}) end as member,
                    v.{score}::pg_catalog.float8 as score,
                    pg_catalog.convert_to(pg_catalog.concat(v.{member}), 'UTF8') as bytes
             from   {} v",
            self.view.definition.name.to_sql()
        )
    }
}

/// The first `$1` of rows.
fn top(rows: &str) -> String {
    format!(
        "select pg_catalog.row_number() over (order by score desc, bytes desc), member, score
         from   ({rows}) b order by score desc, bytes desc limit $1"
    )
}

/// Member `$2` with `$3` rows on each side, of the first `$1`. Counted, not sorted as a whole: a view of a million rows
/// does not fit into the memory of a sort.
fn around(rows: &str) -> String {
    format!(
        "with me as materialized (select score, bytes from ({rows}) b where member = $2 limit 1),
              place as materialized (
                select 1 + pg_catalog.count(*) as rank from ({rows}) b
                where  (b.score, b.bytes) > (select score, bytes from me)),
              above as materialized (
                select member, score, bytes from ({rows}) b
                where  (b.score, b.bytes) > (select score, bytes from me) order by score, bytes limit $3),
              below as materialized (
                select member, score, bytes from ({rows}) b
                where  (b.score, b.bytes) <= (select score, bytes from me)
                order  by score desc, bytes desc limit $3 + 1),
              places as (
                select (select rank from place) - (select pg_catalog.count(*) from above) - 1
                         + pg_catalog.row_number() over (order by score desc, bytes desc) as rank, member, score
                from   (select * from above union all select * from below) b)
         select rank, member, score from places
         where  rank <= $1 and (select rank from place) <= $1 order by rank"
    )
}

async fn columns_fit(session: &Session, relation: &Relation, target: &Publish) -> Result<(), Error> {
    let types = base_types(session, relation.oid).await?;
    let of = |column: &Identifier| {
        types.iter().find(|(name, ..)| name == column.as_str()).ok_or_else(|| {
            let primary = format!("column {column} of view \"{}\" does not exist", relation.name);
            Error::new(ErrorKind::InvalidDefinition, primary)
                .with_hint("Correct [publish] of its definition, or its query.")
        })
    };
    of(&target.member)?;
    let (_, oid, name) = of(&target.score)?;
    if NUMBERS.iter().any(|number| number.oid() == *oid) {
        return Ok(());
    }
    let primary = format!(
        "column {} of view \"{}\" cannot be a score: its type is {name}",
        target.score, relation.name
    );
    Err(Error::new(ErrorKind::InvalidDefinition, primary)
        .with_hint("A score is a smallint, integer, bigint, numeric, real or double precision."))
}

/// The columns with the types below their domains.
async fn base_types(session: &Session, relation: u32) -> Result<Vec<(String, u32, String)>, Failure> {
    let sql = "with recursive base (name, type) as (
                 select a.attname::text, a.atttypid from pg_catalog.pg_attribute a
                 where  a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
                 union all
                 select b.name, t.typbasetype from base b join pg_catalog.pg_type t on t.oid = b.type
                 where  t.typtype = 'd')
               select b.name, b.type, pg_catalog.format_type(b.type, null)
               from   base b join pg_catalog.pg_type t on t.oid = b.type where t.typtype <> 'd'";
    let rows = session.query(sql, &[(&relation, Type::OID)]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
