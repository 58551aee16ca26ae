//! What runs in a process of its own: one comparison and nothing else, so that its CPU time and its
//! memory are the comparison's.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, BufWriter, Write},
    path::Path,
};

use anyhow::Context as _;
use comparison_engine::{Authorised, Columns, Comparison, Fault, Hit, Settings, Sink};
use memchr::memchr;
use serde_json::json;

/// What is done with hits and faults.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Amounts are summed: what the peers do.
    Sum,
    /// Every hit is written with all its values.
    Rows,
    /// By number and name; every hit and every fault is written with its verdict.
    Verdicts,
}

impl Task {
    pub const ALL: [(&'static str, Self); 3] = [
        ("sum", Self::Sum),
        ("rows", Self::Rows),
        ("verdicts", Self::Verdicts),
    ];
}

struct Found {
    task: Task,
    /// Kept only to write them.
    numbers: Vec<String>,
    out: BufWriter<File>,
    hits: u64,
    amount_fen: u64,
    failed: bool,
}

/// Yuan with two digits behind the point.
fn fen(amount: &str) -> u64 {
    let digits = amount.bytes().filter(u8::is_ascii_digit);
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

impl Sink for Found {
    fn hit(&mut self, hit: &Hit<'_>) {
        self.hits += 1;
        let number = self.numbers.get(hit.person as usize);
        let number = number.map_or("", String::as_str);
        let written = match self.task {
            Task::Sum => {
                self.amount_fen += fen(&hit.value(0));
                return;
            }
            Task::Rows => writeln!(
                self.out,
                "{},{number},{},{},{}",
                hit.row,
                hit.value(0),
                hit.value(1),
                hit.value(2)
            ),
            Task::Verdicts => writeln!(self.out, "{},HIT,{number},{}", hit.row, hit.value(0)),
        };
        self.failed |= written.is_err();
    }

    fn fault(&mut self, fault: &Fault) {
        if self.task == Task::Verdicts {
            let written = writeln!(self.out, "{},{},,", fault.row, fault.reason.code());
            self.failed |= written.is_err();
        }
    }
}

/// Compares, and prints what came of it as JSON.
pub fn run(
    task: Task,
    file: &Path,
    persons: &Path,
    out: &Path,
    with_numbers: bool,
) -> anyhow::Result<()> {
    let mut authorised = Authorised::builder();
    let mut numbers = Vec::new();
    let mut persons = BufReader::new(File::open(persons)?);
    let mut line = Vec::new();
    persons.read_until(b'\n', &mut line)?;
    line.clear();
    while persons.read_until(b'\n', &mut line)? > 0 {
        let comma = memchr(b',', &line).context("a person")?;
        let number = str::from_utf8(&line[..comma])?;
        let name = match task {
            Task::Verdicts => Some(str::from_utf8(&line[comma + 1..])?.trim_end()),
            Task::Sum | Task::Rows => None,
        };
        authorised.add(number, name)?;
        if with_numbers {
            numbers.push(number.to_owned());
        }
        line.clear();
    }
    let authorised = authorised.build()?;
    let values: &[&str] = match task {
        Task::Sum | Task::Verdicts => &["amount"],
        Task::Rows => &["name", "amount", "date"],
    };
    let columns = Columns {
        id_number: "id".to_owned(),
        name: (task == Task::Verdicts).then(|| "name".to_owned()),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let settings = Settings {
        threads: 2,
        ..Settings::default()
    };
    let settings = std::env::var("PIECE")
        .ok()
        .and_then(|p| p.parse().ok())
        .map_or(settings, |piece_bytes| Settings {
            piece_bytes,
            ..settings
        });
    let settings = std::env::var("THREADS")
        .ok()
        .and_then(|p| p.parse().ok())
        .map_or(settings, |threads| Settings {
            threads,
            ..settings
        });
    let comparison = Comparison {
        authorised: &authorised,
        columns: &columns,
        settings,
    };
    let mut found = Found {
        task,
        numbers,
        out: BufWriter::new(File::create(out)?),
        hits: 0,
        amount_fen: 0,
        failed: false,
    };
    let report = comparison.run(File::open(file)?, &mut found)?;
    found.out.flush()?;
    anyhow::ensure!(!found.failed, "an answer could not be written");
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak
        .and_then(|peak| peak.trim().strip_suffix(" kB"))
        .context("VmHWM")?;
    println!(
        "{}",
        json!({
            "hits": found.hits,
            "amount_fen": found.amount_fen,
            "faults": report.counts.faults(),
            "peak_kib": peak.trim().parse::<u64>()?,
        })
    );
    Ok(())
}
