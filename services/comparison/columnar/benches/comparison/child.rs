//! Processes that are measured, one at a time.

use std::{process::Command, time::Instant};

use anyhow::{Context as _, ensure};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use serde_json::Value;

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    pub cpu_s: f64,
    pub wall_s: f64,
}

/// CPU time of all children that have ended.
fn children_cpu_s() -> anyhow::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(us as f64 / 1e6)
}

/// Runs a program to its end and tells what it printed.
pub fn run(command: &mut Command) -> anyhow::Result<(String, Took)> {
    let (cpu_s, begin) = (children_cpu_s()?, Instant::now());
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let took = Took {
        wall_s: begin.elapsed().as_secs_f64(),
        cpu_s: children_cpu_s()? - cpu_s,
    };
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok((String::from_utf8(output.stdout)?, took))
}

/// The same for a program that prints JSON. One that tells times of its own has started before them.
pub fn answer(command: &mut Command) -> anyhow::Result<(Value, Took)> {
    let (printed, mut took) = run(command)?;
    let printed: Value = serde_json::from_str(&printed).context("JSON")?;
    if let (Some(cpu_s), Some(wall_s)) = (printed["cpu_s"].as_f64(), printed["wall_s"].as_f64()) {
        took = Took { cpu_s, wall_s };
    }
    Ok((printed, took))
}
