//! The real program against a database of its own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part, and panics where it must fail"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use remat::{
    Remat,
    name::RelationName,
    operation::CreateOptions,
    pg::Target,
    view::{Definition, View},
};
use remat_testkit::TestDb;
use serde_json::Value;

/// A migrated database, the library on it, and an empty folder to run the program in.
pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) remat: Remat,
    pub(crate) dir: PathBuf,
}

/// What the program said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// A database with remat's tables.
    pub(crate) async fn new() -> Self {
        let world = Self::unmigrated().await;
        world.remat.migrate().await.unwrap();
        world
    }

    /// An empty database.
    pub(crate) async fn unmigrated() -> Self {
        let db = TestDb::create().await;
        let target = Target::resolve(Some(&db.url()), &|_| None).unwrap();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(db.name());
        std::fs::create_dir_all(&dir).unwrap();
        Self { remat: Remat::connect(target).await.unwrap(), db, dir }
    }

    /// Defines a view.
    pub(crate) async fn define(&self, definition: Definition) -> View {
        self.remat.define(&definition).await.unwrap()
    }

    /// Defines a view in `public` and makes its relation.
    pub(crate) async fn made(&self, name: &str, query: &str) -> View {
        let view = self.define(definition(name, query)).await;
        self.remat.create(&view, CreateOptions::default()).await.unwrap();
        self.remat.view(&view.definition.name).await.unwrap()
    }

    /// The program with a clean environment, told of the database by `DATABASE_URL`.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_remat"));
        command.args(args).env_clear().env("HOME", &self.dir).env("USER", "ada");
        command.env("DATABASE_URL", self.db.url()).current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        answer(&mut self.command(args))
    }

    /// Runs it with `--json`, expects the exit code, and gives the document.
    pub(crate) fn json(&self, args: &[&str], code: i32) -> Value {
        let answer = self.run(&[args, &["--json"]].concat());
        assert_eq!(answer.code, code, "{answer:?}");
        answer.json()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Answer {
    /// The one document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Everything that was said.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A definition in `public`.
pub(crate) fn definition(name: &str, query: &str) -> Definition {
    Definition::new(RelationName::new("public", name).unwrap(), query)
}

/// Runs a command to its end.
pub(crate) fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        code: output.status.code().expect("the program was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Asserts that a document has the shape that docs/guide/cli.md shows under this name: the same keys everywhere and
/// the same types, where neither is null.
pub(crate) fn assert_documented(name: &str, actual: &Value) {
    let guide = include_str!("../../../../docs/guide/cli.md");
    let block =
        guide.split_once(&format!("<!-- shape: {name} -->\n```json\n")).expect("the guide shows the shape").1;
    let block = block.split_once("```").unwrap().0;
    same_shape(name, &serde_json::from_str(block).unwrap(), actual);
}

fn same_shape(path: &str, documented: &Value, actual: &Value) {
    match (documented, actual) {
        // What a run's meta holds is free.
        _ if path.rsplit('.').next() == Some("meta") => (),
        (Value::Null, _) | (_, Value::Null) => (),
        (Value::Object(documented), Value::Object(actual)) => {
            let keys = |object: &serde_json::Map<_, _>| object.keys().cloned().collect::<Vec<String>>();
            assert_eq!(keys(documented), keys(actual), "at {path}");
            for (key, value) in documented {
                same_shape(&format!("{path}.{key}"), value, &actual[key]);
            }
        }
        (Value::Array(documented), Value::Array(actual)) => {
            for element in actual {
                same_shape(&format!("{path}[]"), &documented[0], element);
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(documented),
            std::mem::discriminant(actual),
            "at {path}: {documented} and {actual}"
        ),
    }
}
