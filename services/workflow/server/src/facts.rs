//! The facts of a decision, fetched from the neighbours before the transaction begins: no connection
//! is held meanwhile. They are asked in the service's own name, after the caller was found to see
//! the household: what the guards need does not depend on who asks.

use anyhow::Context;
use chassis::{
    auth::{Caller, ServiceIdentity},
    client::{self, Channel},
    error::Error,
};
use chrono::NaiveDate;
use kernel::{CaseId, DivisionCode, HouseholdId};
use proto::{
    comparison::v1::{self as comparison, comparison_service_client::ComparisonServiceClient},
    households::v1::{self as households, households_service_client::HouseholdsServiceClient},
    measures::v1::{self as measures, measures_service_client::MeasuresServiceClient},
};
use workflow_core::{ComparisonFacts, Facts, HouseholdFacts, MeasureFacts, Needs};

use crate::convert;

/// Who knows what.
#[derive(Debug, Clone)]
pub struct Neighbours {
    pub households: Channel,
    pub comparison: Channel,
    pub measures: Channel,
    pub identity: ServiceIdentity,
}

impl Neighbours {
    /// What `needs` names, as of a day. Independent neighbours are asked at once.
    pub async fn facts(
        &self,
        needs: Needs,
        case: CaseId,
        household: HouseholdId,
        as_of: NaiveDate,
    ) -> Result<Facts, Error> {
        if needs == Needs::default() {
            return Ok(Facts::default());
        }
        let caller = self.identity.caller().await?;
        let household = async {
            match needs.household {
                true => self.household(&caller, household, as_of).await,
                false => Ok(HouseholdFacts::default()),
            }
        };
        let comparison = async {
            match needs.comparison {
                true => self.comparison(&caller, case).await,
                false => Ok(None),
            }
        };
        let measures = async {
            match needs.measures {
                true => self.measures(&caller, case, as_of).await,
                false => Ok(MeasureFacts::default()),
            }
        };
        let (household, comparison, measures) = tokio::try_join!(household, comparison, measures)?;
        Ok(Facts {
            household,
            comparison,
            measures,
        })
    }

    /// Where a household lies.
    pub async fn division(
        &self,
        household: HouseholdId,
        as_of: NaiveDate,
    ) -> Result<DivisionCode, Error> {
        let caller = self.identity.caller().await?;
        let facts = self.ask_household(&caller, household, as_of).await?;
        let division = facts.division_code.parse().context("division_code");
        division.map_err(Error::Internal)
    }

    async fn household(
        &self,
        caller: &Caller,
        household: HouseholdId,
        as_of: NaiveDate,
    ) -> Result<HouseholdFacts, Error> {
        let facts = self.ask_household(caller, household, as_of).await?;
        read(convert::facts::household(facts), "households")
    }

    async fn ask_household(
        &self,
        caller: &Caller,
        household: HouseholdId,
        as_of: NaiveDate,
    ) -> Result<households::CaseFacts, Error> {
        let request = households::GetCaseFactsRequest {
            household_id: household.to_string(),
            as_of: as_of.to_string(),
        };
        let mut client = HouseholdsServiceClient::new(self.households.clone());
        let response = client.get_case_facts(client::authorise(caller, request));
        let facts = response.await?.into_inner().facts;
        read(facts.context("no facts"), "households")
    }

    /// `None` while the case's comparison has not been opened.
    async fn comparison(
        &self,
        caller: &Caller,
        case: CaseId,
    ) -> Result<Option<ComparisonFacts>, Error> {
        let request = comparison::GetCaseFactsRequest {
            case_id: case.to_string(),
        };
        let mut client = ComparisonServiceClient::new(self.comparison.clone());
        let response = client.get_case_facts(client::authorise(caller, request));
        let facts = match response.await {
            Ok(response) => response.into_inner().facts,
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => return Err(status.into()),
        };
        let facts = facts.map(convert::facts::comparison).transpose();
        read(facts, "comparison")
    }

    /// Nothing is arranged while the case's plan has not been opened.
    async fn measures(
        &self,
        caller: &Caller,
        case: CaseId,
        as_of: NaiveDate,
    ) -> Result<MeasureFacts, Error> {
        let request = measures::GetCaseFactsRequest {
            case_id: case.to_string(),
            as_of: as_of.to_string(),
        };
        let mut client = MeasuresServiceClient::new(self.measures.clone());
        let response = client.get_case_facts(client::authorise(caller, request));
        let facts = match response.await {
            Ok(response) => response.into_inner().facts,
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => return Err(status.into()),
        };
        match facts {
            Some(facts) => read(convert::facts::measures(facts), "measures"),
            None => Ok(MeasureFacts::default()),
        }
    }
}

fn read<T>(facts: anyhow::Result<T>, neighbour: &'static str) -> Result<T, Error> {
    facts.context(neighbour).map_err(Error::Internal)
}
