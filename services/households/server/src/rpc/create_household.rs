//! Creates a household with its members (REG-1, REG-2).

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::{
    change::{self, Change},
    household::Profile,
    member::{self, MEMBERS_MAX, Member},
};
use kernel::PersonId;
use proto::households::v1::{CreateHouseholdRequest, CreateHouseholdResponse};

use super::{
    Service,
    edit::{self, Begun},
};
use crate::{
    convert::{self, View},
    item, read,
    store::{self, household::Household, member::New},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: CreateHouseholdRequest,
) -> Result<CreateHouseholdResponse, Error> {
    let (profile, members) = decode(service, &request)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "CreateHousehold", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let (tx, sealer) = (&mut edit.tx, &service.sealer);
    edit::check_references(tx, &profile).await?;
    let mut household = Household::new(tx, profile);
    household.settle(&members);
    if store::household::insert(tx, sealer, &[&household])
        .await?
        .is_empty()
    {
        return Err(store::household::taken());
    }
    let division = household.profile.division;
    let rows: Vec<New<'_>> = members
        .iter()
        .zip(0..)
        .map(|(member, position)| New {
            household: household.id,
            division,
            position,
            member,
        })
        .collect();
    let joined = store::member::insert(tx, sealer, &rows).await?;
    let missing = members
        .iter()
        .position(|member| !joined.contains(&member.person));
    if let Some(at) = missing {
        return Err(store::member::duplicate(&format!(
            "members[{at}].id_number"
        )));
    }
    let number = household.profile.national_number.clone();
    let mut changes = vec![Change::new("household", "created", "", number)];
    changes.extend(members.iter().map(change::joined));
    item::household(tx, item::HOUSEHOLD_CREATED, &household, &["household"]);
    edit.record(&household, changes).await?;

    let view = View::of(caller.principal.role);
    let shown = members
        .iter()
        .map(|member| convert::member(household.id, member, view));
    let response = CreateHouseholdResponse {
        household: Some(convert::household(&household, view)),
        members: shown.collect(),
    };
    edit.finish(response).await
}

fn decode(
    service: &Service,
    request: &CreateHouseholdRequest,
) -> Result<(Profile, Vec<Member>), Error> {
    let clock = service.database.clock();
    let mut f = Fields::new();
    let given = request.household.clone().unwrap_or_default();
    let profile = f.within("household", |f| {
        let division = f.parse("division_code", &given.division_code);
        let risks = read::risks(f, &given.risks);
        read::profile(f, &given, division, risks)
    });
    f.at_most("members", request.members.len(), MEMBERS_MAX);
    let members = request.members.iter().take(MEMBERS_MAX).enumerate();
    let members: Vec<Option<Member>> = members
        .map(|(at, given)| {
            f.within(format_args!("members[{at}]"), |f| {
                read::member(f, given, PersonId(clock.new_id()))
            })
        })
        .collect();
    let members: Option<Vec<Member>> = members.into_iter().collect();
    if let Some(members) = &members {
        read::flaws(&mut f, member::flaws(members, clock.today()));
    }
    f.finish_with(profile.zip(members))
}
