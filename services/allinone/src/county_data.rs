//! `backstop export-data` and `backstop import-data`: everything of a county as files, out of one
//! PostgreSQL and into another, with a proof that both are equal.
//!
//! Each table is a file in PostgreSQL's own text format, so that nothing is translated. A manifest
//! has the number of rows of each and the sum of their hashes, which is the same in whatever order
//! rows come; the import computes both again from what it has stored, before it commits.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use chassis::pg::SNAPSHOT;
use clap::Args;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::{
    databases::{self, Databases, Door, SocketFolder},
    folder::DataFolder,
    platform::{self, SERVICES},
    screen::Steps,
};

const MANIFEST: &str = "manifest.json";
const EVIDENCE: &str = "evidence";
/// A user from whom rows are hidden is refused in place of copying a part.
const SEES_ALL: &str = "set local row_security = off";
/// Pieces in which a file is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// Where the files are.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Options {
    /// Folder of the exported files; a new one for an export.
    files: PathBuf,
    #[command(flatten)]
    databases: databases::Options,
}

/// What was exported.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Manifest {
    /// Tables of each service.
    services: BTreeMap<String, Vec<Table>>,
    /// Newest migration of each service: both sides have to have the same.
    migrations: BTreeMap<String, i64>,
}

/// A table, in an order in which rows find what they refer to.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Table {
    name: String,
    columns: Vec<String>,
    content: Content,
}

/// What a table holds, whatever the order of its rows.
#[derive(Debug, Default, Clone, Serialize, Deserialize, PartialEq, Eq)]
struct Content {
    rows: u64,
    /// SHA-256 of every row, summed modulo 2^256; 64 hex digits.
    sum: String,
}

pub(crate) async fn export(folder: &DataFolder, options: Options) -> anyhow::Result<()> {
    let target = &options.files;
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    let is_empty = fs::read_dir(target)?.next().is_none();
    ensure!(is_empty, "{} is not empty", target.display());
    let (mut sides, databases, _lock, steps) = open(folder, &options.databases).await?;
    let exported = async {
        let mut manifest = Manifest {
            services: BTreeMap::new(),
            migrations: BTreeMap::new(),
        };
        for side in &mut sides {
            side.connection.execute(SNAPSHOT).await?;
            side.connection.execute(SEES_ALL).await?;
            for service in &side.services {
                steps.step(format!("exporting {service}"));
                let newest = newest_migration(&mut side.connection, service).await?;
                manifest.migrations.insert((*service).to_owned(), newest);
                let below = target.join(service);
                fs::create_dir_all(&below)?;
                let mut tables = tables(&mut side.connection, service).await?;
                for table in &mut tables {
                    let file = File::create(file_of(&below, table))?;
                    let mut file = BufWriter::new(file);
                    let out = copy_out(&mut side.connection, service, table, &mut file).await;
                    table.content = out.with_context(|| format!("{service}.{}", table.name))?;
                    file.flush()?;
                }
                manifest.services.insert((*service).to_owned(), tables);
            }
            side.connection.execute("commit").await?;
        }
        anyhow::Ok(manifest)
    };
    let exported = exported.await;
    close(sides, databases).await;
    let manifest = exported?;
    let papers = copy_papers(&folder.evidence(), &target.join(EVIDENCE))?;
    // Last: a folder without it is no export.
    fs::write(target.join(MANIFEST), serde_json::to_vec_pretty(&manifest)?)?;
    drop(steps);
    println!("{} rows and {papers} papers exported", manifest.rows());
    Ok(())
}

pub(crate) async fn import(folder: &DataFolder, options: Options) -> anyhow::Result<()> {
    let source = &options.files;
    let manifest = fs::read(source.join(MANIFEST))
        .with_context(|| format!("{} has no whole export", source.display()))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context(MANIFEST)?;
    let (mut sides, databases, _lock, steps) = open(folder, &options.databases).await?;
    let imported = async {
        for side in &mut sides {
            side.connection.execute("begin").await?;
            side.connection.execute(SEES_ALL).await?;
            for service in &side.services {
                steps.step(format!("importing {service}"));
                let tables = manifest.services.get(*service);
                let tables = tables.with_context(|| format!("the export has no {service}"))?;
                let newest = newest_migration(&mut side.connection, service).await?;
                let exported = manifest.migrations.get(*service).copied();
                ensure!(
                    exported == Some(newest),
                    "{service} was exported by a program with migration {exported:?}, this one has \
                     {newest}: use the same version for both"
                );
                take_in(&mut side.connection, service, tables, &source.join(service)).await?;
            }
        }
        // Everything is there and equal: from here on nothing is left to go wrong but the commits.
        for side in &mut sides {
            side.connection.execute("commit").await?;
        }
        anyhow::Ok(())
    };
    let imported = imported.await;
    close(sides, databases).await;
    imported?;
    let papers = copy_papers(&source.join(EVIDENCE), &folder.evidence())?;
    drop(steps);
    println!(
        "{} rows and {papers} papers imported, each table equal to what was exported",
        manifest.rows()
    );
    Ok(())
}

