//! How a lead comes in, whoever brings it.

use chassis::{error::Error, pg::Tx};
use kernel::{Code, Department, DivisionCode, HouseholdId, LeadChannel, RiskType, Severity};
use workflow_core::lead::{Lead, Source};

use crate::{lead_file::LeadFile, record, store};

/// What somebody has found.
pub struct Found {
    pub household: HouseholdId,
    pub division: DivisionCode,
    pub risk: RiskType,
    pub channel: LeadChannel,
    /// How the source calls it.
    pub reference: String,
    pub department: Option<Department>,
    pub severity: Option<Severity>,
}

/// Stores a lead. One about a household whose case is open belongs to that case; one about a risk
/// that was found before belongs to the earlier lead.
pub async fn receive(tx: &mut Tx, found: Found) -> Result<LeadFile, Error> {
    store::lead::serialise(tx, found.household).await?;
    let source = Source {
        channel: found.channel,
        reference: found.reference,
        department: found.department,
        severity: found.severity,
        received: tx.today(),
    };
    let earlier = store::lead::earlier(tx, found.household, found.risk, tx.today()).await?;
    let lead = Lead::receive(source.clone(), earlier.as_ref().map(|file| file.id));
    let mut file = LeadFile {
        id: tx.database().clock().new_id().into(),
        household: found.household,
        division: found.division,
        risk: found.risk,
        created: tx.now(),
        version: 0,
        lead,
    };
    match earlier {
        Some(mut earlier) => {
            earlier.lead.add_source(source);
            record::lead(tx, &mut earlier, record::SOURCE_ADDED, None).await?;
        }
        None => {
            let history = store::case::history(tx, found.household).await?;
            if let Some(case) = history.open {
                file.lead.open_case(case)?;
            }
        }
    }
    let state = file.lead.state;
    record::lead(tx, &mut file, state.as_str(), None).await?;
    Ok(file)
}
