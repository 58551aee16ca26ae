//! A check that civil affairs has made lately counts for items that no department has delivered yet
//! (CMP-7). It counts for whom a file would: those who allow the item at this moment (CMP-4). Only while
//! what happens is on the record (SEC-3).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
    pg::Claim,
};
use chrono::NaiveDate;
use comparison_core::reuse::{self, Covered};
use kernel::{CaseId, Code as _, ItemKind};
use proto::comparison::v1::{ReuseCheckRequest, ReuseCheckResponse};

use super::Service;
use crate::{
    Registry, convert, evidence,
    intake::{Allowed, Persons},
    item,
    store::{self, check::Check, comparison::Source},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ReuseCheckRequest,
) -> Result<ReuseCheckResponse, Error> {
    let registry = service.registry.clone();
    service.reuse_check_from(caller, request, &registry).await
}

impl Service {
    /// Takes a check; `registry` knows who may be compared.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn reuse_check_from(
        &self,
        caller: &Caller,
        mut request: ReuseCheckRequest,
        registry: &impl Registry,
    ) -> Result<ReuseCheckResponse, Error> {
        let input = decode(&request, self.database.clock().today())?;
        evidence::check(&self.ledger).await?;
        let not_found = || Error::NotFound { what: "comparison" };
        let mut tx = self.database.read(caller).await?;
        let of_case = store::comparison::of_cases(&mut tx, &[input.case]).await?;
        drop(tx);
        // One that is over has every item, and says so.
        let under_way = of_case.iter().find(|c| c.completed_at.is_none());
        let current = under_way.or(of_case.first()).ok_or_else(not_found)?;
        // A connection is not held while others are asked.
        let found = registry.authorised(current.household).await?;

        let request_id = std::mem::take(&mut request.request_id);
        let mut tx = self.database.begin(caller).await?;
        if let Claim::Replayed(response) = tx.claim("ReuseCheck", &request_id, &request).await? {
            return Ok(response);
        }
        let mut comparison = store::comparison::lock(&mut tx, current.id)
            .await?
            .ok_or_else(not_found)?;
        let allowed = input
            .items
            .iter()
            .map(|item| Ok((*item, Allowed::of(&found, *item)?)));
        let allowed: Vec<(ItemKind, Allowed)> = allowed.collect::<Result<_, Error>>()?;
        let persons = allowed.iter().map(|(item, allowed)| {
            let before = comparison.compared(*item);
            (*item, Persons::of(&before, allowed, |_| true))
        });
        let persons: Vec<(ItemKind, Persons<'_>)> = persons.collect();
        let covered = persons.iter().map(|(item, persons)| Covered {
            item: *item,
            is_received: comparison.has(*item),
            persons: persons.compared.len(),
        });
        let covered: Vec<Covered> = covered.collect();
        let age_days_max = store::case::data_age_days_max(&mut tx, input.case).await?;
        reuse::check(input.check(), &covered, age_days_max, tx.today())?;

        let check = Check {
            id: self.database.clock().new_id(),
            checked_on: input.checked_on,
            reference: input.reference,
            evidence_sha256: input.evidence_sha256,
            recorded_by: caller.principal.subject.clone(),
            recorded_at: tx.now(),
        };
        store::check::insert(&mut tx, comparison.id, comparison.division, &check).await?;
        for (item, persons) in persons {
            let source = Source {
                id: check.id,
                data_date: check.checked_on,
                compared: persons.compared.iter().map(|person| person.id).collect(),
                check: Some(check.clone()),
            };
            comparison.receive(item, source, persons.left_out);
        }
        let complete = convert::outcome(&comparison).is_complete();
        comparison.completed_at = complete.then(|| tx.now());
        let changed = [comparison];
        for item in input.items {
            store::comparison::receive(&mut tx, &changed, item).await?;
        }
        let [comparison] = changed;
        if complete {
            item::completed(&mut tx, &comparison);
        }
        let response = ReuseCheckResponse {
            comparison: Some(convert::comparison(&comparison)),
        };
        tx.remember(&response).await?;
        tx.commit().await?;
        Ok(response)
    }
}

struct Input {
    case: CaseId,
    items: Vec<ItemKind>,
    checked_on: NaiveDate,
    reference: String,
    evidence_sha256: String,
    nothing_found: bool,
}

impl Input {
    const fn check(&self) -> reuse::Check {
        reuse::Check {
            checked_on: self.checked_on,
            nothing_found: self.nothing_found,
        }
    }
}

fn decode(request: &ReuseCheckRequest, today: NaiveDate) -> Result<Input, Error> {
    let mut f = Fields::new();
    let case: Option<CaseId> = f.parse("case_id", &request.case_id);
    f.at_most("items", request.items.len(), ItemKind::ALL.len());
    if request.items.is_empty() {
        f.violation("items", "REQUIRED", "an item or more");
    }
    let mut items: Vec<ItemKind> = Vec::new();
    let given = request.items.iter().take(ItemKind::ALL.len()).enumerate();
    for (at, item) in given {
        let item = f.code(&format!("items[{at}]"), codes::item_kind(*item));
        // Named twice is covered once.
        items.extend(item.filter(|item| !items.contains(item)));
    }
    let checked_on = f.past_date("checked_on", &request.checked_on, today);
    let reference = f.text("reference", &request.reference, 100);
    let evidence_sha256 = f.sha256("evidence_sha256", &request.evidence_sha256);
    let input = (|| {
        Some(Input {
            case: case?,
            items,
            checked_on: checked_on?,
            reference: reference?,
            evidence_sha256: evidence_sha256?,
            nothing_found: request.nothing_found,
        })
    })();
    f.finish_with(input)
}
