//! Households and members: created, changed, found, remembered.

use chassis::{
    error::Error,
    feed::{self, Filter},
    testing::new_id,
};
use proto::{
    households::v1::{households_service_server::HouseholdsService, *},
    r#type::v1::{NoticePlaceKind, Origin, Risk, RiskType, SubjectClass},
};

use crate::desk::{
    Desk, VILLAGE, admin, by, cadre, error, family, id_number, person, place, service, wrong,
};

#[tokio::test]
async fn a_household_is_created_found_and_told_of() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let household = created.household.expect("a household");
    assert_eq!((household.member_count, household.version), (5, 1));
    assert_eq!(household.head_name, "赵甲");
    assert_eq!(household.subject_class(), SubjectClass::General);
    let members = desk.members(&cadre(), &household.id).await;
    let names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
    assert_eq!(names, ["赵甲", "钱乙", "赵丙", "赵丁", "孙戊"]);
    assert_eq!(members, created.members);

    // As written by hand: lower-case check character, full-width digits.
    let number = id_number("19800101", 1).to_lowercase();
    let wide = |c: char| match c.to_digit(10) {
        Some(digit) => char::from_u32('０' as u32 + digit).expect("a digit"),
        None => c,
    };
    let request = FindHouseholdRequest {
        id_number: number.chars().map(wide).collect(),
    };
    let found = desk.service.find_household(by(&cadre(), request)).await;
    let found = found.expect("found").into_inner();
    assert_eq!(found.household.expect("a household").id, household.id);
    assert_eq!(found.person_id, members[0].person_id);

    let mut tx = desk.database.read(&cadre()).await.expect("begun");
    let filter = Filter::default();
    let items = feed::page(&mut tx, 0, &filter, 10)
        .await
        .expect("items")
        .items;
    drop(tx);
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].kind, "household.created");
    let payload = items[0].payload.clone().unwrap_or_default();
    let text = String::from_utf8_lossy(&payload);
    assert!(
        !text.contains("赵甲") && !text.contains("19800101"),
        "personal data in the feed"
    );
    desk.close().await;
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_one_household() {
    let desk = Desk::open().await;
    let request = family(1);
    let first = desk.create(request.clone()).await;
    assert_eq!(desk.create(request.clone()).await, first);
    let mut other = request;
    other.members[0].name = "赵庚".to_owned();
    let answer = error(desk.service.create_household(by(&cadre(), other)).await);
    assert!(matches!(answer, Error::IdempotencyKeyReused), "{answer:?}");
    let list = ListHouseholdsRequest {
        with_total: true,
        ..ListHouseholdsRequest::default()
    };
    let list = desk.service.list_households(by(&cadre(), list)).await;
    assert_eq!(list.expect("listed").into_inner().total_count, 1);
    desk.close().await;
}

#[tokio::test]
async fn nobody_is_in_two_households_and_whose_member_somebody_is_stays_unsaid() {
    let desk = Desk::open().await;
    desk.create(family(1)).await;
    let mut second = family(50);
    second.members[2] = person("李己", "之子", id_number("19800101", 1));
    let answer = wrong(
        desk.service
            .create_household(by(&cadre(), second.clone()))
            .await,
    );
    assert_eq!(answer, ["members[2].id_number DUPLICATE_ID_NUMBER"]);
    // From a village that does not see the first one: the same words.
    second.household.as_mut().expect("given").division_code = "999999001002".to_owned();
    let stranger = chassis::testing::caller(kernel::Role::VillageCadre, "999999001002");
    let answer = wrong(desk.service.create_household(by(&stranger, second)).await);
    assert_eq!(answer, ["members[2].id_number DUPLICATE_ID_NUMBER"]);
    let list = ListHouseholdsRequest {
        with_total: true,
        ..ListHouseholdsRequest::default()
    };
    let list = desk.service.list_households(by(&admin(), list)).await;
    assert_eq!(
        list.expect("listed").into_inner().total_count,
        1,
        "nothing half-written"
    );
    desk.close().await;
}

