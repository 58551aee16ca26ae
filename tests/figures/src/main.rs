//! The benches: `tests/bench [NAME…] [--quick]`. One JSON object a line; a missed target is said
//! and is no failure, an answer that differs from the peer's is one.
//!
//! A bench is a file (or a folder) with a function like [`procedure::run`], and its line in
//! [`BENCHES`].

mod county;
mod figure;
mod measure;
mod pattern;
mod pgbench;
mod procedure;
mod served;
mod server;

use std::{future::Future, pin::Pin, process::ExitCode};

use anyhow::{Context, bail};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Less data and fewer rounds: all of it ends within a minute.
    Quick,
    /// As the targets say it.
    Full,
}

impl Extent {
    /// One of two sizes.
    pub const fn pick<T: Copy>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

type Run = fn(Extent) -> Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

const BENCHES: [(&str, Run); 1] = [("procedure", |extent| Box::pin(procedure::run(extent)))];

fn main() -> ExitCode {
    // Clients only: one thread takes the least from what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let (flags, names): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with('-'));
    let mut extent = Extent::Full;
    for flag in flags {
        match flag.as_str() {
            "--quick" => extent = Extent::Quick,
            _ => bail!("unknown option {flag}; usage: tests/bench [NAME…] [--quick]"),
        }
    }
    for name in &names {
        if !BENCHES.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = BENCHES.iter().map(|(known, _)| *known).collect();
            bail!("no bench {name}; there are: {}", known.join(", "));
        }
    }
    for (name, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            bench(extent).await.context(name)?;
        }
    }
    Ok(())
}
