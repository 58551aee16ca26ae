//! The scan of deadlines: what it reads, and that it costs no more where more cases are open.

use anyhow::{Context, ensure};
use chassis::clock::Clock;
use chrono::{Duration, NaiveDate};
use sqlx::PgConnection;
use workflow::deadlines;

use crate::{
    Extent,
    county::{self, COUNTY, County, Sample},
    figure::{Target, note},
    measure::{median, of_thread},
    server::Server,
};

/// Cases that are due on a day.
const DUE: u64 = 100;
const OPEN: u64 = 100_000;
/// Days between those on which cases are due: with holidays between, still more than [`FORGOTTEN`].
const APART: i64 = 20;
/// After these days everything has been told of a case that was due: the warning, orange and red.
const FORGOTTEN: Duration = Duration::days(8);
/// The peer has this many open cases.
const FEW: u64 = 1_000;
/// Looks at a day on which nobody is due, in one measurement.
const LOOKS: u32 = 20;
/// Such measurements after each day: they are short, and what else the machine does is not.
const TURNS: usize = 5;

pub async fn run(extent: Extent) -> anyhow::Result<()> {
    let pairs = extent.pick(5, 9);
    note(&format!(
        "deadlines: {OPEN} open cases, {DUE} due; beside {FEW} open cases"
    ));
    let mut many = Deadlines::open(OPEN, pairs + 1).await?;
    let mut few = Deadlines::open(FEW, pairs + 1).await?;

    let server = Server::of(&mut many.owner).await?;
    let read = many.rows_read(many.days[0]).await?;
    super::print(
        "deadlines_rows_read",
        "rows",
        read,
        Some(DUE as f64),
        Target::AtMost(3.0),
    );
    // What was due is cleaned away on the first look after.
    many.rows_read(many.days[0]).await?;
    let read = many.rows_read(many.days[0]).await?;
    super::print(
        "deadlines_rows_read_idle",
        "rows",
        read,
        None,
        Target::AtMost(0.0),
    );
    few.told(&server, few.days[0]).await?;

    let (mut told, mut idle) = (Pairs::default(), Pairs::default());
    for pair in 1..=pairs {
        told.ours.push(many.told(&server, many.days[pair]).await?);
        told.peers.push(few.told(&server, few.days[pair]).await?);
        for _ in 0..TURNS {
            idle.ours.push(many.idle(&server, many.days[pair]).await?);
            idle.peers.push(few.idle(&server, few.days[pair]).await?);
        }
    }
    told.print("deadlines_due");
    idle.print("deadlines_idle");
    for county in [many.county, few.county] {
        if extent == Extent::Full {
            county::verified(&county).await?;
        }
        county.close().await;
    }
    Ok(())
}

#[derive(Default)]
struct Pairs {
    ours: Vec<f64>,
    peers: Vec<f64>,
}

impl Pairs {
    fn print(self, figure: &'static str) {
        let peer = Some(median(self.peers));
        super::print(figure, "ms", median(self.ours), peer, Target::AtMost(3.0));
    }
}

/// Open cases of which some are due day after day.
struct Deadlines {
    county: County,
    /// One for all: a connection that ends is counted less exactly.
    owner: PgConnection,
    /// On each of these [`DUE`] cases are.
    days: Vec<NaiveDate>,
}

impl Deadlines {
    async fn open(cases: u64, days: usize) -> anyhow::Result<Self> {
        let mut county = County::some_days_ago(APART * (days as i64 + 2)).await?;
        let mut samples: Vec<(NaiveDate, Sample)> = Vec::new();
        while samples.len() < days + 1 {
            let sample = county.declared().await?;
            let day = sample.alarm_on.context("a limit")?;
            let last = samples.last();
            let is_apart = last.is_none_or(|(last, _)| day - *last > FORGOTTEN);
            ensure!(is_apart, "days on which cases are due are too near");
            samples.push((day, sample));
            county.shift.advance(Duration::days(APART));
        }
        let (_, later) = samples.pop().context("a day")?;
        // Each sample is a case itself.
        let mut at = samples.len() as u64 + 1;
        for (_, sample) in &samples {
            sample.copy(&county, at..at + DUE - 1).await?;
            at += DUE - 1;
        }
        later.copy(&county, at..cases).await?;
        county::settle(&mut county).await?;
        Ok(Self {
            owner: county.test.owner().await,
            county,
            days: samples.iter().map(|(day, _)| *day).collect(),
        })
    }

    /// Milliseconds of CPU time to tell of everything that is due on a day.
    async fn told(&mut self, server: &Server, day: NaiveDate) -> anyhow::Result<f64> {
        // Those of before turn orange and red meanwhile.
        self.tell(day.pred_opt().context("a day before")?).await?;
        let before = self.alarms().await?;
        let spent = self.spent(server, day, 1).await?;
        let told = self.alarms().await? - before;
        ensure!(
            told == DUE as i64,
            "{told} cases were told of on {day}, {DUE} are due"
        );
        Ok(spent)
    }

    /// The same of a look on a day of which everything was told.
    async fn idle(&mut self, server: &Server, day: NaiveDate) -> anyhow::Result<f64> {
        let before = self.alarms().await?;
        let spent = self.spent(server, day, LOOKS).await?;
        ensure!(self.alarms().await? == before, "something was told twice");
        Ok(spent)
    }

    /// Milliseconds of CPU time of a look, ours and the server's.
    async fn spent(&self, server: &Server, day: NaiveDate, looks: u32) -> anyhow::Result<f64> {
        // Reading the server's takes time of our own.
        let (servers, own) = (server.cpu()?, of_thread()?);
        for _ in 0..looks {
            self.tell(day).await?;
        }
        let own = of_thread()? - own;
        let spent = own + server.cpu()?.saturating_sub(servers);
        Ok(spent.as_secs_f64() * 1000.0 / f64::from(looks))
    }

    async fn tell(&self, day: NaiveDate) -> anyhow::Result<()> {
        deadlines::tell(&self.county.database, COUNTY.parse()?, day).await?;
        Ok(())
    }

    /// Alarms on the record.
    async fn alarms(&mut self) -> anyhow::Result<i64> {
        let alarms = "select count(*) from workflow.feed where kind = 'case.alarm_raised'";
        Ok(sqlx::query_scalar(alarms)
            .fetch_one(&mut self.owner)
            .await?)
    }

    /// Rows and index entries of cases that are read to tell of a day, without those by which a case
    /// that is told of is found again by its id.
    async fn rows_read(&mut self, day: NaiveDate) -> anyhow::Result<f64> {
        let before = read_so_far(&mut self.owner).await?;
        let left = county::connections(&mut self.owner).await?;
        // A connection of its own: what it has read is known for sure when it has ended.
        let database = county::connect(&self.county.test.config, &Clock::system()).await?;
        deadlines::tell(&database, COUNTY.parse()?, day).await?;
        county::disconnect(&mut self.owner, &database, left).await?;
        Ok((read_so_far(&mut self.owner).await? - before) as f64)
    }
}

async fn read_so_far(owner: &mut PgConnection) -> anyhow::Result<i64> {
    let read = sqlx::query_scalar(
        "select (select sum(idx_tup_read) from pg_stat_user_indexes
                 where schemaname = 'workflow' and relname = 'cases'
                   and indexrelname <> 'cases_pkey')::bigint
              + (select seq_tup_read from pg_stat_user_tables
                 where schemaname = 'workflow' and relname = 'cases')",
    )
    .fetch_one(owner)
    .await?;
    Ok(read)
}
