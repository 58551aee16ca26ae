//! `backstop check`: whether a case file is unaltered, offline. It needs no database, no network and no
//! secret, only the log's public key.

use std::{fs, path::PathBuf};

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::tlog::{Entry, Extract, LogVerifier};
use clap::Args;
use prost::Message;
use proto::workflow::v1::CaseEvent;

/// A case of fifty events has some 200 KB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What to check.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Options {
    /// The case file: `json` of the query `caseFile`.
    file: PathBuf,
    /// Public key of the log, from the county's publication and not from the file's sender.
    #[arg(long)]
    key: LogVerifier,
    /// The verify code printed on the case's papers: shows that no event was left out at the end.
    #[arg(long)]
    code: Option<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read {}", options.file.display());
    let len = fs::metadata(&options.file).with_context(unreadable)?.len();
    ensure!(
        len <= FILE_BYTES_MAX,
        "{} is too large for a case file",
        options.file.display()
    );
    let text = fs::read(&options.file).with_context(unreadable)?;
    let extract: Extract = serde_json::from_slice(&text).context("this is no case file")?;
    let checked = match extract.check(&options.key) {
        Ok(checked) => checked,
        Err(flaws) => {
            for flaw in &flaws {
                println!("{flaw}");
            }
            bail!("the case file was altered");
        }
    };
    let mut gaps = 0;
    let mut version = 0;
    for item in &extract.items {
        let event = event(item)?;
        let place = format!("{:>9}  {}  {}", item.position, item.recorded_at, item.kind);
        match event {
            Some(event) => {
                let of = event.case.map_or(0, |case| case.version);
                if of != version + 1 {
                    println!(
                        "before event {}: {} events are left out",
                        item.position,
                        of - version - 1
                    );
                    gaps += 1;
                }
                version = of;
                println!("{place}  {}", event.actor);
            }
            None => {
                version += 1;
                println!("{place}  (its content is not in the file)");
            }
        }
    }
    ensure!(gaps == 0, "events of the case are left out");
    let code = |text: &str| text.replace(['-', ' '], "").to_uppercase();
    if let Some(printed) = &options.code {
        ensure!(
            code(printed) == code(&checked.code),
            "the code is another file's: events were left out or added since it was printed"
        );
    }
    for position in &checked.unopened {
        println!(
            "event {position}: its content cannot be checked offline; the rest of it is unaltered"
        );
    }
    println!(
        "unaltered: {} events of case {}, all in the log of {} rows\nverify code {}",
        extract.items.len(),
        extract.subject,
        checked.checkpoint.size,
        checked.code
    );
    Ok(())
}

fn event(item: &Entry) -> anyhow::Result<Option<CaseEvent>> {
    let Some(payload) = &item.payload else {
        return Ok(None);
    };
    let payload = BASE64_STANDARD.decode(payload)?;
    let event = CaseEvent::decode(&payload[..]);
    Ok(Some(event.with_context(|| {
        format!("event {} is of no case", item.position)
    })?))
}
