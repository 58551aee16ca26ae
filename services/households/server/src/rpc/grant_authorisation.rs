//! Records one person's commitment and authorisation (S18).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use households_core::authorisation::{self, Authorisation};
use kernel::{AuthorisationId, Code, HouseholdId, ItemKind};
use proto::households::v1::{self as wire, GrantAuthorisationRequest, GrantAuthorisationResponse};

use super::{Service, edit::Begun};
use crate::{
    convert, item,
    read::WORD_CHARS_MAX,
    store::{self, authorisation::Stored},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: GrantAuthorisationRequest,
) -> Result<GrantAuthorisationResponse, Error> {
    let given = request.authorisation.clone().unwrap_or_default();
    let id = AuthorisationId(service.database.clock().new_id());
    let (household, authorisation) = decode(&given, id)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "GrantAuthorisation", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let tx = &mut edit.tx;
    let household = store::household::lock(tx, &service.sealer, household).await?;
    let members = store::member::of_household(tx, &service.sealer, household.id).await?;
    let relatives = store::relative::of_household(tx, &service.sealer, household.id).await?;
    authorisation::check(&authorisation, &members, &relatives, tx.today())?;
    let stored = Stored {
        household: household.id,
        division: household.profile.division,
        authorisation,
    };
    store::authorisation::insert(tx, &stored).await?;
    item::authorisation(tx, item::AUTHORISATION_GRANTED, &stored);
    edit.finish(GrantAuthorisationResponse {
        authorisation: Some(convert::authorisation(&stored)),
    })
    .await
}

fn decode(
    given: &wire::Authorisation,
    id: AuthorisationId,
) -> Result<(HouseholdId, Authorisation), Error> {
    let mut f = Fields::new();
    let decoded = f.within("authorisation", |f| {
        let household = f.parse("household_id", &given.household_id);
        let person = f.parse("person_id", &given.person_id);
        let signed_by = f.parse("signed_by_person_id", &given.signed_by_person_id);
        f.at_most("items", given.items.len(), ItemKind::ALL.len());
        let items: Vec<ItemKind> = (0..)
            .zip(given.items.iter().take(ItemKind::ALL.len()))
            .filter_map(|(at, item): (usize, _)| {
                f.code(&format!("items[{at}]"), codes::item_kind(*item))
            })
            .collect();
        // In the order of the list, each once.
        let items = ItemKind::ALL
            .iter()
            .copied()
            .filter(|item| items.contains(item));
        let purpose = f.text("purpose", &given.purpose, WORD_CHARS_MAX);
        let text_version = f.text("text_version", &given.text_version, WORD_CHARS_MAX);
        let signed_on = f.date("signed_on", &given.signed_on);
        let expires_on = f.date("expires_on", &given.expires_on);
        let evidence_sha256 = f.sha256("evidence_sha256", &given.evidence_sha256);
        let authorisation = Authorisation {
            id,
            person: person?,
            signed_by: signed_by?,
            items: items.collect(),
            purpose: purpose?,
            text_version: text_version?,
            signed_on: signed_on?,
            expires_on: expires_on?,
            withdrawn_on: None,
            evidence_sha256: evidence_sha256?,
            by_fingerprint: given.by_fingerprint,
            check: None,
        };
        Some((household?, authorisation))
    });
    f.finish_with(decoded)
}
