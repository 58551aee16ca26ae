//! What runs in a process of its own: one comparison and nothing else, so that its CPU time and its
//! memory are the comparison's.

use std::{
    fs::{self, File},
    io::{BufWriter, Read as _, Write as _},
    path::Path,
};

use anyhow::Context as _;
use comparison_columnar::{
    Kind,
    arrow::{Stream, open_file},
    parquet::{OnDisk, Register},
};
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
    line: Vec<u8>,
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
        let number = number.cloned().unwrap_or_default();
        let number = number.as_str();
        match self.task {
            Task::Sum => self.amount_fen += fen(&hit.value(0)),
            Task::Rows => {
                let values = [number, &hit.value(0), &hit.value(1), &hit.value(2)];
                self.line(hit.row, &values);
            }
            Task::Verdicts => self.line(hit.row, &["HIT", number, &hit.value(0)]),
        }
    }

    fn fault(&mut self, fault: &Fault) {
        if self.task == Task::Verdicts {
            self.line(fault.row, &[fault.reason.code(), "", ""]);
        }
    }
}

impl Found {
    fn line(&mut self, row: u64, cells: &[&str]) {
        self.line.clear();
        let mut digits = [0; 20];
        let mut begin = digits.len();
        let mut left = row;
        while left > 0 {
            begin -= 1;
            digits[begin] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.line.extend_from_slice(&digits[begin..]);
        for cell in cells {
            self.line.push(b',');
            self.line.extend_from_slice(cell.as_bytes());
        }
        self.line.push(b'\n');
        self.failed |= self.out.write_all(&self.line).is_err();
    }
}

/// Visits the lines of a file but for the first one.
fn each_line(
    mut file: File,
    mut visit: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut block = vec![0; 64 * 1024];
    let (mut filled, mut is_header) = (0, true);
    loop {
        let read = file.read(&mut block[filled..])?;
        filled += read;
        let mut at = 0;
        while let Some(len) = memchr(b'\n', &block[at..filled]) {
            if !std::mem::take(&mut is_header) {
                visit(&block[at..at + len])?;
            }
            at += len + 1;
        }
        if read == 0 {
            return Ok(());
        }
        block.copy_within(at..filled, 0);
        filled -= at;
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
    each_line(File::open(persons)?, |line| {
        let comma = memchr(b',', line).context("a person")?;
        let number = str::from_utf8(&line[..comma])?;
        let name = match task {
            Task::Verdicts => Some(str::from_utf8(&line[comma + 1..])?),
            Task::Sum | Task::Rows => None,
        };
        authorised.add(number, name)?;
        if with_numbers {
            numbers.push(number.to_owned());
        }
        Ok(())
    })?;
    let authorised = authorised.build()?;
    let values: &[&str] = match task {
        Task::Sum | Task::Verdicts => &["amount"],
        Task::Rows => &["name", "amount", "date"],
    };
    let columns = Columns {
        id_number: "id".to_owned(),
        name: (task == Task::Verdicts).then(|| "name".to_owned()),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        optional: Vec::new(),
    };
    let settings = Settings {
        threads: 2,
        ..Settings::default()
    };
    let comparison = Comparison {
        authorised: &authorised,
        columns: &columns,
        settings,
    };
    let mut found = Found {
        task,
        numbers,
        out: BufWriter::new(File::create(out)?),
        line: Vec::new(),
        hits: 0,
        amount_fen: 0,
        failed: false,
    };
    let mut beginning = [0; Kind::BYTES];
    File::open(file)?.read_exact(&mut beginning)?;
    let file = File::open(file)?;
    let report = match Kind::of(&beginning) {
        Kind::Text | Kind::Gzip => comparison.run(file, &mut found),
        Kind::ArrowStream => comparison.run_table(Stream::open(file, &columns)?, &mut found),
        Kind::ArrowFile => {
            comparison.run_table(open_file(OnDisk::of(file)?, &columns)?, &mut found)
        }
        Kind::Parquet => {
            comparison.run_table(Register::open(OnDisk::of(file)?, &columns)?, &mut found)
        }
    }?;
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
