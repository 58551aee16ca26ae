//! Time, CPU time and what is made of many of them.

use std::{fs, time::Duration};

use anyhow::Context;

/// `USER_HZ`: what Linux counts CPU time in for everybody to read, on every architecture it runs on.
const TICK: Duration = Duration::from_millis(10);

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle > 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values.get(middle).copied().unwrap_or(f64::NAN),
    }
}

/// The value below which a share of all lies, e.g. 0.99.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * share) as usize;
    let at = at.min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// CPU time of this thread, to the nanosecond.
pub fn of_thread() -> anyhow::Result<Duration> {
    scheduled("/proc/thread-self")
}

/// CPU time of the threads of a process that runs, to the nanosecond.
pub fn of_process(pid: u32) -> anyhow::Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // One may end while the others are read.
        all += scheduled(&thread.path().display().to_string()).unwrap_or_default();
    }
    Ok(all)
}

fn scheduled(process: &str) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("{process}/schedstat")).context("schedstat")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// CPU time of the programs that this one has started and that have ended.
pub fn of_ended_children() -> anyhow::Result<Duration> {
    Ok(Stat::read(std::process::id())?.ended_children)
}

/// CPU time of a PostgreSQL server: all of its processes, also those that have ended.
pub fn of_postgres(postmaster: u32) -> anyhow::Result<Duration> {
    let mut all = of_process(postmaster)? + Stat::read(postmaster)?.ended_children;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if Stat::read(pid).is_ok_and(|stat| stat.parent == postmaster) {
            all += of_process(pid).unwrap_or_default();
        }
    }
    Ok(all)
}

/// The process that started a process.
pub fn parent_of(pid: u32) -> anyhow::Result<u32> {
    Ok(Stat::read(pid)?.parent)
}

/// The part of `/proc/PID/stat` that is of use here.
struct Stat {
    parent: u32,
    ended_children: Duration,
}

impl Stat {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name of the program stands in brackets and may hold anything; field 3 comes after it.
        let (_, rest) = text.rsplit_once(") ").context("a name in brackets")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let field = |number: usize| -> anyhow::Result<u32> {
            let text = fields.get(number - 3).context("a field is missing")?;
            Ok(text.parse()?)
        };
        Ok(Self {
            parent: field(4)?,
            ended_children: TICK * (field(16)? + field(17)?),
        })
    }
}
