//! Commitment and authorisation (S18): who signs, for how long, and when it ends.

use chassis::{error::Error, testing::new_id};
use chrono::Months;
use proto::households::v1::{households_service_server::HouseholdsService, *};

use crate::desk::{Desk, SHA256, by, cadre, error, family, service};

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
