//! Adds, changes or removes a relative: somebody who is no member and belongs to the household's
//! comparison (CMP-2).

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::{
    change::Change,
    relative::{self, Relative},
};
use kernel::{HouseholdId, PersonId, Role};
use proto::households::v1::{self as wire, PutRelativeRequest, PutRelativeResponse};

use super::{Service, edit::Begun};
use crate::{
    convert::{self, View},
    read::{self, LINE_CHARS_MAX},
    store,
};

/// Those who may say that somebody need not be asked: not the people next door.
const EXCUSERS: &[Role] = &[Role::TownshipOffice, Role::CountyOfficer];

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PutRelativeRequest,
) -> Result<PutRelativeResponse, Error> {
    let given = request.relative.clone().unwrap_or_default();
    let wanted = decode(service, &given, &request.removal_reason)?;
    let request_id = std::mem::take(&mut request.request_id);
    let version = request.version;
    let edit = service
        .edit(caller, "PutRelative", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let mut household = edit.lock(wanted.household, version).await?;
    let (tx, sealer, today) = (
        &mut edit.tx,
        &service.sealer,
        service.database.clock().today(),
    );
    let mut others = store::relative::of_household(tx, sealer, household.id).await?;
    let known = others
        .iter()
        .position(|other| other.person == wanted.person);
    let old = known.map(|at| others.remove(at));
    if old.is_none() && !wanted.is_new {
        return Err(Error::NotFound { what: "relative" });
    }
    let (relative, changes) = match (wanted.relative, old) {
        (Some(new), old) => {
            let excused = old.as_ref().map_or("", |old| &*old.excused_reason);
            if new.excused_reason != excused && !EXCUSERS.contains(&caller.principal.role) {
                return Err(Error::PermissionDenied);
            }
            let members = store::member::of_household(tx, sealer, household.id).await?;
            let mut f = Fields::new();
            read::flaws(&mut f, relative::flaws(&new, &others, &members, today));
            f.finish()?;
            let division = household.profile.division;
            store::relative::put(tx, sealer, household.id, division, &new).await?;
            let changes = relative::changes(old.as_ref(), Some(&new));
            (new, changes)
        }
        (None, Some(old)) => {
            store::relative::remove(tx, old.person, &wanted.removal_reason).await?;
            let mut changes = relative::changes(Some(&old), None);
            let field = format!("{}.reason", old.person);
            changes.push(Change::new("relative", field, "", wanted.removal_reason));
            (old, changes)
        }
        (None, None) => return Err(Error::NotFound { what: "relative" }),
    };
    edit.store(&mut household, changes).await?;

    let view = View::of(caller.principal.role);
    let response = PutRelativeResponse {
        household: Some(convert::household(&household, view)),
        relative: Some(convert::relative(household.id, &relative, view)),
    };
    edit.finish(response).await
}

struct Wanted {
    household: HouseholdId,
    person: PersonId,
    is_new: bool,
    /// As they are from now on; `None` removes.
    relative: Option<Relative>,
    removal_reason: String,
}

fn decode(service: &Service, given: &wire::Relative, reason: &str) -> Result<Wanted, Error> {
    let mut f = Fields::new();
    let removal_reason = f.text_optional("removal_reason", reason, LINE_CHARS_MAX);
    let wanted = f.within("relative", |f| {
        let household = f.parse("household_id", &given.household_id);
        let known = f.parse_optional("person_id", &given.person_id);
        let removal_reason = removal_reason?;
        let person = match known {
            Some(person) => person,
            None if removal_reason.is_empty() => PersonId(service.database.clock().new_id()),
            None => {
                f.violation(
                    "person_id",
                    "REQUIRED",
                    "the person who is a relative no more",
                );
                return None;
            }
        };
        let relative = match removal_reason.is_empty() {
            true => Some(read::relative(f, given, person)?),
            false => None,
        };
        Some(Wanted {
            household: household?,
            person,
            is_new: known.is_none(),
            relative,
            removal_reason,
        })
    });
    f.finish_with(wanted)
}
