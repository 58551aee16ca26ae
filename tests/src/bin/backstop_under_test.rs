//! `backstop`, and under their own names the gateway and the services, for the tests that start and kill
//! them: cargo builds the programs of a test's own package before the test.

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&name).file_name().unwrap_or_default();
    match name.to_str() {
        Some("households") => chassis::process::main::<households::Households>(),
        Some("workflow") => chassis::process::main::<workflow::Workflow>(),
        Some("comparison") => chassis::process::main::<comparison::Comparison>(),
        Some("measures") => chassis::process::main::<measures::Measures>(),
        Some("gateway") => gateway::main(),
        _ => backstop::cli::main(),
    }
}
