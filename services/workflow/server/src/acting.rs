//! Who acts: the caller, or the caller as a deputy (ORG-4). The appointment is looked up before
//! anything else, so what follows sees one caller with one role and one scope.

use chassis::{auth::Caller, error::Error};
use kernel::DeputyId;
use workflow_core::Actor;

use crate::{access, rpc::Service, store};

/// Who acts, and in whose place.
pub struct Acting {
    /// The caller with the lent role, and with what the caller sees of the appointment's division.
    pub caller: Caller,
    pub on_behalf_of: Option<String>,
    pub deputy: Option<DeputyId>,
}

impl Acting {
    /// The caller as itself.
    fn oneself(caller: &Caller) -> Self {
        Self {
            caller: caller.clone(),
            on_behalf_of: None,
            deputy: None,
        }
    }

    /// Who acts, in the core's terms.
    pub fn actor(&self) -> Actor {
        let principal = &self.caller.principal;
        Actor {
            account: principal.subject.clone(),
            role: principal.role,
            on_behalf_of: self.on_behalf_of.clone(),
        }
    }
}

impl Service {
    /// The caller of `rpc`, as the deputy of `acting_as` when that is not empty. The lent role has to
    /// be one that may call it; the own role was checked at the door.
    ///
    /// # Errors
    /// The appointment is not the caller's, or not in force.
    pub(crate) async fn acting(
        &self,
        caller: &Caller,
        acting_as: &str,
        rpc: &str,
    ) -> Result<Acting, Error> {
        if acting_as.is_empty() {
            return Ok(Acting::oneself(caller));
        }
        let malformed = |_| Error::invalid("acting_as", "MALFORMED", "the id of an appointment");
        let id: DeputyId = acting_as.parse().map_err(malformed)?;
        let mut tx = self.database.read(caller).await?;
        let account = &caller.principal.subject;
        let found = store::deputy::of_account(&mut tx, id, account).await?;
        let today = tx.today();
        drop(tx);
        let unknown = || Error::NotFound { what: "deputy" };
        let found = found.ok_or_else(unknown)?;
        let lent = found.appointment.lend(&caller.principal, today)?;
        let mut caller = caller.clone();
        caller.principal = lent.ok_or_else(unknown)?;
        access::check(&caller, rpc)?;
        Ok(Acting {
            caller,
            on_behalf_of: Some(found.appointment.on_behalf_of),
            deputy: Some(id),
        })
    }
}