impl Manifest {
    fn rows(&self) -> u64 {
        let tables = self.services.values().flatten();
        tables.map(|table| table.content.rows).sum()
    }
}

/// A connection, and the services whose schemas it reaches: all of them on one PostgreSQL, in one
/// transaction; one each where they are embedded.
struct Side {
    services: Vec<&'static str>,
    connection: PgConnection,
    _door: Door,
}

type Opened = (Vec<Side>, Databases, Option<crate::folder::Lock>, Steps);

/// Opens the databases, at this program's version. Nobody else may be using an embedded one.
async fn open(folder: &DataFolder, options: &databases::Options) -> anyhow::Result<Opened> {
    let lock = match &options.database_url {
        None => Some(folder.lock()?),
        Some(_) => None,
    };
    let steps = Steps::new();
    let sockets = SocketFolder::new()?;
    let databases = Databases::open(folder.path(), &sockets, options, |service| {
        steps.step(format!("starting PostgreSQL of {service}"));
    });
    let databases = databases.await?;
    platform::migrate(&databases, |part| steps.step(format!("migrating {part}"))).await?;
    let parts: Vec<Vec<&'static str>> = match databases {
        Databases::External { .. } => vec![SERVICES.to_vec()],
        Databases::Embedded { .. } => SERVICES.iter().map(|service| vec![*service]).collect(),
    };
    let mut sides = Vec::new();
    for services in parts {
        let door = databases.operator(services[0]).await?;
        let connection = PgConnection::connect(&door.url).await?;
        sides.push(Side {
            services,
            connection,
            _door: door,
        });
    }
    Ok((sides, databases, lock, steps))
}

async fn close(sides: Vec<Side>, databases: Databases) {
    for side in sides {
        // A transaction that was not committed ends with its connection.
        let _ = side.connection.close().await;
    }
    databases.close().await;
}

async fn newest_migration(connection: &mut PgConnection, service: &str) -> anyhow::Result<i64> {
    let newest = format!("select max(version) from {service}._sqlx_migrations");
    let newest: Option<i64> = sqlx::query_scalar(AssertSqlSafe(newest))
        .fetch_one(connection)
        .await?;
    Ok(newest.unwrap_or_default())
}

/// The tables of a service with their columns; first those that no other has to be filled before.
async fn tables(connection: &mut PgConnection, service: &str) -> anyhow::Result<Vec<Table>> {
    let found = sqlx::query(
        "select c.relname as name,
                array(select a.attname::text from pg_attribute a
                      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                        and a.attgenerated = '' order by a.attnum) as columns,
                array(select distinct f.confrelid::regclass::oid::int8 from pg_constraint f
                      where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid)
                    as needs,
                c.oid::int8 as id
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relkind = 'r' and c.relname <> '_sqlx_migrations'
         order by c.relname",
    )
    .bind(service)
    .fetch_all(connection)
    .await?;
    let mut waiting = Vec::new();
    for row in found {
        let table = Table {
            name: row.try_get("name")?,
            columns: row.try_get("columns")?,
            content: Content::default(),
        };
        let needs: Vec<i64> = row.try_get("needs")?;
        waiting.push((row.try_get::<i64, _>("id")?, needs, table));
    }
    let (mut there, mut ordered) = (Vec::new(), Vec::new());
    while !waiting.is_empty() {
        let ready =
            |(_, needs, _): &(i64, Vec<i64>, Table)| needs.iter().all(|n| there.contains(n));
        let Some(at) = waiting.iter().position(ready) else {
            bail!("tables of {service} refer to each other in a circle");
        };
        let (id, _, table) = waiting.remove(at);
        there.push(id);
        ordered.push(table);
    }
    Ok(ordered)
}

fn file_of(folder: &Path, table: &Table) -> PathBuf {
    folder.join(&table.name).with_extension("copy")
}

fn named(service: &str, table: &Table) -> String {
    let columns = table.columns.iter().map(|column| format!("\"{column}\""));
    let columns: Vec<_> = columns.collect();
    format!("{service}.\"{}\" ({})", table.name, columns.join(", "))
}

/// Writes the rows of a table to `file`, and says what they are.
async fn copy_out(
    connection: &mut PgConnection,
    service: &str,
    table: &Table,
    file: &mut impl Write,
) -> anyhow::Result<Content> {
    let copy = format!("copy {} to stdout", named(service, table));
    let mut pieces = connection.copy_out_raw(&copy).await?;
    let mut rows = Rows::default();
    while let Some(piece) = pieces.try_next().await? {
        rows.add(&piece);
        file.write_all(&piece)?;
    }
    rows.finish()
}

