//! The table of shapes in the documentation is what the compiler makes of them.

use std::{fs, path::Path};

use remat_sql::{
    Rejection,
    maintain::{Plan, Types, View, compile, questions},
};

use crate::{
    shapes::{REFUSED, SHAPES},
    world::World,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/INCREMENTAL.md");
const BEGIN: &str = "<!-- shapes: begin (made by the tests; do not edit) -->\n";
const END: &str = "<!-- shapes: end -->";

/// What people read of a plan: its techniques in the order of its stages, or why there is none.
fn told(plan: Result<Plan, Rejection>) -> String {
    match plan {
        Ok(plan) => {
            let techniques: Vec<_> = plan.stages.iter().map(|stage| stage.technique().to_string()).collect();
            techniques.join(", then ")
        }
        Err(refused) => format!("`{}` {}: {refused}", refused.code, refused.construct.replace('|', "\\|")),
    }
}

/// `| shape | followed by |`, the most welcome first.
async fn table(world: &World) -> String {
    let mut rows = Vec::new();
    for (name, key, text) in SHAPES.iter().chain(REFUSED) {
        let shape = if name.starts_with('R') { name.split_once(' ').unwrap().1 } else { name };
        let plan = world.compiled(name, text, key).await;
        let rank = match &plan {
            Ok(plan) => plan.stages[0].technique() as u8,
            Err(_) => u8::MAX,
        };
        rows.push((rank, shape.to_owned(), told(plan)));
    }
    rows.sort();
    rows.dedup();
    let lines = rows.iter().map(|(_, shape, told)| format!("| {shape} | {told} |\n"));
    format!("| shape | followed by |\n|---|---|\n{}", lines.collect::<String>())
}

/// With `REMAT_BLESS` it writes the table instead.
#[tokio::test]
async fn the_table_of_shapes_is_what_the_compiler_makes_of_them() {
    let world = World::open(&[include_str!("schema.sql")]).await;
    let table = table(&world).await;
    let page = fs::read_to_string(Path::new(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (documented, after) = rest.split_once(END).unwrap();
    if std::env::var_os("REMAT_BLESS").is_some() {
        fs::write(PAGE, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(documented, table, "run this test with REMAT_BLESS=1 to write the table");
}

impl World {
    /// The plan of a view, all its questions answered by the server.
    async fn compiled(&self, name: &str, text: &str, key: &str) -> Result<Plan, Rejection> {
        let mut types = Types::new();
        loop {
            let (asked, plan) = self
                .with_view(name, text, key, |view: View<'_>| {
                    let view = View { types: &types, ..view };
                    (questions(view), compile(view))
                })
                .await;
            if asked.is_empty() {
                return plan;
            }
            for question in asked {
                let answer = self.types(&question).await;
                types.insert(question, answer);
            }
        }
    }
}
