//! `cargo xtask api`: schemathesis against the HTTP interface as it is described.
//!
//! It asks what nobody would ask, from the document alone, and looks for answers that the document does not allow and for
//! failures of the server. It is installed by pip into a virtual environment under `target`; where there is no Python, this says
//! so loudly and fails nothing.

use std::path::{Path, PathBuf};

use remat_testkit::{Servers, TestDb};
use tokio::{
    process::{Child, Command},
    time::{Duration, sleep},
};

use crate::{Outcome, servers, shell, test};

const VERSION: &str = "schemathesis==4.32.5";

/// What it looks for. Left out: that whatever fits the document is accepted, because no document says which SQL is valid; and
/// that a wrong token gets 401, because the eleventh within a minute gets 429.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
     response_schema_conformance,negative_data_rejection,unsupported_method";

/// A project with a published view, so that every operation finds something.
const SETTINGS: &str = "[project]\nname = \"shop\"\n[publish]\nurl_env = \"REDIS_URL\"\n\
     [[job]]\nname = \"nightly\"\nschedule = \"0 3 * * *\"\ntag = \"a\"\n";
const BOARD: &str = "/* remat\ntags = [\"a\"]\nschedule = \"@daily\"\n[publish]\nkey = \"schemathesis:board\"\n\
     member = \"id\"\nscore = \"cents\"\n*/\nselect id, sum(cents) as cents from sales group by id\n";
const TABLES: &str =
    "create table sales (id int, cents int); insert into sales select g, g * 7 from generate_series(1, 50) g";

/// What it would not guess.
const CONFIG: &str = "[[operations]]\ninclude-path-regex = \"/published/\"\nparameters = { \"path.view\" = \"board\" }\n\
     [[operations]]\ninclude-path-regex = \"/jobs/\"\nparameters = { \"path.job\" = \"nightly\" }\n";

pub(crate) async fn run(examples: &str) -> Outcome {
    if !shell::on_path("python3") {
        println!("\n!!! python3 is not installed: the HTTP interface is NOT held against its document\n");
        return Ok(());
    }
    examples.parse::<u32>()?;
    let were_running = servers::are_running().await;
    test::outlive_interrupts();
    let found = if were_running { Ok(Servers::read()) } else { servers::start().await };
    let result = match found {
        Ok(servers) => compare(&servers, examples).await,
        Err(error) => Err(error),
    };
    if !were_running {
        servers::stop().await?;
    }
    result
}

async fn compare(servers: &Servers, examples: &str) -> Outcome {
    let program = schemathesis().await?;
    let mut build = test::cargo();
    shell::run(build.args(["build", "--package", "remat-cli"])).await?;
    let db = TestDb::create().await;
    db.execute(TABLES).await;
    let folder = target().join("schemathesis-project");
    std::fs::create_dir_all(folder.join("views"))?;
    std::fs::write(folder.join("remat.toml"), SETTINGS)?;
    std::fs::write(folder.join("views/board.sql"), BOARD)?;
    let remat = |args: &[&str]| {
        let mut command = Command::new(target().join("debug/remat"));
        command.args(args).current_dir(&folder).env("DATABASE_URL", db.url());
        command.env("REDIS_URL", servers.redis_url()).kill_on_drop(true);
        command
    };
    shell::run(&mut remat(&["migrate", "--quiet"])).await?;
    shell::run(&mut remat(&["apply", "--yes", "--quiet"])).await?;
    let token = shell::ask(&mut remat(&["token", "create", "schemathesis", "--role", "admin"])).await?;
    let address = free_address()?;
    let mut served = remat(&["serve", "--quiet", "--listen", &address]).spawn()?;
    let result = async {
        until_it_listens(&mut served, &address).await?;
        ask(&program, &address, &token, examples).await
    }
    .await;
    served.kill().await?;
    result
}

async fn ask(program: &Path, address: &str, token: &str, examples: &str) -> Outcome {
    let mut command = Command::new(program);
    let config = target().join("schemathesis.toml");
    std::fs::write(&config, CONFIG)?;
    command.arg("--config-file").arg(&config);
    command.args(["run", "docs/openapi.json", "--url", &format!("http://{address}")]);
    // The name of the token itself is left alone: revoked, it would let nothing in.
    command.args(["--exclude-path-regex", "tokens/\\{name\\}", "--checks", CHECKS]);
    command.args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"]);
    command.args(["--max-examples", examples, "--request-timeout", "60", "--suppress-health-check", "all"]);
    // Not printed: it holds the token.
    let status = command.arg("--header").arg(format!("Authorization: Bearer {token}")).status().await?;
    if status.success() { Ok(()) } else { Err("the HTTP interface is not what its document says".into()) }
}

async fn schemathesis() -> Outcome<PathBuf> {
    let folder = target().join("schemathesis");
    let program = folder.join("bin/schemathesis");
    if !program.is_file() {
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).await?;
        shell::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", VERSION])).await?;
    }
    Ok(program)
}

/// The target directory: that of the servers' file.
fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

fn free_address() -> Outcome<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

async fn until_it_listens(served: &mut Child, address: &str) -> Outcome {
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        if let Some(status) = served.try_wait()? {
            return Err(format!("remat serve ended: {status}").into());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err("remat serve does not listen".into())
}
