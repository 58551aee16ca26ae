//! `backstop witness`: for a partner agency or the discipline inspection office. It remembers what it saw
//! of a county's ledger, looks whether the ledger goes on from there, and signs that it does. It needs no
//! database and trusts nothing but the log's public key.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::{
    clock::Clock,
    lifecycle::signal,
    merkle::Hash,
    tlog::{Checkpoint, Cosigner, Distrust, LogVerifier, NotGenuine, examine},
};
use clap::Args;

use crate::folder::{secret, write_private};

/// A checkpoint with a hundred cosignatures, or a proof, is below.
const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// RFC 6962 proofs of any log are shorter.
const PROOF_MAX: usize = 63;
const TIMEOUT: Duration = Duration::from_secs(15);

/// Which log to watch, and as whom.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Options {
    /// Where the log is served, e.g. https://county.example/log.
    #[arg(long)]
    log: String,
    /// Public key of the log, got from the county on paper and not from the log.
    #[arg(long)]
    key: LogVerifier,
    /// Name of this witness, e.g. discipline.example/w1.
    #[arg(long)]
    name: String,
    /// What was seen last; made on the first look. Keep it: it is the evidence.
    #[arg(long, default_value = "witness.checkpoint")]
    state: PathBuf,
    /// Private key of this witness; made on the first look.
    #[arg(long, default_value = "witness.key")]
    signing_key: PathBuf,
    /// Seconds from one look to the next; looks once when left out.
    #[arg(long)]
    every: Option<u64>,
}

/// What came of a look.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    First,
    Goes { from: u64 },
    Same,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let key = secret(&options.signing_key)?;
    let key = key
        .parse()
        .with_context(|| options.signing_key.display().to_string())?;
    let cosigner = Cosigner::new(&options.name, &key).context("--name")?;
    // Two at once could both find what they remember and sign two histories.
    let lock = File::open(&options.signing_key)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another witness uses {}", options.signing_key.display())
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    eprintln!("witness {}", cosigner.verifier());
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    loop {
        match look(&client, &options, &cosigner).await {
            Ok((shown, seen)) => println!("{}", told(&shown, &seen)),
            Err(error) if options.every.is_none() || is_distrust(&error) => return Err(error),
            // A line that is down is no lie; the next look shows more.
            Err(error) => eprintln!("backstop: {error:#}"),
        }
        let Some(seconds) = options.every else {
            return Ok(());
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds.max(1))) => {}
            () = signal() => return Ok(()),
        }
    }
}

/// Whether it speaks against the log, and not against the line.
fn is_distrust(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<Distrust>() || cause.is::<NotGenuine>())
}

fn told(shown: &Checkpoint, seen: &Seen) -> String {
    let root = chassis::tlog::hex(&shown.root);
    match seen {
        Seen::First => format!("first look: {} rows, root {root}; cosigned", shown.size),
        Seen::Goes { from } => {
            format!(
                "{} rows go on from {from}, root {root}; cosigned",
                shown.size
            )
        }
        Seen::Same => format!("{} rows, nothing new", shown.size),
    }
}

async fn look(
    client: &reqwest::Client,
    options: &Options,
    cosigner: &Cosigner,
) -> anyhow::Result<(Checkpoint, Seen)> {
    let before = remembered(&options.state, &options.key)?;
    let log = options.log.trim_end_matches('/');
    let note = fetch(client.get(format!("{log}/checkpoint"))).await?;
    let shown = options.key.open(&note).context("the log's checkpoint")?;
    if let Some(before) = &before {
        let mut proof = Vec::new();
        if (1..shown.size).contains(&before.size) {
            let url = format!("{log}/consistency/{}/{}", before.size, shown.size);
            proof = hashes(&fetch(client.get(url)).await?)?;
        }
        if let Err(distrust) = examine(before, &shown, &proof) {
            let kept = options.state.with_extension("rejected");
            write_private(&kept, note.as_bytes())?;
            let told = format!(
                "not cosigned; what was seen is in {}, what the log shows now in {}",
                options.state.display(),
                kept.display()
            );
            return Err(anyhow::Error::new(distrust).context(told));
        }
    }
    if cosigner.verifier().open(&note)?.is_some() {
        if before.is_none() {
            write_private(&options.state, note.as_bytes())?;
        }
        return Ok((shown, Seen::Same));
    }
    let line = cosigner.cosign(&note, Clock::system().now())?;
    let cosigned = format!("{note}{line}");
    // Remembered before anybody hears of it: whoever has the signature can hold this witness to it.
    write_private(&options.state, cosigned.as_bytes())?;
    let post = client.post(format!("{log}/cosignatures")).body(cosigned);
    fetch(post)
        .await
        .context("the log does not take the cosignature")?;
    let seen = before.map_or(Seen::First, |before| Seen::Goes { from: before.size });
    Ok((shown, seen))
}

/// What was seen last; nothing on the first look.
fn remembered(state: &Path, key: &LogVerifier) -> anyhow::Result<Option<Checkpoint>> {
    match fs::read_to_string(state) {
        Ok(note) => {
            let seen = key.open(&note);
            // Not `NotGenuine` of the log: it is this file that is wrong.
            let seen = seen.map_err(|error| anyhow::anyhow!("{}: {error}", state.display()))?;
            Ok(Some(seen))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", state.display())),
    }
}

/// An answer, as text of bounded length.
pub(crate) async fn fetch(request: reqwest::RequestBuilder) -> anyhow::Result<String> {
    let mut answer = request.send().await.context("the log does not answer")?;
    let (status, url) = (answer.status(), answer.url().clone());
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        body.extend_from_slice(&piece);
        ensure!(body.len() <= ANSWER_BYTES_MAX, "{url} answers without end");
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    ensure!(status.is_success(), "{url} answers {status}: {text}");
    Ok(text)
}

fn hashes(text: &str) -> anyhow::Result<Vec<Hash>> {
    let lines: Vec<&str> = text.lines().take(PROOF_MAX + 1).collect();
    ensure!(
        lines.len() <= PROOF_MAX,
        "the consistency proof is too long"
    );
    let hash = |line: &str| BASE64_STANDARD.decode(line).ok()?.try_into().ok();
    let hashes: Option<Vec<Hash>> = lines.into_iter().map(hash).collect();
    hashes.context("the consistency proof does not read")
}
