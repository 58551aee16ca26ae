//! Opens a case (T1; T18 when an earlier one was eliminated).

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use kernel::{CaseId, Code, DivisionCode, HouseholdId, LeadId};
use proto::workflow::v1::{DeclareCaseRequest, DeclareCaseResponse};
use workflow_core::{Case, Command, Declaration, SHIPPED, declare, lead::LeadState};

use super::Service;
use crate::{
    acting::Acting,
    case_file::CaseFile,
    convert::{self, command},
    record::{self, Told},
    store,
};

const OPERATION: &str = "DeclareCase";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: DeclareCaseRequest,
) -> Result<DeclareCaseResponse, Error> {
    let input = decode(&request)?;
    let today = service.database.clock().today();
    let division = service.neighbours.division(input.household, today).await?;
    service.declare_case_in(caller, request, division).await
}

impl Service {
    /// Opens the case of a household that lies in `division`.
    ///
    /// # Errors
    /// See the RPC.
    pub async fn declare_case_in(
        &self,
        caller: &Caller,
        mut request: DeclareCaseRequest,
        division: DivisionCode,
    ) -> Result<DeclareCaseResponse, Error> {
        let input = decode(&request)?;
        let acting = self.acting(caller, &request.acting_as, OPERATION).await?;
        // The neighbour was asked in the service's own name: the caller's scope is checked here.
        if !acting.caller.principal.scope.sees(&division, None) {
            return Err(Error::NotFound { what: "household" });
        }
        let request_id = std::mem::take(&mut request.request_id);
        let mut tx = self.database.begin(&acting.caller).await?;
        match tx.claim(OPERATION, &request_id, &request).await? {
            Claim::Replayed(response) => Ok(response),
            Claim::Fresh => {
                let id = self.database.clock().new_id().into();
                open(tx, acting, (id, division), input, request).await
            }
        }
    }
}

struct Input {
    household: HouseholdId,
    lead: Option<LeadId>,
    declaration: Declaration,
}

fn decode(request: &DeclareCaseRequest) -> Result<Input, Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let lead = f.parse_optional("lead_id", &request.lead_id);
    let declaration = command::declaration(&mut f, request);
    let input = (|| {
        Some(Input {
            household: household?,
            lead,
            declaration: declaration?,
        })
    })();
    f.finish_with(input)
}

async fn open(
    mut tx: Tx,
    acting: Acting,
    (id, division): (CaseId, DivisionCode),
    input: Input,
    request: DeclareCaseRequest,
) -> Result<DeclareCaseResponse, Error> {
    let Input {
        household,
        lead,
        declaration,
    } = input;
    let (today, now) = (tx.today(), tx.now());
    let template = store::template::choose(&mut tx, &request.template_id, &division, today).await?;
    let template = template.ok_or_else(unknown_template)?;
    let papers = Command::Declare(declaration.clone());
    store::evidence::check(&mut tx, "evidence_sha256", &papers.papers()).await?;
    let history = store::case::history(&mut tx, household).await?;
    let decision = declare(declaration, history, &acting.actor(), &template, today)?;
    let case = Case::begin(&decision.event, template);
    let case =
        case.ok_or_else(|| Error::Internal(anyhow::anyhow!("a declaration begins a case")))?;
    // The remarks of risks are free texts; they stay with the declaration.
    let mut risks = request.risks.clone();
    risks.iter_mut().for_each(|risk| risk.remark.clear());
    let file = CaseFile {
        id,
        number: store::case::next_number(&mut tx, &division, today).await?,
        household,
        division,
        risks,
        created: now,
        updated: now,
        papers: decision.event.papers(),
        case,
    };
    let told = Told {
        rules: decision.rules,
        deputy: acting.deputy,
        ..Told::default()
    };
    record::declared(&mut tx, &file, &decision.event, request, told).await?;
    if let Some(lead) = lead {
        follow_lead(&mut tx, lead, household, id).await?;
    }
    let response = DeclareCaseResponse {
        case: Some(convert::case::case(&file)),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

fn unknown_template() -> Error {
    let shipped: Vec<&str> = SHIPPED
        .iter()
        .map(|template| template.id.as_str())
        .collect();
    let expected = format!("a template in force, e.g. {}", shipped.join(", "));
    Error::invalid("template_id", "UNKNOWN_CODE", &expected)
}

/// The lead that led here has led to a case.
async fn follow_lead(
    tx: &mut Tx,
    lead: LeadId,
    household: HouseholdId,
    case: CaseId,
) -> Result<(), Error> {
    let file = store::lead::lock(tx, lead).await?;
    let file = file.filter(|file| file.household == household);
    let mut file = file.ok_or(Error::NotFound { what: "lead" })?;
    file.lead.open_case(case)?;
    let state: LeadState = file.lead.state;
    record::lead(tx, &mut file, state.as_str(), None).await
}
