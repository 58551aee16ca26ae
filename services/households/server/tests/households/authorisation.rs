//! Commitment and authorisation (S18): who signs, for how long, and when it ends.

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use chrono::Months;
use proto::households::v1::{households_service_server::HouseholdsService, *};

use kernel::Role;

use crate::desk::{Desk, SHA256, TOWNSHIP, by, cadre, error, family, id_number, service};

fn grant(desk: &Desk, person: &Member, signer: &Member) -> GrantAuthorisationRequest {
    GrantAuthorisationRequest {
        request_id: new_id().to_string(),
        authorisation: Some(Authorisation {
            household_id: person.household_id.clone(),
            person_id: person.person_id.clone(),
            signed_by_person_id: signer.person_id.clone(),
            items: (1..=9).collect(),
            purpose: "monitoring".to_owned(),
            text_version: "2021".to_owned(),
            signed_on: desk.today().to_string(),
            expires_on: (desk.today() + Months::new(12)).to_string(),
            evidence_sha256: SHA256.to_owned(),
            ..Authorisation::default()
        }),
    }
}

#[tokio::test]
async fn a_household_is_authorised_when_every_adult_is_and_until_one_withdraws() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let id = created.household.expect("a household").id;
    let members = created.members;
    let mut last = String::new();
    for adult in [&members[0], &members[1], &members[4]] {
        assert!(desk.facts(&id).await.items_covered.is_empty());
        let request = grant(&desk, adult, adult);
        let granted = desk
            .service
            .grant_authorisation(by(&cadre(), request))
            .await;
        last = granted
            .expect("granted")
            .into_inner()
            .authorisation
            .expect("one")
            .id;
    }
    let facts = desk.facts(&id).await;
    assert_eq!(
        (facts.persons_to_authorise, facts.persons_authorised),
        (3, 3)
    );
    assert_eq!(facts.items_covered.len(), 9);
    let persons = || async {
        let request = ListAuthorisedPersonsRequest {
            household_id: id.clone(),
            purpose: "monitoring".to_owned(),
        };
        let listed = desk
            .service
            .list_authorised_persons(by(&service(), request))
            .await;
        listed.expect("listed").into_inner()
    };
    assert_eq!(persons().await.persons.len(), 3);
    assert!(persons().await.gaps.is_empty());
    assert!(
        persons()
            .await
            .persons
            .iter()
            .any(|p| p.id_number == members[0].id_number)
    );

    let withdraw = || WithdrawAuthorisationRequest {
        request_id: new_id().to_string(),
        id: last.clone(),
        reason: "本人要求".to_owned(),
    };
    let withdrawn = desk
        .service
        .withdraw_authorisation(by(&cadre(), withdraw()))
        .await;
    withdrawn.expect("withdrawn");
    let left = persons().await;
    assert_eq!((left.persons.len(), left.gaps.len()), (2, 9));
    let is_withdrawn = |gap: &AuthorisationGap| gap.reason() == GapReason::Withdrawn;
    assert!(left.gaps.iter().all(is_withdrawn));
    assert_eq!(desk.facts(&id).await.persons_authorised, 2);
    match error(
        desk.service
            .withdraw_authorisation(by(&cadre(), withdraw()))
            .await,
    ) {
        Error::Refused(refusal) => assert_eq!(refusal.unmet[0].code, "NOT_WITHDRAWN_YET"),
        other => panic!("must be refused: {other:?}"),
    }
    // The others end with their year.
    desk.pass(367);
    assert!(persons().await.persons.is_empty());
    let request = ListAuthorisationsRequest {
        household_id: id.clone(),
    };
    let all = desk
        .service
        .list_authorisations(by(&cadre(), request))
        .await;
    assert_eq!(
        all.expect("listed").into_inner().authorisations.len(),
        3,
        "nothing is forgotten"
    );
    desk.close().await;
}

#[tokio::test]
async fn nobody_signs_for_an_adult_and_a_child_not_for_itself() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let (head, wife, child) = (
        &created.members[0],
        &created.members[1],
        &created.members[2],
    );
    for (person, signer, code) in [
        (head, wife, "SIGNED_BY_SELF"),
        (child, child, "SIGNED_BY_GUARDIAN"),
    ] {
        let request = grant(&desk, person, signer);
        match error(
            desk.service
                .grant_authorisation(by(&cadre(), request))
                .await,
        ) {
            Error::Refused(refusal) => {
                assert_eq!(
                    (refusal.unmet[0].rule, refusal.unmet[0].code),
                    ("S18", code)
                );
            }
            other => panic!("must be refused: {other:?}"),
        }
    }
    let request = grant(&desk, child, head);
    let granted = desk
        .service
        .grant_authorisation(by(&cadre(), request))
        .await;
    granted.expect("a guardian signs for a child");
    desk.close().await;
}

