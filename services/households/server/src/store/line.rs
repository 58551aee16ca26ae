//! Monitoring lines.

use chassis::{error::Error, pg::Tx};
use chrono::NaiveDate;
use households_core::line::MonitoringLine;
use kernel::Money;

use super::division;

/// A line with its legal basis.
#[derive(Debug, Clone)]
pub struct Line {
    pub line: MonitoringLine,
    pub legal_basis: String,
}

struct Row {
    division_code: String,
    effective_from: NaiveDate,
    amount_fen: i64,
    legal_basis: String,
}

/// A county has some three levels and a line a year; more is a mistake.
const MOST: i64 = 1000;

/// Every line that concerns the caller's scope: those inside, and those of what it lies in.
pub async fn list(tx: &mut Tx) -> Result<Vec<Line>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select division_code, effective_from, amount_fen, legal_basis
         from households.monitoring_lines
         order by division_code, effective_from desc limit $1",
        MOST,
    )
    .fetch_all(&mut **tx)
    .await?;
    let line = |row: Row| {
        Ok(Line {
            line: MonitoringLine {
                division: division("monitoring_lines", &row.division_code)?,
                effective_from: row.effective_from,
                amount: Money::from_fen(row.amount_fen),
            },
            legal_basis: row.legal_basis,
        })
    };
    rows.into_iter().map(line).collect()
}

/// Creates or corrects.
pub async fn put(tx: &mut Tx, line: &Line) -> Result<(), Error> {
    sqlx::query!(
        "insert into households.monitoring_lines
             (division_code, effective_from, amount_fen, legal_basis)
         values ($1, $2, $3, $4)
         on conflict (division_code, effective_from) do update
         set amount_fen = excluded.amount_fen, legal_basis = excluded.legal_basis",
        line.line.division.as_str(),
        line.line.effective_from,
        line.line.amount.fen(),
        line.legal_basis,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
