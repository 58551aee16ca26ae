//! `backstop`: the whole platform in one process, and the operator's commands.

use std::process::ExitCode;

use backstop::cli::Cli;
use clap::Parser;

fn main() -> ExitCode {
    // A provider is installed only once; whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(cli.run()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backstop: {error:#}");
            ExitCode::FAILURE
        }
    }
}
