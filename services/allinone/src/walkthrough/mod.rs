//! `backstop walkthrough`: leads a household from its first lead to 风险消除, through GraphQL only.

mod narrator;
mod story;

use clap::Args;

use crate::{folder::DataFolder, issuer::Issuer};

/// How to tell it.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Options {
    /// Language of the gateway's sentences: zh-CN or en.
    #[arg(long, default_value = "en")]
    language: String,
}

/// Tells the story with a household of its own each time.
///
/// # Errors
/// Nothing runs, it is no demonstration, or a step does not go as the procedure says.
pub(crate) async fn run(folder: &DataFolder, options: Options) -> anyhow::Result<()> {
    let running = folder.running()?;
    anyhow::ensure!(
        folder.demo()?.is_some_and(|demo| demo.loaded),
        "the story needs the demonstration's county and clock: start it with `backstop up --demo`"
    );
    let issuer = Issuer::open(folder.path())?;
    let narrator = narrator::Narrator::new(running, issuer, options.language);
    story::tell(narrator).await
}
