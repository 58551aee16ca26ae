//! `backstop clock`: moves a demonstration's clock.

use chrono::Duration;
use clap::Subcommand;

use crate::{
    control::{self, Advance, Now},
    folder::{DataFolder, Run},
};

/// What to do with the clock.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Moves the clock forward.
    #[command(after_help = "Example:\n  backstop clock advance 8d\n  backstop clock advance 90m")]
    Advance {
        /// How far: a number and one of d, h, m.
        #[arg(value_parser = duration)]
        by: Duration,
    },
    /// Shows what the clock says.
    #[command(after_help = "Example:\n  backstop clock show")]
    Show,
}

pub(crate) async fn run(folder: &DataFolder, command: Command) -> anyhow::Result<()> {
    let run = folder.running()?;
    let now = match command {
        Command::Advance { by } => advance(&run, by).await?,
        Command::Show => {
            control::send(&run, "/clock", None::<&()>)
                .await?
                .json()
                .await?
        }
    };
    println!(
        "{}  (day of the county: {})",
        now.now.to_rfc3339(),
        kernel::local_date(now.now)
    );
    Ok(())
}

pub(crate) async fn advance(run: &Run, by: Duration) -> anyhow::Result<Now> {
    let request = Advance {
        seconds: by.num_seconds(),
    };
    Ok(control::send(run, "/clock/advance", Some(&request))
        .await?
        .json()
        .await?)
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a number and one of d, h, m, e.g. 8d";
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or(expected)?;
    // Ten years at most: a demonstration, not the end of time.
    let number: i64 = number
        .parse()
        .ok()
        .filter(|n| (1..=5_300_000).contains(n))
        .ok_or(expected)?;
    let by = match unit {
        "d" => Duration::try_days(number),
        "h" => Duration::try_hours(number),
        "m" => Duration::try_minutes(number),
        _ => None,
    };
    by.filter(|by| by.num_days() <= 3660)
        .ok_or_else(|| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(duration("8d"), Ok(Duration::days(8)));
        assert_eq!(duration("90m"), Ok(Duration::minutes(90)));
        for bad in ["", "d", "8", "-8d", "8天", "0d", "99999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