#[tokio::test]
async fn members_come_change_and_go_and_who_did_it_is_known() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let id = created.household.expect("a household").id;
    let put = |version, member: Member, reason: &str| PutMemberRequest {
        request_id: new_id().to_string(),
        version,
        member: Some(Member {
            household_id: id.clone(),
            ..member
        }),
        removal_reason: reason.to_owned(),
    };
    let baby = person("赵辛", "之女", id_number("20240101", 2));
    let added = desk
        .service
        .put_member(by(&cadre(), put(1, baby, "")))
        .await;
    let added = added.expect("added").into_inner();
    let household = added.household.expect("a household");
    assert_eq!((household.member_count, household.version), (6, 2));

    let mut wife = created.members[1].clone();
    wife.resident = false;
    wife.registered = false;
    let stale = error(
        desk.service
            .put_member(by(&cadre(), put(1, wife.clone(), "")))
            .await,
    );
    assert!(
        matches!(stale, Error::VersionConflict { current: 2, .. }),
        "{stale:?}"
    );
    let changed = desk
        .service
        .put_member(by(&cadre(), put(2, wife.clone(), "")))
        .await;
    let changed = changed.expect("changed").into_inner();
    assert_eq!(
        changed.household.expect("a household").member_count,
        5,
        "she does not count"
    );

    let head = created.members[0].clone();
    let answer = wrong(
        desk.service
            .put_member(by(&cadre(), put(3, head, "迁出")))
            .await,
    );
    assert_eq!(answer, ["members EXACTLY_ONE_HEAD"]);
    let gone = desk
        .service
        .put_member(by(&cadre(), put(3, wife.clone(), "外嫁")))
        .await;
    gone.expect("removed");
    assert_eq!(desk.members(&cadre(), &id).await.len(), 5);

    let history = desk.history(&cadre(), &id).await;
    let child = &added.member.expect("a member").person_id;
    for expected in [
        format!("member {child}.member →赵辛"),
        format!("member {}.resident true→false", wife.person_id),
        format!("member {}.member 钱乙→", wife.person_id),
        format!("member {}.reason →外嫁", wife.person_id),
    ] {
        assert!(history.contains(&expected), "{expected}: {history:#?}");
    }
    // She may join another household now, as the same person.
    let mut next = family(50);
    next.members[1] = person("钱乙", "配偶", id_number("19820202", 2));
    desk.create(next).await;
    desk.close().await;
}

#[tokio::test]
async fn a_household_s_own_fields_change_with_their_history() {
    let desk = Desk::open().await;
    let id = desk
        .create(family(1))
        .await
        .household
        .expect("a household")
        .id;
    let update = |version, change: &dyn Fn(&mut Household)| {
        let mut household = Household {
            id: id.clone(),
            version,
            origin: Origin::General.into(),
            phone: "13800000000".to_owned(),
            address: "村东头".to_owned(),
            ..Household::default()
        };
        change(&mut household);
        UpdateHouseholdRequest {
            request_id: new_id().to_string(),
            household: Some(household),
        }
    };
    let same = desk
        .service
        .update_household(by(&cadre(), update(1, &|_| {})))
        .await;
    let same = same
        .expect("updated")
        .into_inner()
        .household
        .expect("a household");
    assert_eq!(same.version, 1, "nothing was changed");
    let lifted = update(1, &|h| {
        h.origin = Origin::FormerlyRegistered.into();
        h.lifted_year = 2018;
        h.national_number = "H-1".to_owned();
    });
    let lifted = desk.service.update_household(by(&cadre(), lifted)).await;
    let lifted = lifted
        .expect("updated")
        .into_inner()
        .household
        .expect("a household");
    assert_eq!(lifted.subject_class(), SubjectClass::Former);
    let site = update(2, &|h| {
        h.relocation_site_id = new_id().to_string();
        h.lifted_year = 2018;
    });
    let answer = wrong(desk.service.update_household(by(&cadre(), site)).await);
    assert_eq!(answer, ["household.lifted_year LIFTED_YEAR"]);

    let risks = PutRisksRequest {
        request_id: new_id().to_string(),
        household_id: id.clone(),
        risks: vec![Risk {
            r#type: RiskType::Illness.into(),
            ..Risk::default()
        }],
    };
    let risks = desk.service.put_risks(by(&cadre(), risks)).await;
    assert_eq!(
        risks
            .expect("put")
            .into_inner()
            .household
            .expect("one")
            .risks
            .len(),
        1
    );
    let history = desk.history(&cadre(), &id).await;
    assert!(
        history.contains(&"household national_number →H-1".to_owned()),
        "{history:#?}"
    );
    assert!(
        history.contains(&"household risks →ILLNESS".to_owned()),
        "{history:#?}"
    );
    // An auditor sees that something was changed, not what was said of the family.
    let auditor = chassis::testing::caller(kernel::Role::SystemAdmin, VILLAGE);
    let request = ListHistoryRequest {
        household_id: id.clone(),
        page: None,
    };
    let answer = error(desk.service.list_history(by(&auditor, request)).await);
    assert!(matches!(answer, Error::PermissionDenied), "{answer:?}");

    let mut second = family(50);
    second.household.as_mut().expect("given").national_number = "H-1".to_owned();
    let answer = wrong(desk.service.create_household(by(&cadre(), second)).await);
    assert_eq!(
        answer,
        ["household.national_number DUPLICATE_NATIONAL_NUMBER"]
    );
    desk.close().await;
}

