//! The files that the sides exchange: a line that says what follows, and 32 bytes for each point.
//!
//! ```text
//! backstop-psi/1 question RUN ASKED
//! backstop-psi/1 answer RUN ASKED HELD
//! backstop-psi/1 secret RUN PERSONS SCALAR
//! ```
//!
//! A secret goes on with an ID number a line; it stays with the county and is read by nobody else.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail, ensure};
use curve25519_dalek::scalar::Scalar;
use kernel::IdNumber;
use uuid::Uuid;

use crate::{Answer, PERSONS_MAX, Point, Question, Secret};

const FORM: &str = "backstop-psi/1";
/// Longer than any first line.
const LINE_BYTES_MAX: u64 = 200;

/// Persons of a side: an ID number a line.
///
/// # Errors
/// The first line that is none, by its number and what is wrong with it.
pub fn read_persons(path: &Path) -> anyhow::Result<Vec<IdNumber>> {
    persons(open(path)?, 1).with_context(|| path.display().to_string())
}

/// Writes ID numbers, a line each, into a new file that only its owner reads.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_persons(path: &Path, persons: &[IdNumber]) -> anyhow::Result<()> {
    let mut file = create(path)?;
    for person in persons {
        writeln!(file, "{}", person.expose())?;
    }
    Ok(file.flush()?)
}

/// Reads what the county sends.
///
/// # Errors
/// The file is something else, or was cut off.
pub fn read_question(path: &Path) -> anyhow::Result<Question> {
    let (mut file, run, [asked]) = begin(path, "question")?;
    let asked = points(&mut file, asked)?;
    end(file)?;
    Ok(Question { run, asked })
}

/// Writes what the county sends.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_question(path: &Path, question: &Question) -> anyhow::Result<()> {
    let mut file = create(path)?;
    writeln!(
        file,
        "{FORM} question {} {}",
        question.run,
        question.asked.len()
    )?;
    file.write_all(question.asked.as_flattened())?;
    Ok(file.flush()?)
}

/// Reads what the department sends back.
///
/// # Errors
/// The file is something else, or was cut off.
pub fn read_answer(path: &Path) -> anyhow::Result<Answer> {
    let (mut file, run, [asked, held]) = begin(path, "answer")?;
    let asked = points(&mut file, asked)?;
    let held = points(&mut file, held)?;
    end(file)?;
    Ok(Answer { run, asked, held })
}

/// Writes what the department sends back.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_answer(path: &Path, answer: &Answer) -> anyhow::Result<()> {
    let mut file = create(path)?;
    let (asked, held) = (answer.asked.len(), answer.held.len());
    writeln!(file, "{FORM} answer {} {asked} {held}", answer.run)?;
    file.write_all(answer.asked.as_flattened())?;
    file.write_all(answer.held.as_flattened())?;
    Ok(file.flush()?)
}

/// Reads what the county has kept.
///
/// # Errors
/// The file is something else, or was cut off.
pub fn read_secret(path: &Path) -> anyhow::Result<Secret> {
    let mut file = open(path)?;
    let line = first_line(&mut file)?;
    let [FORM, "secret", run, count, scalar] = line.split(' ').collect::<Vec<_>>()[..] else {
        bail!("{} is no secret of a question", path.display());
    };
    let run = run.parse().context("the run")?;
    let count: usize = count.parse().context("the number of persons")?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(scalar, &mut bytes).context("the scalar")?;
    let scalar = Option::from(Scalar::from_canonical_bytes(bytes)).context("the scalar")?;
    let persons = persons(file, 2)?;
    ensure!(persons.len() == count, "the file was cut off");
    Ok(Secret {
        run,
        scalar,
        persons,
    })
}

/// Writes what the county keeps, for its owner only.
///
/// # Errors
/// The file is there already, or cannot be written.
pub fn write_secret(path: &Path, secret: &Secret) -> anyhow::Result<()> {
    let mut file = create(path)?;
    let scalar = hex::encode(secret.scalar.as_bytes());
    let (run, count) = (secret.run, secret.persons.len());
    writeln!(file, "{FORM} secret {run} {count} {scalar}")?;
    for person in &secret.persons {
        writeln!(file, "{}", person.expose())?;
    }
    Ok(file.flush()?)
}

fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(BufReader::new(file))
}

/// A new file: nothing is overwritten, and nobody else reads it.
fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    Ok(BufWriter::new(
        file.with_context(|| path.display().to_string())?,
    ))
}

fn first_line(file: &mut BufReader<File>) -> anyhow::Result<String> {
    let mut line = String::new();
    file.take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .context("no file of this program")?;
    Ok(line.trim_end().to_owned())
}

/// Reads the first line of a file of points.
fn begin<const COUNTS: usize>(
    path: &Path,
    kind: &str,
) -> anyhow::Result<(BufReader<File>, Uuid, [usize; COUNTS])> {
    let mut file = open(path)?;
    let line = first_line(&mut file)?;
    let mut words = line.split(' ');
    let is_it = words.next() == Some(FORM) && words.next() == Some(kind);
    ensure!(is_it, "{} is no {kind} of this program", path.display());
    let run = words.next().and_then(|run| run.parse().ok());
    let run = run.context("the run is missing")?;
    let mut counts = [0; COUNTS];
    for count in &mut counts {
        let word = words.next().and_then(|count| count.parse().ok());
        *count = word.context("a number of points is missing")?;
        ensure!(*count <= PERSONS_MAX, "more than {PERSONS_MAX} points");
    }
    Ok((file, run, counts))
}

fn points(file: &mut BufReader<File>, count: usize) -> anyhow::Result<Vec<Point>> {
    // Grows with what comes, whatever the first line says.
    let mut points = Vec::new();
    for _ in 0..count {
        let mut point = [0; 32];
        file.read_exact(&mut point)
            .context("the file was cut off")?;
        points.push(point);
    }
    Ok(points)
}

fn end(mut file: BufReader<File>) -> anyhow::Result<()> {
    ensure!(
        file.fill_buf()?.is_empty(),
        "there is something behind the points"
    );
    Ok(())
}

fn persons(file: BufReader<File>, first: usize) -> anyhow::Result<Vec<IdNumber>> {
    let mut persons = Vec::new();
    for (number, line) in (first..).zip(file.lines()) {
        let line = line.with_context(|| format!("line {number} is no text"))?;
        let person = line.trim().parse();
        persons.push(person.map_err(|error| anyhow::anyhow!("line {number}: {error}"))?);
        ensure!(
            persons.len() <= PERSONS_MAX,
            "more than {PERSONS_MAX} persons"
        );
    }
    Ok(persons)
}
