//! The registry of persons as the households service knows it, asked in the service's own name.

use std::future::Future;

use chassis::{
    auth::ServiceIdentity,
    client::{self, Channel},
    error::Error,
};
use comparison_core::row::Row;
use kernel::HouseholdId;
use proto::households::v1::{
    FoundPerson, ListAuthorisedPersonsRequest, ListAuthorisedPersonsResponse, LookupPersonsRequest,
    households_service_client::HouseholdsServiceClient,
};

/// Purpose of the authorisations that a comparison goes by (S18).
const PURPOSE: &str = "monitoring";

/// Who knows persons.
pub trait Registry: Send + Sync {
    /// The persons of some rows, one for each, in their order.
    fn lookup(
        &self,
        rows: &[(u32, Row)],
    ) -> impl Future<Output = Result<Vec<FoundPerson>, Error>> + Send;

    /// The persons of a household whose data may be compared at this moment, and what may not and why
    /// (CMP-4).
    fn authorised(
        &self,
        household: HouseholdId,
    ) -> impl Future<Output = Result<ListAuthorisedPersonsResponse, Error>> + Send;
}

/// The households service.
#[derive(Debug, Clone)]
pub struct Households {
    channel: Channel,
    identity: ServiceIdentity,
}

impl Households {
    /// Asks at `channel`.
    #[must_use]
    pub const fn new(channel: Channel, identity: ServiceIdentity) -> Self {
        Self { channel, identity }
    }
}

impl Registry for Households {
    async fn lookup(&self, rows: &[(u32, Row)]) -> Result<Vec<FoundPerson>, Error> {
        let numbers = rows
            .iter()
            .map(|(_, row)| row.id_number.expose().to_owned());
        let request = LookupPersonsRequest {
            id_numbers: numbers.collect(),
        };
        let caller = self.identity.caller().await?;
        let mut households = HouseholdsServiceClient::new(self.channel.clone());
        let response = households
            .lookup_persons(client::authorise(&caller, request))
            .await?;
        Ok(response.into_inner().persons)
    }

    async fn authorised(
        &self,
        household: HouseholdId,
    ) -> Result<ListAuthorisedPersonsResponse, Error> {
        let request = ListAuthorisedPersonsRequest {
            household_id: household.to_string(),
            purpose: PURPOSE.to_owned(),
        };
        let caller = self.identity.caller().await?;
        let mut households = HouseholdsServiceClient::new(self.channel.clone());
        let request = client::authorise(&caller, request);
        match households.list_authorised_persons(request).await {
            Ok(response) => Ok(response.into_inner()),
            // A household that is gone has nobody to compare.
            Err(status) if status.code() == tonic::Code::NotFound => {
                Ok(ListAuthorisedPersonsResponse::default())
            }
            Err(status) => Err(status.into()),
        }
    }
}
