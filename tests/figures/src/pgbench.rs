//! The same SQL without us: what a transaction really sent, read from the server's log and said
//! again by pgbench as prepared statements.

use std::{fmt::Write, fs, path::Path, process::Command};

use anyhow::{Context, bail, ensure};

use crate::server::Server;

/// A statement with the values that it was executed with, as text; `None` is null.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    pub values: Vec<Option<String>>,
}

/// The statements of a server log (`log_statement = all`), in order.
pub fn statements(log: &str) -> anyhow::Result<Vec<Statement>> {
    let mut found: Vec<Statement> = Vec::new();
    // A line that goes on begins with a tab.
    for entry in log.replace("\n\t", "\n\u{1}").split('\n').fold(
        Vec::<String>::new(),
        |mut entries, line| {
            match (line.strip_prefix('\u{1}'), entries.last_mut()) {
                (Some(rest), Some(last)) => {
                    last.push('\n');
                    last.push_str(rest);
                }
                _ => entries.push(line.to_owned()),
            }
            entries
        },
    ) {
        if let Some((_, sql)) = entry.split_once("LOG:  statement: ") {
            found.push(Statement {
                sql: sql.to_owned(),
                values: Vec::new(),
            });
        } else if let Some((_, named)) = entry.split_once("LOG:  execute ") {
            let (_, sql) = named.split_once(": ").context("the name of a statement")?;
            found.push(Statement {
                sql: sql.to_owned(),
                values: Vec::new(),
            });
        } else if let Some((_, text)) = entry.split_once("DETAIL:  parameters: ") {
            let statement = found.last_mut().context("parameters of nothing")?;
            statement.values = values(text)?;
        }
    }
    Ok(found)
}

/// `$1 = 'it''s', $2 = NULL`
fn values(text: &str) -> anyhow::Result<Vec<Option<String>>> {
    let mut values = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (_, value) = rest.split_once(" = ").context("a value")?;
        let Some(quoted) = value.strip_prefix('\'') else {
            let (null, after) = value.split_once(", ").unwrap_or((value, ""));
            ensure!(null == "NULL", "neither quoted nor null: {null}");
            values.push(None);
            rest = after;
            continue;
        };
        let mut value = String::new();
        let mut letters = quoted.char_indices().peekable();
        let mut end = quoted.len();
        while let Some((at, letter)) = letters.next() {
            if letter != '\'' {
                value.push(letter);
            } else if letters.next_if(|(_, next)| *next == '\'').is_some() {
                value.push('\'');
            } else {
                end = at + 1;
                break;
            }
        }
        values.push(Some(value));
        rest = quoted[end..].trim_start_matches(", ");
    }
    Ok(values)
}

/// What of a captured transaction is another in every transaction.
#[derive(Debug)]
pub struct Varying<'a> {
    /// Values, and the SQL expression that takes the place of each.
    pub values: &'a [(String, String)],
    /// A statement that contains this text gives its columns to those behind it.
    pub gives: &'a str,
    /// pgbench commands behind that statement.
    pub then: &'a str,
    /// pgbench commands at the beginning.
    pub first: &'a str,
}

/// A script for pgbench, and the values that it binds.
#[derive(Debug)]
pub struct Script {
    text: String,
    defined: Vec<(String, String)>,
}

impl Script {
    pub fn new(statements: &[Statement], varying: &Varying<'_>) -> anyhow::Result<Self> {
        let mut script = Self {
            text: format!("{}\n", varying.first),
            defined: Vec::new(),
        };
        let mut used = vec![false; varying.values.len()];
        let mut gave = false;
        for statement in statements {
            let sql = script.bound(statement, varying.values, &mut used);
            script.text.push_str(sql.trim());
            if statement.sql.contains(varying.gives) {
                gave = true;
                write!(script.text, " \\gset\n{}\n", varying.then)?;
            } else {
                script.text.push_str(";\n");
            }
        }
        for ((value, _), used) in varying.values.iter().zip(used) {
            ensure!(used, "no statement has the value {value}");
        }
        ensure!(gave, "no statement is like {:?}", varying.gives);
        Ok(script)
    }

    /// The statement with a variable or an expression for each parameter.
    fn bound(
        &mut self,
        statement: &Statement,
        varying: &[(String, String)],
        used: &mut [bool],
    ) -> String {
        let mut sql = statement.sql.clone();
        // From the last: $1 is the beginning of $12.
        for (number, value) in statement.values.iter().enumerate().rev() {
            let number = number + 1;
            let known = varying
                .iter()
                .position(|(varies, _)| Some(varies) == value.as_ref());
            let put = match (value, known) {
                (_, Some(at)) => {
                    used[at] = true;
                    varying[at].1.clone()
                }
                (None, None) => "null".to_owned(),
                // No variable can be empty.
                (Some(value), None) if value.is_empty() => "''".to_owned(),
                (Some(value), None) => {
                    let same = self.defined.iter().find(|(_, defined)| defined == value);
                    let name = match same {
                        Some((name, _)) => name.clone(),
                        None => {
                            let name = format!("v{}", self.defined.len());
                            self.defined.push((name.clone(), value.clone()));
                            name
                        }
                    };
                    format!(":{name}")
                }
            };
            sql = sql.replace(&format!("${number}"), &put);
        }
        sql
    }
}

/// Runs scripts on a database as a role.
pub struct Pgbench<'a> {
    pub server: &'a Server,
    pub url: &'a str,
    /// Settings of its sessions, as `PGOPTIONS`.
    pub options: &'a str,
    pub folder: &'a Path,
    pub clients: u64,
}

impl Pgbench<'_> {
    /// Every client runs the script so many times, with more variables.
    pub fn run(
        &self,
        script: &Script,
        transactions: u64,
        variables: &[(&str, u64)],
    ) -> anyhow::Result<()> {
        let file = self.folder.join("transaction.sql");
        fs::write(&file, &script.text)?;
        let mut command = Command::new(self.server.programs.join("pgbench"));
        command
            .args(["--no-vacuum", "--protocol=prepared", "--max-tries=1"])
            .arg(format!("--client={}", self.clients))
            .arg(format!("--transactions={transactions}"))
            .arg("--file")
            .arg(&file)
            .env("PGOPTIONS", self.options);
        for (name, value) in &script.defined {
            command.arg("-D").arg(format!("{name}={value}"));
        }
        for (name, value) in variables {
            command.arg("-D").arg(format!("{name}={value}"));
        }
        let output = command.arg(self.url).output().context("pgbench")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let wanted = transactions * self.clients;
        let all = said.contains(&format!("{wanted}/{wanted}"));
        if !output.status.success() || !all {
            bail!(
                "pgbench ended with {}: {said}{}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr),
                script.text
            );
        }
        Ok(())
    }
}