fn son(household: &Household, serial: u32) -> PutRelativeRequest {
    PutRelativeRequest {
        request_id: new_id().to_string(),
        version: household.version,
        relative: Some(Relative {
            household_id: household.id.clone(),
            name: "孙在外".to_owned(),
            id_number: id_number("19900101", serial),
            tie: Tie::Child.into(),
            ..Relative::default()
        }),
        removal_reason: String::new(),
    }
}

async fn allowed(desk: &Desk, household: &str) -> ListAuthorisedPersonsResponse {
    let request = ListAuthorisedPersonsRequest {
        household_id: household.to_owned(),
        purpose: "monitoring".to_owned(),
    };
    let listed = desk
        .service
        .list_authorised_persons(by(&service(), request))
        .await;
    listed.expect("listed").into_inner()
}

#[tokio::test]
async fn cmp2_a_relative_is_compared_with_an_authorisation_of_their_own() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let household = created.household.expect("a household");
    let put = |request| desk.service.put_relative(by(&cadre(), request));
    let request = son(&household, 901);
    let added = put(request.clone()).await.expect("added").into_inner();
    assert_eq!(put(request).await.expect("replayed").into_inner(), added);
    let (household, relative) = (added.household.expect("one"), added.relative.expect("one"));
    assert_eq!(
        desk.facts(&household.id).await.persons_to_authorise,
        3,
        "no member"
    );
    let of_son = |found: &ListAuthorisedPersonsResponse| {
        let gaps = found
            .gaps
            .iter()
            .filter(|gap| gap.person_id == relative.person_id);
        gaps.count()
    };
    assert_eq!(of_son(&allowed(&desk, &household.id).await), 9);

    // Nobody signs for him.
    let as_member = Member {
        person_id: relative.person_id.clone(),
        household_id: household.id.clone(),
        ..Member::default()
    };
    let by_head = grant(&desk, &as_member, &created.members[0]);
    match error(
        desk.service
            .grant_authorisation(by(&cadre(), by_head))
            .await,
    ) {
        Error::Refused(refusal) => assert_eq!(refusal.unmet[0].code, "SIGNED_BY_SELF"),
        other => panic!("must be refused: {other:?}"),
    }
    let own = grant(&desk, &as_member, &as_member);
    desk.service
        .grant_authorisation(by(&cadre(), own))
        .await
        .expect("granted");
    let found = allowed(&desk, &household.id).await;
    assert_eq!(of_son(&found), 0);
    let person = found
        .persons
        .iter()
        .find(|p| p.person_id == relative.person_id);
    let person = person.expect("he is asked about");
    assert_eq!((&*person.name, person.is_relative), ("孙在外", true));
    assert_eq!(person.id_number, id_number("19900101", 901));

    // A child, a member and the same again are none.
    for (serial, birth, code) in [
        (902, "20150101", "ADULT"),
        (901, "19900101", "DUPLICATE_ID_NUMBER"),
    ] {
        let mut request = son(&household, serial);
        request.relative.as_mut().expect("one").id_number = id_number(birth, serial);
        match error(put(request).await) {
            Error::Invalid(violations) => {
                assert_eq!(
                    (&*violations[0].field, &*violations[0].code),
                    ("relative.id_number", code)
                );
            }
            other => panic!("must be refused: {other:?}"),
        }
    }
    // He leaves: he is asked about no more.
    let leave = PutRelativeRequest {
        request_id: new_id().to_string(),
        version: household.version,
        relative: Some(relative.clone()),
        removal_reason: "已故".to_owned(),
    };
    put(leave).await.expect("removed");
    let found = allowed(&desk, &household.id).await;
    assert!(found.persons.is_empty() && of_son(&found) == 0);
    let list = BatchListRelativesRequest {
        household_ids: vec![household.id.clone()],
    };
    let listed = desk.service.batch_list_relatives(by(&cadre(), list)).await;
    assert_eq!(listed.expect("listed").into_inner().relatives, []);
    let mut owner = desk.test.owner().await;
    let history: String = sqlx::query_scalar(
        "select string_agg(old_value || new_value, ' ') from households.changes where entity = 'relative'",
    )
    .fetch_one(&mut owner)
    .await
    .expect("a history");
    assert!(
        history.contains("已故") && !history.contains(&id_number("19900101", 901)),
        "{history}"
    );
    desk.close().await;
}

