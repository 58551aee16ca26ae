//! No evidence, no service: while the ledger cannot be sealed, no new asset query is made, because
//! nothing would show afterwards that it was not bent (SEC-3).

use std::sync::Arc;

use chassis::{
    auth::ServiceIdentity,
    client::{self, Channel},
    error::Error,
};
use futures::future::BoxFuture;
use kernel::{Refusal, Requirement};
use proto::workflow::v1::{
    GetEvidenceStatusRequest, GetEvidenceStatusResponse,
    workflow_service_client::WorkflowServiceClient,
};

/// Who knows whether the ledger is sealed.
pub trait Ledger: Send + Sync + std::fmt::Debug {
    /// How much of it is under a checkpoint.
    fn status(&self) -> BoxFuture<'_, Result<GetEvidenceStatusResponse, Error>>;
}

/// The workflow service.
#[derive(Debug, Clone)]
pub struct Workflow {
    channel: Channel,
    identity: ServiceIdentity,
}

impl Workflow {
    /// Asks at `channel`.
    #[must_use]
    pub const fn new(channel: Channel, identity: ServiceIdentity) -> Self {
        Self { channel, identity }
    }
}

impl Ledger for Workflow {
    fn status(&self) -> BoxFuture<'_, Result<GetEvidenceStatusResponse, Error>> {
        Box::pin(async {
            let caller = self.identity.caller().await?;
            let mut workflow = WorkflowServiceClient::new(self.channel.clone());
            let request = client::authorise(&caller, GetEvidenceStatusRequest {});
            let response = workflow.get_evidence_status(request).await?;
            Ok(response.into_inner())
        })
    }
}

/// Refuses while the ledger is overdue. One that does not answer is no evidence either.
///
/// # Errors
/// [`Error::Refused`] while it is overdue; [`Error::Unavailable`] when nobody knows.
pub async fn check(ledger: &Arc<dyn Ledger>) -> Result<(), Error> {
    let status = ledger.status().await?;
    if !status.overdue {
        return Ok(());
    }
    let minutes = |seconds: i64| seconds / 60;
    let (needed, found) = (
        minutes(status.limit_seconds),
        minutes(status.waited_seconds),
    );
    let overdue = Requirement::new("SEC-3", "EVIDENCE_OVERDUE", needed, found);
    Err(Refusal::from(overdue).into())
}
