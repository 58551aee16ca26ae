//! Takes in a lead from any channel (S15). One about the same household and risk within 90 days is
//! linked to the earlier one, which keeps the channel too (DET-9).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
    pg::Claim,
};
use kernel::{DivisionCode, HouseholdId, LeadChannel, RiskType, Severity};
use proto::workflow::v1::{SubmitLeadRequest, SubmitLeadResponse};

use super::Service;
use crate::{
    convert,
    intake::{self, Found},
};

const OPERATION: &str = "SubmitLead";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: SubmitLeadRequest,
) -> Result<SubmitLeadResponse, Error> {
    let input = decode(&request)?;
    let today = service.database.clock().today();
    let division = service.neighbours.division(input.household, today).await?;
    service.submit_lead_in(caller, request, division).await
}

impl Service {
    /// Takes in a lead about a household that lies in `division`.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn submit_lead_in(
        &self,
        caller: &Caller,
        mut request: SubmitLeadRequest,
        division: DivisionCode,
    ) -> Result<SubmitLeadResponse, Error> {
        let input = decode(&request)?;
        // The neighbour was asked in the service's own name: the caller's scope is checked here.
        if !caller.principal.scope.sees(&division, None) {
            return Err(Error::NotFound { what: "household" });
        }
        let request_id = std::mem::take(&mut request.request_id);
        let mut tx = self.database.begin(caller).await?;
        if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
            return Ok(response);
        }
        let found = Found {
            household: input.household,
            division,
            risk: input.risk,
            channel: input.channel,
            reference: input.reference,
            department: caller.principal.scope.department.clone(),
            severity: input.severity,
        };
        let file = intake::receive(&mut tx, found).await?;
        let response = SubmitLeadResponse {
            lead: Some(convert::lead::lead(&file)),
        };
        tx.remember(&response).await?;
        tx.commit().await?;
        Ok(response)
    }
}

struct Input {
    household: HouseholdId,
    channel: LeadChannel,
    reference: String,
    risk: RiskType,
    severity: Option<Severity>,
}

fn decode(request: &SubmitLeadRequest) -> Result<Input, Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let channel = f.code("channel", codes::lead_channel(request.channel));
    let reference = f.text_optional("reference", &request.reference, 100);
    let risk = f.code("risk", codes::risk_type(request.risk));
    let input = (|| {
        Some(Input {
            household: household?,
            channel: channel?,
            reference: reference?,
            risk: risk?,
            severity: codes::severity(request.severity),
        })
    })();
    f.finish_with(input)
}
