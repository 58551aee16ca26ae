//! `backstop import`: sends household sheets through the gateway's front door.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chassis::clock::Clock;
use clap::Args;
use kernel::{DivisionCode, Role};
use serde_json::Value;
use tokio::{fs::File, io::AsyncReadExt};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    folder::{DataFolder, Run},
    issuer::{Account, Issuer},
    screen,
};

/// Bad rows that are shown; the report of the import holds up to 1 000.
const ROWS_SHOWN: usize = 20;

/// What to import, and as whom.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Options {
    /// Sheets, .xlsx or .csv.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The county, or the township or village whose households these are.
    #[arg(long, env = "BACKSTOP_COUNTY", default_value = "999999000000")]
    division: DivisionCode,
}

pub(crate) async fn run(folder: &DataFolder, options: Options) -> anyhow::Result<()> {
    let run = folder.running()?;
    let account = Account::new(Role::CountyOfficer, options.division);
    let token = Issuer::open(folder.path())?.mint(&account)?;
    let mut refused = 0;
    for file in &options.files {
        let report = upload(&run, &token, file).await?;
        refused += show(file, &report);
    }
    anyhow::ensure!(
        refused == 0,
        "{refused} rows were refused and are not stored"
    );
    Ok(())
}

/// Streams a file up; the memory used does not grow with it.
async fn upload(run: &Run, token: &str, path: &Path) -> anyhow::Result<Value> {
    let unreadable = || format!("cannot read {}", path.display());
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .with_context(unreadable)?;
    let mut file = File::open(path).await.with_context(unreadable)?;
    let len = file.metadata().await?.len();
    let bar = screen::bar(len, name.to_owned());
    let (chunks, queue) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(4);
    let reading = async {
        loop {
            let mut chunk = Vec::with_capacity(64 * 1024);
            let read = file.read_buf(&mut chunk).await;
            let ended = !matches!(read, Ok(1..));
            if read.as_ref().is_ok_and(|&len| len == 0) {
                break;
            }
            bar.inc(chunk.len() as u64);
            if chunks.send(read.map(|_| chunk)).await.is_err() || ended {
                break;
            }
        }
        drop(chunks);
    };
    let url = format!("http://{}/files/households", run.http);
    let sending = reqwest::Client::new()
        .put(reqwest::Url::parse_with_params(&url, [("fileName", name)])?)
        .bearer_auth(token)
        .header("idempotency-key", Clock::system().new_id().to_string())
        .body(reqwest::Body::wrap_stream(ReceiverStream::new(queue)))
        .send();
    let ((), answer) = tokio::join!(reading, sending);
    bar.finish_and_clear();
    let answer = answer.context("the running backstop does not answer")?;
    let (status, report): (_, Value) = (answer.status(), answer.json().await?);
    anyhow::ensure!(status.is_success(), "{name}: {status} {report}");
    Ok(report)
}

/// Shows a report and returns the number of refused rows.
fn show(path: &Path, report: &Value) -> i64 {
    let count = |field: &str| report[field].as_i64().unwrap_or_default();
    println!(
        "{}: {} rows, {} households new, {} changed, {} unchanged, {} rows refused",
        path.display(),
        count("rowsRead"),
        count("householdsCreated"),
        count("householdsUpdated"),
        count("householdsUnchanged"),
        count("rowsRefused"),
    );
    let errors = report["errors"].as_array().map_or(&[][..], Vec::as_slice);
    for error in errors.iter().take(ROWS_SHOWN) {
        let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        let row = error["row"].as_i64().unwrap_or_default();
        println!("  row {row}  {}  {}", text("column"), text("reason"));
    }
    count("rowsRefused")
}
