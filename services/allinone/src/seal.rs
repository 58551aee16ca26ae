//! `backstop seal`: the day's last checkpoint of the ledger, to be printed in the township's document.

use anyhow::Context;
use chassis::clock::Clock;
use chrono::NaiveDate;
use clap::Args;

use crate::{folder::DataFolder, witness::fetch};

/// Which day, and of which log.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Options {
    /// The day, e.g. 2026-08-31; today when left out.
    day: Option<NaiveDate>,
    /// Where the log is served; that of the running `backstop up` when left out.
    #[arg(long)]
    log: Option<String>,
}

pub(crate) async fn run(
    folder: impl FnOnce() -> anyhow::Result<DataFolder>,
    options: Options,
) -> anyhow::Result<()> {
    let log = match options.log {
        Some(log) => log,
        None => format!("http://{}/log", folder()?.running()?.http),
    };
    let day = options.day.unwrap_or_else(|| Clock::system().today());
    let client = reqwest::Client::new();
    let url = format!("{}/seal/{day}", log.trim_end_matches('/'));
    let text = fetch(client.get(url)).await;
    print!("{}", text.with_context(|| format!("no seal of {day}"))?);
    Ok(())
}
