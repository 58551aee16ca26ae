//! What all changes of a plan have in common: one transaction with the claimed request, the locked
//! plan, the decision, the rows, the feed item and the remembered answer.

use chassis::{
    auth::Caller,
    error::Error,
    pg::{Claim, Tx},
};
use kernel::CaseId;
use measures_core::{Command, Plan};
use prost::Message;
use proto::measures::v1 as wire;

use super::Service;
use crate::{arrival, convert, item, store};

/// A decoded change.
pub struct Change<M> {
    /// Name of the operation, for the idempotency key.
    pub operation: &'static str,
    /// The idempotency key.
    pub request_id: String,
    /// The request without the key.
    pub request: M,
    /// Whose plan.
    pub case: CaseId,
    /// What the feed of cases must have told before the decision makes sense.
    pub ready: fn(&Plan) -> bool,
}

impl Service {
    /// Decides and stores the command that `command` makes in the change's transaction.
    pub(super) async fn change<M: Message, R: Message + Default>(
        &self,
        caller: &Caller,
        change: Change<M>,
        command: impl FnOnce(&Tx) -> Command,
        response: impl FnOnce(wire::Plan) -> R,
    ) -> Result<R, Error> {
        arrival::plan(&self.database, caller, change.case, change.ready).await?;
        let mut tx = self.database.begin(caller).await?;
        let claim = tx.claim(change.operation, &change.request_id, &change.request);
        if let Claim::Replayed(response) = claim.await? {
            return Ok(response);
        }
        let plan = store::plan::lock(&mut tx, change.case).await?;
        let mut plan = plan.ok_or(Error::NotFound { what: "case" })?;
        let command = command(&tx);
        let event = plan.decide(command, tx.today()).map_err(Error::Refused)?;
        store::entry::insert(&mut tx, &plan, &event).await?;
        let kind = item::kind_of_event(&event);
        plan.apply(event);
        store::plan::put(&mut tx, &plan).await?;
        tx.publish(item::about(kind, &plan, tx.today()));
        let response = response(convert::plan(&plan, tx.today()));
        tx.remember(&response).await?;
        tx.commit().await?;
        Ok(response)
    }
}

/// Nothing more is needed than that the plan is there.
pub const fn is_there(_: &Plan) -> bool {
    true
}
