//! Replaces entries of the income and expenditure ledger of given months (REG-6).

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::{assessment::assess, income::Entry};
use kernel::{HouseholdId, Money, Month};
use proto::households::v1::{self as wire, RecordIncomeRequest, RecordIncomeResponse};

use super::{Service, edit::Begun};
use crate::{
    convert,
    ledger::{self, Statement},
    read::{self, WORD_CHARS_MAX},
    store,
};

/// Three years of the national form's lines that a household has.
const ENTRIES_MAX: usize = 500;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: RecordIncomeRequest,
) -> Result<RecordIncomeResponse, Error> {
    let today = service.database.clock().today();
    let (id, statement) = decode(&request, Month::of(today))?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "RecordIncome", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let mut household = store::household::lock(&mut edit.tx, &service.sealer, id).await?;
    let changes = ledger::replace(&mut edit.tx, vec![(&mut household, statement)]).await?;
    edit.store(&mut household, changes.into_values().collect())
        .await?;
    let subjects = store::subject::load(&mut edit.tx, &[id], today).await?;
    let assessment = subjects.first().map(|(_, subject)| assess(subject, today));
    let response = RecordIncomeResponse {
        assessment: assessment.map(|assessment| convert::assessment(id, &assessment)),
    };
    edit.finish(response).await
}

fn decode(request: &RecordIncomeRequest, now: Month) -> Result<(HouseholdId, Statement), Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let months = read::months(&mut f, &request.from_month, &request.to_month);
    if months.is_some_and(|(_, to)| to > now) {
        f.violation(
            "to_month",
            "MONTH_IN_FUTURE",
            format_args!("a month up to {now}"),
        );
    }
    f.at_most("entries", request.entries.len(), ENTRIES_MAX);
    let entries = request.entries.iter().take(ENTRIES_MAX).enumerate();
    let entries: Vec<Option<Entry>> = entries
        .map(|(at, given)| f.within(format_args!("entries[{at}]"), |f| entry(f, given, months)))
        .collect();
    let entries: Option<Vec<Entry>> = entries.into_iter().collect();
    let statement = (|| {
        let (from, to) = months?;
        let statement = Statement {
            from,
            to,
            entries: entries?,
            complete: request.complete,
        };
        Some((household?, statement))
    })();
    f.finish_with(statement)
}

fn entry(
    f: &mut Fields,
    given: &wire::IncomeEntry,
    months: Option<(Month, Month)>,
) -> Option<Entry> {
    let month = f.month("month", &given.month);
    if let (Some(month), Some((from, to))) = (month, months)
        && !(from..=to).contains(&month)
    {
        f.violation(
            "month",
            "MONTH_OUTSIDE",
            format_args!("a month from {from} to {to}"),
        );
    }
    let group = f.code("group", convert::income_group(given.group));
    let kind = f.text("kind", &given.kind, WORD_CHARS_MAX);
    let amount = f.amount("amount_fen", given.amount_fen);
    let source = f.code("source", convert::income_source(given.source));
    Some(Entry {
        from: month?,
        months: 1,
        group: group?,
        kind: kind?,
        amount: Money::from_fen(amount?),
        source: source?,
    })
}