#[tokio::test]
async fn a_lost_relative_is_excused_by_the_township_only() {
    let desk = Desk::open().await;
    let household = desk.create(family(1)).await.household.expect("a household");
    let mut request = son(&household, 903);
    request.relative.as_mut().expect("one").excused_reason = "失联多年".to_owned();
    let denied = error(
        desk.service
            .put_relative(by(&cadre(), request.clone()))
            .await,
    );
    assert!(matches!(denied, Error::PermissionDenied), "{denied:?}");
    let township = caller(Role::TownshipOffice, TOWNSHIP);
    desk.service
        .put_relative(by(&township, request))
        .await
        .expect("excused");
    assert!(
        allowed(&desk, &household.id)
            .await
            .gaps
            .iter()
            .all(|gap| { gap.reason() == GapReason::NotGiven })
    );
    assert_eq!(
        allowed(&desk, &household.id).await.gaps.len(),
        27,
        "of the three adults only"
    );
    desk.close().await;
}

#[tokio::test]
async fn cmp10_papers_are_drawn_by_lot_and_a_defective_one_counts_no_longer() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let head = &created.members[0];
    let household = created.household.expect("a household").id;
    let granted = desk
        .service
        .grant_authorisation(by(&cadre(), grant(&desk, head, head)))
        .await;
    granted.expect("granted");
    let township = caller(Role::TownshipOffice, TOWNSHIP);
    let draw = |count| DrawAuthorisationsRequest {
        count,
        ..DrawAuthorisationsRequest::default()
    };
    let drawn = desk
        .service
        .draw_authorisations(by(&township, draw(5)))
        .await;
    let drawn = drawn.expect("drawn").into_inner().authorisations;
    assert_eq!(drawn.len(), 1);
    let elsewhere = caller(Role::TownshipOffice, "999999002000");
    let none = desk
        .service
        .draw_authorisations(by(&elsewhere, draw(0)))
        .await;
    assert_eq!(none.expect("drawn").into_inner().authorisations, []);
    let many = error(
        desk.service
            .draw_authorisations(by(&township, draw(51)))
            .await,
    );
    assert!(matches!(many, Error::Invalid(_)), "{many:?}");
    let denied = error(
        desk.service
            .draw_authorisations(by(&cadre(), draw(1)))
            .await,
    );
    assert!(matches!(denied, Error::PermissionDenied), "{denied:?}");

    let check = |outcome: CheckOutcome, note: &str| CheckAuthorisationRequest {
        request_id: new_id().to_string(),
        id: drawn[0].id.clone(),
        outcome: outcome.into(),
        note: note.to_owned(),
    };
    let silent = check(CheckOutcome::Defective, "");
    let silent = error(
        desk.service
            .check_authorisation(by(&township, silent))
            .await,
    );
    assert!(matches!(silent, Error::Invalid(_)), "{silent:?}");
    let found = check(CheckOutcome::Defective, "无本人签名");
    let checked = desk.service.check_authorisation(by(&township, found)).await;
    let checked = checked
        .expect("checked")
        .into_inner()
        .authorisation
        .expect("one");
    assert_eq!(
        (&*checked.check_note, checked.check_outcome()),
        ("无本人签名", CheckOutcome::Defective)
    );
    assert_eq!(checked.checked_by, township.principal.subject);
    assert_eq!(checked.withdrawn_on, desk.today().to_string());
    assert!(allowed(&desk, &household).await.persons.is_empty());
    let again = check(CheckOutcome::InOrder, "");
    match error(desk.service.check_authorisation(by(&township, again)).await) {
        Error::Refused(refusal) => assert_eq!(refusal.unmet[0].code, "NOT_CHECKED_YET"),
        other => panic!("must be refused: {other:?}"),
    }
    let left = desk
        .service
        .draw_authorisations(by(&township, draw(5)))
        .await;
    assert_eq!(left.expect("drawn").into_inner().authorisations, []);
    desk.close().await;
}