#[tokio::test]
async fn pages_walk_every_household_once_in_order() {
    let desk = Desk::open().await;
    for serial in 0..7 {
        let mut family = family(serial * 10);
        let household = family.household.as_mut().expect("given");
        household.national_number = format!("H-{}", 9 - serial);
        desk.create(family).await;
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListHouseholdsRequest {
            page: Some(proto::r#type::v1::PageRequest {
                page_size: 3,
                page_token: token,
            }),
            head_name_contains: "赵甲".to_owned(),
            ..ListHouseholdsRequest::default()
        };
        let page = desk.service.list_households(by(&cadre(), request)).await;
        let page = page.expect("listed").into_inner();
        seen.extend(page.households.into_iter().map(|h| h.national_number));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["H-3", "H-4", "H-5", "H-6", "H-7", "H-8", "H-9"]);
    // A token of one list is not one of another.
    let request = ListHouseholdsRequest {
        page: Some(proto::r#type::v1::PageRequest {
            page_size: 3,
            page_token: "eyJhIjoxfQ".to_owned(),
        }),
        ..ListHouseholdsRequest::default()
    };
    let answer = error(desk.service.list_households(by(&cadre(), request)).await);
    assert!(matches!(answer, Error::CursorInvalid), "{answer:?}");
    desk.close().await;
}

#[tokio::test]
async fn notices_hang_at_the_committee_and_at_every_concentration_of_twenty() {
    let desk = Desk::open().await;
    let put = |request| desk.service.put_notice_place(by(&cadre(), request));
    put(place(NoticePlaceKind::Committee, 0))
        .await
        .expect("put");
    put(place(NoticePlaceKind::Concentration, 19))
        .await
        .expect("put");
    put(place(NoticePlaceKind::Concentration, 20))
        .await
        .expect("put");
    let answer = put(place(NoticePlaceKind::Committee, 0)).await;
    assert_eq!(wrong(answer), ["place.kind SECOND_COMMITTEE"]);
    let id = desk
        .create(family(1))
        .await
        .household
        .expect("a household")
        .id;
    let facts = desk.facts(&id).await;
    let counts: Vec<i32> = facts
        .required_places
        .iter()
        .map(|p| p.household_count)
        .collect();
    assert_eq!(counts, [0, 20], "S30");
    let request = ListNoticePlacesRequest {
        division_code: VILLAGE.to_owned(),
    };
    let places = desk
        .service
        .list_notice_places(by(&service(), request))
        .await;
    assert_eq!(places.expect("listed").into_inner().places.len(), 3);
    desk.close().await;
}
