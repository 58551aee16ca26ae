//! Cases as the workflow service tells of them: an authorised case opens its comparison.

use anyhow::Context;
use chassis::{error::Error, pg::Tx, subscription::Consumer};
use prost::Message;
use proto::{feed::v1::Item, workflow::v1::CaseEvent};

use crate::store::{self, case::Case};

/// Follows the cases.
#[derive(Debug)]
pub struct Cases;

impl Consumer for Cases {
    const SOURCE: &'static str = "workflow";
    const KINDS: &'static [&'static str] = &["case.authorised"];
    type Prepared = CaseEvent;

    async fn prepare(&self, item: &Item) -> Result<CaseEvent, Error> {
        let event = CaseEvent::decode(&item.payload[..]).context("payload of a case's item");
        event.map_err(Error::Internal)
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, event: CaseEvent) -> Result<(), Error> {
        open(tx, &event).await
    }
}

async fn open(tx: &mut Tx, event: &CaseEvent) -> Result<(), Error> {
    let read = || -> anyhow::Result<_> {
        Ok((
            event.case_id.parse().context("case_id")?,
            event.household_id.parse().context("household_id")?,
            event.division_code.parse().context("division_code")?,
        ))
    };
    let (case, household, division) = read().map_err(Error::Internal)?;
    let data_age_days_max = u32::try_from(event.comparison_age_days_max).ok();
    let known = Case {
        id: case,
        household,
        division,
        data_age_days_max: data_age_days_max.filter(|days| *days > 0),
    };
    store::case::put(tx, &known).await?;
    store::comparison::open(tx, case, household, division).await?;
    Ok(())
}
