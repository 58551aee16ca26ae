//! `backstop-psi`: asks a department whom of some persons it holds, without showing it whom. No network
//! and no database; the files travel as the sides see fit.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use comparison_psi::{answer, ask, file};
use uuid::Uuid;

/// Private set intersection between a county and a department (docs/psi.md).
#[derive(Debug, Parser)]
#[command(name = "backstop-psi", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The county: makes a question about persons.
    #[command(
        after_help = "Example:\n  backstop-psi ask authorised.txt --question question.psi \
                            --secret secret.psi"
    )]
    Ask {
        /// ID numbers, one a line.
        persons: PathBuf,
        /// Written for the department.
        #[arg(long)]
        question: PathBuf,
        /// Written for the county itself, until the answer is opened; then delete it.
        #[arg(long)]
        secret: PathBuf,
    },
    /// The department: answers a question from its register.
    #[command(
        after_help = "Example:\n  backstop-psi answer question.psi --held owners.txt \
                            --answer answer.psi"
    )]
    Answer {
        /// What the county sent.
        question: PathBuf,
        /// ID numbers of those for whom the answer is yes, one a line.
        #[arg(long)]
        held: PathBuf,
        /// Written for the county.
        #[arg(long)]
        answer: PathBuf,
    },
    /// The county: finds who is held.
    #[command(
        after_help = "Example:\n  backstop-psi open answer.psi --secret secret.psi \
                            --found found.txt"
    )]
    Open {
        /// What the department sent back.
        answer: PathBuf,
        /// What was kept of the question.
        #[arg(long)]
        secret: PathBuf,
        /// Written: ID numbers, one a line.
        #[arg(long)]
        found: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backstop-psi: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a run has no clock and no database to get its id from"
)]
fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Ask {
            persons,
            question,
            secret,
        } => {
            let (kept, asked) = ask(Uuid::now_v7(), file::read_persons(&persons)?)?;
            file::write_secret(&secret, &kept)?;
            file::write_question(&question, &asked)?;
            println!("{} persons are asked about", asked.asked.len());
        }
        Command::Answer {
            question,
            held,
            answer: target,
        } => {
            let answered = answer(&file::read_question(&question)?, file::read_persons(&held)?)?;
            file::write_answer(&target, &answered)?;
            let (asked, held) = (answered.asked.len(), answered.held.len());
            println!("answered about {asked} persons from a register of {held}");
        }
        Command::Open {
            answer,
            secret,
            found,
        } => {
            let secret = file::read_secret(&secret)?;
            let persons = secret.open(&file::read_answer(&answer)?)?;
            file::write_persons(&found, &persons)?;
            println!("{} of the persons are held", persons.len());
        }
    }
    Ok(())
}
