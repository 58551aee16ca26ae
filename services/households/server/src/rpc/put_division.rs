//! Creates a division or changes its name, validity or groups. The same twice changes nothing, so
//! it needs no idempotency key.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::household::GROUP_NUMBER_MAX;
use kernel::{DivisionCode, DivisionLevel};
use proto::households::v1::{self as wire, PutDivisionRequest, PutDivisionResponse};

use super::Service;
use crate::{
    convert,
    read::NAME_CHARS_MAX,
    store::{
        self,
        division::{Division, Group},
    },
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: PutDivisionRequest,
) -> Result<PutDivisionResponse, Error> {
    let division = decode(&request.division.unwrap_or_default())?;
    if !caller.principal.scope.sees(&division.code, None) {
        return Err(Error::NotFound { what: "division" });
    }
    let mut tx = service.database.begin(caller).await?;
    // The county itself lies in nothing that the registry keeps.
    let parent = division.code.parent();
    if let Some(parent) = parent.filter(|parent| caller.principal.scope.sees(parent, None))
        && !store::division::exists(&mut tx, parent).await?
    {
        return Err(Error::invalid(
            "division.code",
            "UNKNOWN_PARENT",
            "a code whose parent division exists",
        ));
    }
    let known = store::division::lock(&mut tx, division.code).await?;
    if known.is_some_and(|known| known.merged_into.is_some()) {
        return Err(Error::invalid(
            "division.code",
            "VALID_TODAY",
            "a division that was not merged into another",
        ));
    }
    store::division::put(&mut tx, &division).await?;
    tx.commit().await?;
    Ok(PutDivisionResponse {
        division: Some(convert::division(&division)),
    })
}

fn decode(given: &wire::Division) -> Result<Division, Error> {
    let mut f = Fields::new();
    let division = f.within("division", |f| {
        let code: Option<DivisionCode> = f.parse("code", &given.code);
        let name = f.text("name", &given.name, NAME_CHARS_MAX);
        let valid_from = f.date("valid_from", &given.valid_from);
        let valid_to = f.date_optional("valid_to", &given.valid_to);
        if valid_to < valid_from && valid_to.is_some() {
            f.violation("valid_to", "BEFORE_START", "valid_from or later");
        }
        let village = code.is_none_or(|code| code.level() == DivisionLevel::Village);
        if !village && !given.groups.is_empty() {
            f.violation("groups", "VILLAGE", "groups of a village only");
        }
        let groups = groups(f, &given.groups);
        Some(Division {
            code: code?,
            name: name?,
            valid_from: valid_from?,
            valid_to,
            groups,
            merged_into: None,
        })
    });
    f.finish_with(division)
}

fn groups(f: &mut Fields, given: &[wire::VillageGroup]) -> Vec<Group> {
    // Numbers are unique and bounded, so this bounds the list as well.
    let most = usize::try_from(GROUP_NUMBER_MAX).unwrap_or(usize::MAX);
    f.at_most("groups", given.len(), most);
    let mut groups: Vec<Group> = Vec::new();
    for (at, group) in given.iter().take(most).enumerate() {
        f.within(format_args!("groups[{at}]"), |f| {
            let name = f.text("name", &group.name, NAME_CHARS_MAX);
            let number = u32::try_from(group.number).unwrap_or(0);
            let known = groups.iter().any(|known| known.number == number);
            if known || !(1..=GROUP_NUMBER_MAX).contains(&number) {
                f.violation("number", "GROUP_NUMBER", "1 to 99, each once");
            } else if let Some(name) = name {
                groups.push(Group { number, name });
            }
        });
    }
    groups.sort_by_key(|group| group.number);
    groups
}
