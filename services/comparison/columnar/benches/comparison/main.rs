//! The comparison beside DuckDB, Polars and `wc -l`: `tests/bench comparison [--quick]`. docs/benches.md
//! says what each figure means.

mod child;
mod figure;
mod files;
mod ours;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, bail, ensure};
use child::Took;
use figure::{median, note};
use ours::Task;
use serde_json::Value;

/// Ours and the peers in turn, so often.
const ROUNDS: usize = 9;
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/comparison");

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // `cargo bench` adds a flag of its own.
    let arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let arguments: Vec<String> = arguments.collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => bench(10_000_000),
        ["--quick"] => bench(1_000_000),
        // For a profiler: the files, and then a comparison of one of them.
        ["files", folder] => files::write(10_000_000, Path::new(folder)),
        ["parquet", folder] => {
            let path = PathBuf::from(folder);
            let python = peers(&cache()?)?;
            write_parquet(&ManuallyDrop::new(Folder { path, python }))
        }
        ["ours", task, file, persons, out, ref numbers @ ..] => {
            let task = Task::ALL
                .iter()
                .find(|(name, _)| *name == task)
                .context("a task")?;
            let path = Path::new;
            ours::run(
                task.1,
                path(file),
                path(persons),
                path(out),
                !numbers.is_empty(),
            )
        }
        _ => bail!("usage: tests/bench comparison [--quick]"),
    }
}

/// Files of a run.
struct Folder {
    path: PathBuf,
    python: PathBuf,
}

impl Folder {
    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn ours(&self, task: &str, file: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["ours", task]);
        command.args([self.at(file), self.at("persons.csv"), self.at("ours.csv")]);
        Ok(command)
    }

    fn peer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(format!("{SOURCES}/peers.py")).args(arguments);
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The next run makes it anew.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// What later runs find again.
fn cache() -> anyhow::Result<PathBuf> {
    let executable = std::env::current_exe()?;
    // target/release/deps/comparison-…
    let target = executable.ancestors().nth(3).context("a target folder")?;
    Ok(target.join("bench-cache"))
}

fn bench(rows: u64) -> anyhow::Result<()> {
    let cache = cache()?;
    let path = cache.join(format!("comparison-{}", std::process::id()));
    fs::create_dir_all(&path)?;
    let folder = Folder {
        path,
        python: peers(&cache)?,
    };
    note(&format!("{rows} rows, {} persons", files::AUTHORISED));
    files::write(rows, &folder.path)?;
    write_parquet(&folder)?;
    check(&folder)?;
    measure(&folder)
}

/// The clean rows in Parquet, as DuckDB writes it.
fn write_parquet(folder: &Folder) -> anyhow::Result<()> {
    let text = |name: &str| folder.at(name).display().to_string();
    let arguments = ["parquet", &text("clean.csv"), &text("clean.parquet")];
    child::run(&mut folder.peer(&arguments)).map(|_| ())
}

