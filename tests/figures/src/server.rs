//! The private PostgreSQL server that `tests/bench` has started.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use sqlx::PgConnection;

use crate::measure;

/// Where its programs and its log are.
#[derive(Debug)]
pub struct Server {
    /// Folder of `pgbench`.
    pub programs: PathBuf,
    log: PathBuf,
    postmaster: u32,
}

impl Server {
    pub async fn of(connection: &mut PgConnection) -> anyhow::Result<Self> {
        let variable = |name: &str| {
            let value = std::env::var_os(name).map(PathBuf::from);
            value.with_context(|| format!("{name} is not set; tests/bench sets it"))
        };
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()")
            .fetch_one(connection)
            .await?;
        Ok(Self {
            programs: variable("BACKSTOP_BENCH_POSTGRES_BIN")?,
            log: variable("BACKSTOP_BENCH_POSTGRES_LOG")?,
            postmaster: measure::parent_of(u32::try_from(backend)?)?,
        })
    }

    /// CPU time of all its processes.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        measure::of_postgres(self.postmaster)
    }

    /// Where its log ends now.
    pub fn log_end(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(&self.log)?.len())
    }

    /// What it has logged since.
    pub fn log_from(&self, start: u64) -> anyhow::Result<String> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(start))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }
}
