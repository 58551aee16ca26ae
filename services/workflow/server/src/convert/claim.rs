//! Claims, on the wire and back.

use anyhow::Context;
use chrono::NaiveDate;
use kernel::Code;
use proto::workflow::v1 as wire;
use workflow_core::Claim;

/// A claim.
pub fn claim(claim: &Claim) -> wire::Claim {
    wire::Claim {
        account: claim.account.clone(),
        role: claim.role.as_str().to_owned(),
        since_on: claim.since.to_string(),
        until_on: claim.until.to_string(),
    }
}

/// The claim that a stored item tells of.
pub fn read(stored: &wire::Claim) -> anyhow::Result<Claim> {
    Ok(Claim {
        account: stored.account.clone(),
        role: Code::parse(&stored.role).ok().context("claim.role")?,
        since: stored.since_on.parse().context("claim.since_on")?,
        until: stored.until_on.parse().context("claim.until_on")?,
    })
}

/// A claim as it is shown: one that has expired is none.
pub fn shown(claim: &mut Option<wire::Claim>, today: NaiveDate) {
    let lasts = |claim: &wire::Claim| claim.until_on.parse().is_ok_and(|until| today <= until);
    *claim = claim.take().filter(lasts);
}
