//! Adds, changes or removes one member.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::{
    change::{self, Change},
    member::{self, Member},
};
use kernel::{HouseholdId, PersonId};
use proto::households::v1::{self as wire, PutMemberRequest, PutMemberResponse};

use super::{
    Service,
    edit::{Begun, Edit},
};
use crate::{
    convert::{self, View},
    read::{self, LINE_CHARS_MAX},
    store::{self, household::Household, member::New},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: PutMemberRequest,
) -> Result<PutMemberResponse, Error> {
    let given = request.member.clone().unwrap_or_default();
    let wanted = decode(service, &given, &request.removal_reason)?;
    let request_id = std::mem::take(&mut request.request_id);
    let version = request.version;
    let edit = service
        .edit(caller, "PutMember", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let mut household = edit.lock(wanted.household, version).await?;
    let mut members =
        store::member::of_household(&mut edit.tx, &service.sealer, household.id).await?;
    let (member, changes) = wanted
        .what
        .apply(&mut edit, service, &household, &mut members)
        .await?;
    household.settle(&members);
    edit.store(&mut household, changes).await?;

    let view = View::of(caller.principal.role);
    let response = PutMemberResponse {
        household: Some(convert::household(&household, view)),
        member: Some(convert::member(household.id, &member, view)),
    };
    edit.finish(response).await
}

struct Wanted {
    household: HouseholdId,
    what: What,
}

enum What {
    Add(Member),
    Change(Member),
    Remove(PersonId, String),
}

fn decode(service: &Service, given: &wire::Member, reason: &str) -> Result<Wanted, Error> {
    let mut f = Fields::new();
    let reason = f.text_optional("removal_reason", reason, LINE_CHARS_MAX);
    let wanted = f.within("member", |f| {
        let household = f.parse("household_id", &given.household_id);
        let person = f.parse_optional("person_id", &given.person_id);
        let what = match (reason?, person) {
            (reason, Some(person)) if !reason.is_empty() => Some(What::Remove(person, reason)),
            (reason, None) if !reason.is_empty() => {
                f.violation("person_id", "REQUIRED", "the person who leaves");
                None
            }
            (_, Some(person)) => read::member(f, given, person).map(What::Change),
            (_, None) => {
                let person = PersonId(service.database.clock().new_id());
                read::member(f, given, person).map(What::Add)
            }
        };
        Some(Wanted {
            household: household?,
            what: what?,
        })
    });
    f.finish_with(wanted)
}

impl What {
    /// The member as it is now, or was, and what changed.
    async fn apply(
        self,
        edit: &mut Edit,
        service: &Service,
        household: &Household,
        members: &mut Vec<Member>,
    ) -> Result<(Member, Vec<Change>), Error> {
        let (tx, sealer) = (&mut edit.tx, &service.sealer);
        let today = tx.today();
        let find = |members: &[Member], person| {
            let at = members.iter().position(|member| member.person == person);
            at.ok_or(Error::NotFound { what: "member" })
        };
        match self {
            Self::Add(member) => {
                members.push(member.clone());
                check(members, today)?;
                let new = New {
                    household: household.id,
                    division: household.profile.division,
                    position: i32::try_from(members.len()).unwrap_or(i32::MAX),
                    member: &member,
                };
                if store::member::insert(tx, sealer, &[new]).await?.is_empty() {
                    return Err(store::member::duplicate("member.id_number"));
                }
                let joined = change::joined(&member);
                Ok((member, vec![joined]))
            }
            Self::Change(member) => {
                let at = find(members, member.person)?;
                let old = std::mem::replace(&mut members[at], member.clone());
                check(members, today)?;
                store::member::update(tx, sealer, &[&member]).await?;
                let changes = change::of_member(&old, &member);
                Ok((member, changes))
            }
            Self::Remove(person, reason) => {
                let at = find(members, person)?;
                let old = members.remove(at);
                check(members, today)?;
                store::member::remove(tx, &[person], &reason).await?;
                let field = format!("{person}.reason");
                let changes = vec![change::left(&old), Change::new("member", field, "", reason)];
                Ok((old, changes))
            }
        }
    }
}

/// The rules are those of all members together; the request has one.
fn check(members: &[Member], today: chrono::NaiveDate) -> Result<(), Error> {
    let mut f = Fields::new();
    for mut flaw in member::flaws(members, today) {
        if let Some((_, field)) = flaw.field.split_once('.') {
            flaw.field = format!("member.{field}");
        }
        read::flaws(&mut f, vec![flaw]);
    }
    f.finish()
}
