//! `backstop-department`: what a department does with a county's request file, in its own office. No
//! network and no database; the files travel as the sides see fit.

use std::{
    fs::{File, OpenOptions},
    io::BufReader,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use comparison_core::row::reason;
use comparison_query::{
    department,
    request::{self, Refused, Request},
    token::Keys,
};
use kernel::{Code, Department, ItemKind};

/// Checks and answers a county's questions (docs/department.md).
#[derive(Debug, Parser)]
#[command(name = "backstop-department", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks that every question of a request file may be answered.
    #[command(after_help = "Example:\n  backstop-department check request.csv \
                            --keys query-keys.json --department banking --item BANK_DEPOSIT")]
    Check(Asked),
    /// Answers the questions of a request file from a register; those that may not be answered are left
    /// out.
    #[command(after_help = "Example:\n  backstop-department answer request.csv \
                            --keys query-keys.json --department banking --item BANK_DEPOSIT \
                            --register accounts.csv --result result.csv")]
    Answer {
        #[command(flatten)]
        asked: Asked,
        /// The department's register: CSV, plain or gzip, in UTF-8 or GB18030, with the columns of the
        /// item's contract.
        #[arg(long)]
        register: PathBuf,
        /// Written for the county; must not be there yet.
        #[arg(long)]
        result: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Asked {
    /// What the county sent.
    request: PathBuf,
    /// What the county publishes at /.well-known/backstop-query-keys.json.
    #[arg(long)]
    keys: PathBuf,
    /// The department's own code.
    #[arg(long)]
    department: Department,
    /// What is asked for.
    #[arg(long, value_parser = item)]
    item: ItemKind,
    /// Checks tokens for this moment instead of now.
    #[arg(long)]
    at: Option<DateTime<Utc>>,
}

fn item(text: &str) -> Result<ItemKind, String> {
    let known = || ItemKind::ALL.iter().map(|item| item.as_str());
    let one_of = |_| format!("one of {}", known().collect::<Vec<_>>().join(", "));
    ItemKind::parse(text).map_err(one_of)
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("backstop-department: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let (asked, answer) = match command {
        Command::Check(asked) => (asked, None),
        Command::Answer {
            asked,
            register,
            result,
        } => (asked, Some((register, result))),
    };
    let request = read(&asked)?;
    say("request", &request.refused);
    println!(
        "{} questions may be answered, {} may not",
        request.questions.len(),
        request.refused.len()
    );
    let mut all = request.refused.is_empty();
    if let Some((register, result)) = answer {
        let source = open(&register)?;
        let target = create(&result)?;
        let answered = department::answer(asked.item, &request.questions, source, target)?;
        say("register", &answered.faults);
        println!(
            "answered from {} rows: something {}, nothing {}, left open {}",
            answered.rows_read, answered.found, answered.nothing, answered.open
        );
        all &= answered.open == 0;
    }
    // Two tells a script that there is something to look at.
    Ok(if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "an office has the time of its machine"
)]
fn read(asked: &Asked) -> anyhow::Result<Request> {
    let keys = std::fs::read_to_string(&asked.keys);
    let keys = keys.with_context(|| asked.keys.display().to_string())?;
    let keys = Keys::parse(&keys).with_context(|| asked.keys.display().to_string())?;
    let now = asked.at.unwrap_or_else(Utc::now);
    let file = BufReader::new(open(&asked.request)?);
    let request = request::read(file, &keys, &asked.department, asked.item, now);
    request.with_context(|| asked.request.display().to_string())
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

/// For its owner's eyes: it tells what people have.
fn create(path: &Path) -> anyhow::Result<File> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    created.with_context(|| path.display().to_string())
}

/// Faults that are told one by one; of more their number is enough.
const TOLD_MAX: usize = 100;

fn say(file: &str, refused: &[Refused]) {
    for Refused { row, column, code } in refused.iter().take(TOLD_MAX) {
        println!("{file} row {row} {column}: {code} {}", reason(code));
    }
    if let Some(more @ 1..) = refused.len().checked_sub(TOLD_MAX) {
        println!("{file}: {more} more rows");
    }
}