/// DuckDB and Polars in an environment of their own, which later runs find again.
fn peers(cache: &Path) -> anyhow::Result<PathBuf> {
    let environment = cache.join("peers");
    let python = environment.join("bin/python");
    let wanted = fs::read_to_string(format!("{SOURCES}/requirements.txt"))?;
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    note("installing DuckDB and Polars");
    child::run(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    child::run(install.arg(format!("{SOURCES}/requirements.txt")))?;
    fs::write(installed, wanted)?;
    Ok(python)
}

/// Our answers are DuckDB's, row for row; those to the same rows in GBK or in Parquet too.
fn check(folder: &Folder) -> anyhow::Result<()> {
    let text = |name: &str| folder.at(name).display().to_string();
    for (which, task, file) in [
        ("clean", "rows", "clean.csv"),
        ("clean", "rows", "clean.parquet"),
        ("dirty", "verdicts", "dirty.csv"),
        ("dirty", "verdicts", "gbk.csv"),
    ] {
        note(&format!("answers to {file}"));
        if !["gbk.csv", "clean.parquet"].contains(&file) {
            let file = text(file);
            let arguments = [
                "answers",
                which,
                &file,
                &text("persons.csv"),
                &text("peer.csv"),
            ];
            child::run(&mut folder.peer(&arguments))?;
        }
        child::run(folder.ours(task, file)?.arg("numbers"))?;
        let lines = |name| anyhow::Ok(BufReader::new(fs::File::open(folder.at(name))?).lines());
        let (mut ours, mut theirs) = (lines("ours.csv")?, lines("peer.csv")?);
        let mut count = 0u64;
        loop {
            let (ours, theirs) = (ours.next().transpose()?, theirs.next().transpose()?);
            ensure!(ours == theirs, "{file}: ours {ours:?}, DuckDB's {theirs:?}");
            if ours.is_none() {
                break;
            }
            count += 1;
        }
        note(&format!("{count} answers agree"));
    }
    Ok(())
}

/// Times of a program and its peers, in turn.
#[derive(Default)]
struct Times {
    ours: Vec<Took>,
    duckdb: Vec<Took>,
    polars: Vec<Took>,
    peaks: Vec<f64>,
}

fn cpu(took: &[Took]) -> f64 {
    median(took.iter().map(|took| took.cpu_s).collect())
}

fn wall(took: &[Took]) -> f64 {
    median(took.iter().map(|took| took.wall_s).collect())
}

fn measure(folder: &Folder) -> anyhow::Result<()> {
    let (mut wc, mut dirt) = (Vec::new(), Vec::new());
    let (mut text, mut parquet) = (Times::default(), Times::default());
    let path = |name: &str| folder.at(name).display().to_string();
    let persons = path("persons.csv");
    let mut sums: Vec<(Value, Value)> = Vec::new();
    let mut sum = |command: &mut Command| -> anyhow::Result<(Value, Took)> {
        let (printed, took) = child::answer(command)?;
        sums.push((printed["hits"].clone(), printed["amount_fen"].clone()));
        Ok((printed, took))
    };
    let of = |took: Took| format!("{:.2}/{:.2}", took.cpu_s, took.wall_s);
    // The first round only warms up.
    for round in 0..=ROUNDS {
        let floor = child::run(Command::new("wc").args(["-l", &path("clean.csv")]))?.1;
        for (file, times) in [("clean.csv", &mut text), ("clean.parquet", &mut parquet)] {
            let (printed, ours) = sum(&mut folder.ours("sum", file)?)?;
            let by_duckdb = sum(&mut folder.peer(&["duckdb", &path(file), &persons]))?;
            let by_polars = sum(&mut folder.peer(&["polars", &path(file), &persons]))?;
            let mib = |printed: &Value| printed["peak_kib"].as_f64().map(|kib| kib / 1024.0);
            note(&format!(
                "{file}: CPU/wall s: ours {}, DuckDB {} in {:.0} MiB, Polars {} in {:.0} MiB",
                of(ours),
                of(by_duckdb.1),
                mib(&by_duckdb.0).unwrap_or_default(),
                of(by_polars.1),
                mib(&by_polars.0).unwrap_or_default(),
            ));
            if round > 0 {
                times.ours.push(ours);
                times.duckdb.push(by_duckdb.1);
                times.polars.push(by_polars.1);
                times.peaks.push(mib(&printed).context("a peak")?);
            }
        }
        let (_, dirty) = child::answer(&mut folder.ours("verdicts", "gbk.csv")?)?;
        note(&format!("wc {}, dirt {}", of(floor), of(dirty)));
        if round > 0 {
            wc.push(floor);
            dirt.push(dirty);
        }
    }
    ensure!(
        sums.windows(2).all(|pair| pair[0] == pair[1]),
        "sums differ: {sums:?}"
    );
    let Times { ours, .. } = &text;
    let duckdb = Some(cpu(&text.duckdb));
    figure::print("cpu_vs_wc", "s", cpu(ours), Some(cpu(&wc)), 3.0);
    figure::print("cpu_vs_duckdb", "s", cpu(ours), duckdb, 0.2);
    figure::print(
        "cpu_vs_polars",
        "s",
        cpu(ours),
        Some(cpu(&text.polars)),
        0.2,
    );
    let duckdb = Some(wall(&text.duckdb));
    figure::print("wall_vs_duckdb", "s", wall(ours), duckdb, 0.25);
    figure::print("wall_vs_wc", "s", wall(ours), Some(wall(&wc)), 2.0);
    figure::print("peak_memory", "MiB", median(text.peaks.clone()), None, 16.0);
    figure::print("dirt_vs_clean", "s", cpu(&dirt), Some(cpu(ours)), 2.0);
    let Times { ours, .. } = &parquet;
    let (duckdb, polars) = (Some(cpu(&parquet.duckdb)), Some(cpu(&parquet.polars)));
    figure::print("parquet_cpu_vs_duckdb", "s", cpu(ours), duckdb, 0.5);
    figure::print("parquet_cpu_vs_polars", "s", cpu(ours), polars, 0.5);
    let duckdb = Some(wall(&parquet.duckdb));
    figure::print("parquet_wall_vs_duckdb", "s", wall(ours), duckdb, 0.5);
    figure::print(
        "parquet_peak_memory",
        "MiB",
        median(parquet.peaks.clone()),
        None,
        64.0,
    );
    Ok(())
}