/// Fills the empty tables of a service from their files and compares.
async fn take_in(
    connection: &mut PgConnection,
    service: &str,
    tables: &[Table],
    folder: &Path,
) -> anyhow::Result<()> {
    let own = self::tables(connection, service).await?;
    let shape = |tables: &[Table]| -> Vec<String> {
        let mut shape: Vec<_> = tables.iter().map(|table| named(service, table)).collect();
        shape.sort();
        shape
    };
    ensure!(
        shape(tables) == shape(&own),
        "the tables of {service} are others than those of the export"
    );
    let position = format!("select position from {service}.feed_head");
    let position: i64 = sqlx::query_scalar(AssertSqlSafe(position))
        .fetch_one(&mut *connection)
        .await?;
    ensure!(
        position == 0,
        "{service} has something already; an import needs a new database"
    );
    let names = own
        .iter()
        .map(|table| format!("{service}.\"{}\"", table.name));
    let empty = format!("truncate {}", names.collect::<Vec<_>>().join(", "));
    connection.execute(AssertSqlSafe(empty)).await?;
    for table in &own {
        let exported = tables.iter().find(|other| other.name == table.name);
        let exported = exported.context("compared before")?;
        let filled = fill(connection, service, table, &file_of(folder, table)).await;
        filled.with_context(|| format!("{service}.{}", table.name))?;
        let stored = copy_out(connection, service, table, &mut std::io::sink()).await?;
        ensure!(
            stored == exported.content,
            "{service}.{}: {} rows were stored that are not the {} of the export",
            table.name,
            stored.rows,
            exported.content.rows
        );
    }
    continue_numbers(connection, service).await
}

/// Numbers that the database gives go on behind those that are there.
async fn continue_numbers(connection: &mut PgConnection, service: &str) -> anyhow::Result<()> {
    let numbered = sqlx::query(
        "select c.relname::text as name, a.attname::text as number
         from pg_attribute a join pg_class c on c.oid = a.attrelid
         join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and a.attidentity <> ''",
    )
    .bind(service)
    .fetch_all(&mut *connection)
    .await?;
    for row in numbered {
        let (table, number): (String, String) = (row.try_get("name")?, row.try_get("number")?);
        let behind = format!(
            "select setval(pg_get_serial_sequence('{service}.{table}', '{number}'), \
                           coalesce(max({number}), 1)) from {service}.{table}"
        );
        connection.execute(AssertSqlSafe(behind)).await?;
    }
    Ok(())
}

async fn fill(
    connection: &mut PgConnection,
    service: &str,
    table: &Table,
    file: &Path,
) -> anyhow::Result<()> {
    let mut file = File::open(file)?;
    let copy = format!("copy {} from stdin", named(service, table));
    let mut sink = connection.copy_in_raw(&copy).await?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            sink.finish().await?;
            return Ok(());
        }
        sink.send(&piece[..read]).await?;
    }
}

/// Copies papers that are not there yet: their names are the hashes of what they hold.
fn copy_papers(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let mut copied = 0;
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = match fs::read_dir(from.join(&below)) {
            Ok(entries) => entries,
            // A county without a paper has no folder for them.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let target = to.join(&path);
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::copy(entry.path(), &target).with_context(|| target.display().to_string())?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// Adds up rows of PostgreSQL's text format, in which a line is a row.
#[derive(Default)]
struct Rows {
    begun: Vec<u8>,
    rows: u64,
    /// Least significant first.
    sum: [u64; 4],
}

impl Rows {
    fn add(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let hash = Sha256::digest(&self.begun);
                self.begun.clear();
                self.rows += 1;
                let mut carry = false;
                for (sum, term) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
                    let term = u64::from_le_bytes(term.try_into().unwrap_or_default());
                    (*sum, carry) = sum.carrying_add(term, carry);
                }
            }
        }
    }

    fn finish(self) -> anyhow::Result<Content> {
        ensure!(self.begun.is_empty(), "the last row has no end");
        let sum = self.sum.map(|part| hex::encode(part.to_le_bytes()));
        Ok(Content {
            rows: self.rows,
            sum: sum.concat(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&str]) -> Content {
        let mut rows = Rows::default();
        pieces.iter().for_each(|piece| rows.add(piece.as_bytes()));
        rows.finish().expect("whole rows")
    }

    #[test]
    fn rows_add_up_whatever_their_order_and_pieces() {
        let all = content(&["1\ta\n2\tb\n2\tb\n"]);
        assert_eq!(all.rows, 3);
        assert_eq!(content(&["2\tb\n1\t", "a", "\n2\tb\n"]), all);
        for other in ["1\ta\n2\tb\n", "1\ta\n2\tb\n1\ta\n", "1\tb\n2\ta\n2\tb\n"] {
            assert_ne!(content(&[other]), all, "{other}");
        }
        let mut cut = Rows::default();
        cut.add(b"1\ta\n2");
        assert!(cut.finish().is_err());
    }
}
