//! `backstop`: the whole platform in one process, and the operator's commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    backstop::cli::main()
}
