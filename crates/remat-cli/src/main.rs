//! The `remat` command; see the library crate of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    remat_cli::run(std::env::args_os())
}
