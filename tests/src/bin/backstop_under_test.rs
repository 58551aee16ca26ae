//! `backstop`, for the tests that start and kill it: cargo builds the programs of a test's own package
//! before the test.

use std::process::ExitCode;

fn main() -> ExitCode {
    backstop::cli::main()
}
