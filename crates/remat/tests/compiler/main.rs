//! The compiler reads what the server prints, and the server reads what the compiler prints, as the same view.
//!
//! Each shape is made as a view, printed by the server, read, printed by the compiler, and made again: the server must
//! print both views with the same words.

#![allow(clippy::unwrap_used, reason = "a test panics wherever it must fail")]

mod catalog;

use std::{fs, path::Path};

use remat_sql::{Rejection, catalog::Catalog, ir, read};
use remat_testkit::TestDb;
use tokio_postgres::Client;

const SCHEMA: &str = include_str!("schema.sql");
const SHAPES: &str = include_str!("shapes.sql");
const REFUSED: &str = include_str!("refused.sql");
const TPCH_SCHEMA: &str = include_str!("tpch_schema.sql");
const TPCH: &str = include_str!("tpch.sql");

/// Shapes that come back with other parentheses, other white space, or without `LIMIT ALL`: `a AND (b AND c)`, which
/// BETWEEN becomes on the server, is read as three conjuncts, and VALUES that was an operand becomes one of FROM.
const OTHER_WORDS: [&str; 7] = [
    "between and similar",
    "clock windows",
    "limit all and limit expressions",
    "set operation with limits inside",
    "q06",
    "q07",
    "q08",
];

/// A database in which views are made from texts, and the session that makes them.
struct Door {
    _db: TestDb,
    sql: Client,
    catalog: Catalog,
}

impl Door {
    async fn open(scripts: &[&str]) -> Self {
        let db = TestDb::create().await;
        for script in scripts {
            db.execute(script).await;
        }
        let sql = db.connect().await;
        let catalog = catalog::read(&sql).await;
        Self { _db: db, sql, catalog }
    }

    /// What the server prints of a view over this query.
    async fn printed(&self, search_path: &str, query: &str) -> Result<String, String> {
        let script = format!(
            "begin; set local search_path = {search_path}; create view pg_temp.remat_test as {query}"
        );
        let told = |error: tokio_postgres::Error| {
            let told = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
            format!("{told}\nin: {query}")
        };
        let made = self.sql.batch_execute(&script).await.map_err(told);
        let printed = async {
            self.sql.batch_execute("set local search_path = ''").await.map_err(told)?;
            let row = self.sql.query_one("select pg_get_viewdef('pg_temp.remat_test'::regclass)", &[]).await;
            row.map(|row| row.get(0)).map_err(told)
        };
        let printed = match made {
            Ok(()) => printed.await,
            Err(error) => Err(error),
        };
        self.sql.batch_execute("rollback").await.unwrap();
        printed
    }

    fn read(&self, text: &str) -> Result<ir::Query, Rejection> {
        read(text, &self.catalog)
    }

    /// There and back; says what is wrong, if anything.
    async fn check(&self, name: &str, search_path: &str, query: &str) -> Option<String> {
        let printed = match self.printed(search_path, query).await {
            Ok(printed) => printed,
            Err(error) => return Some(format!("{name}: {error}")),
        };
        let ir = match self.read(&printed) {
            Ok(ir) => ir,
            Err(error) => {
                return Some(format!(
                    "{name}: {} {} ({})\nin: {printed}",
                    error.code, error, error.construct
                ));
            }
        };
        let again = match self.printed("''", &ir::sql(&ir)).await {
            Ok(again) => again,
            Err(error) => return Some(format!("{name}: {error}\nfrom: {printed}")),
        };
        let same = if OTHER_WORDS.contains(&name) {
            without_parentheses(&again) == without_parentheses(&printed)
        } else {
            again == printed
        };
        if !same {
            return Some(format!("{name}: other words\n{printed}\n{again}"));
        }
        (self.read(&again) != Ok(ir)).then(|| format!("{name}: another query\n{printed}\n{again}"))
    }

    async fn check_all(&self, search_path: &str, shapes: Vec<(String, String)>) {
        let mut wrong = Vec::new();
        for (name, query) in &shapes {
            wrong.extend(self.check(name, search_path, query).await);
        }
        assert!(wrong.is_empty(), "{} of {}\n\n{}", wrong.len(), shapes.len(), wrong.join("\n\n"));
    }
}

/// The texts of a file, each below a line with its name.
fn shapes(file: &str) -> Vec<(String, String)> {
    let shape = |text: &str| {
        let (name, query) = text.split_once('\n').unwrap();
        (name.strip_prefix("-- ").unwrap().to_owned(), query.trim().to_owned())
    };
    file.trim().split("\n\n").map(shape).collect()
}

fn without_parentheses(text: &str) -> String {
    let words = text.replace(['(', ')'], " ").replace("LIMIT ALL", "");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn skyflow(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/skyflow").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| (path.display().to_string(), fs::read_to_string(&path).unwrap());
    files.into_iter().map(read).collect()
}

#[tokio::test]
async fn every_shape_comes_back_as_the_same_view() {
    let door = Door::open(&[SCHEMA]).await;
    let shapes = shapes(SHAPES);
    assert!(shapes.len() > 90);
    door.check_all("public", shapes).await;
}

#[tokio::test]
async fn the_queries_of_tpch_come_back_as_the_same_views() {
    let door = Door::open(&[TPCH_SCHEMA]).await;
    let shapes = shapes(TPCH);
    assert_eq!(shapes.len(), 22);
    door.check_all("tpch", shapes).await;
}

#[tokio::test]
async fn the_views_of_the_example_come_back_as_the_same_views() {
    let schema = skyflow("schema");
    let scripts: Vec<_> = schema.iter().map(|(_, script)| script.as_str()).collect();
    let door = Door::open(&scripts).await;
    let views = skyflow("views");
    assert_eq!(views.len(), 9);
    let query = |text: &str| remat_sql::leading_comment(text).unwrap().1.to_owned();
    door.check_all("public", views.iter().map(|(name, text)| (name.clone(), query(text))).collect()).await;
}

#[tokio::test]
async fn what_is_refused_is_refused_with_its_code() {
    let door = Door::open(&[SCHEMA]).await;
    for (name, query) in shapes(REFUSED) {
        let printed = door.printed("public", &query).await.unwrap();
        let rejection = door.read(&printed).expect_err(&printed);
        assert_eq!(rejection.code.as_str(), &name[..4], "{name}: {rejection:?}\nin: {printed}");
    }
}
