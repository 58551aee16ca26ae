//! Out of scope is not found, in the API and in the database itself.

use chassis::{
    error::Error,
    testing::{caller, new_id},
};
use households::access::ACCESS;
use kernel::{Code, Role};
use proto::households::v1::{households_service_server::HouseholdsService, *};
use sqlx::Row as _;

use crate::desk::{Desk, VILLAGE, admin, by, cadre, error, family, id_number, service};

#[tokio::test]
async fn a_stranger_finds_nothing_and_changes_nothing() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let id = created.household.expect("a household").id;
    for (role, division) in [
        (Role::TownshipOffice, "999999002000"),
        (Role::VillageCadre, "999999001002"),
        (Role::CountyOfficer, "999998000000"),
    ] {
        let stranger = caller(role, division);
        assert_eq!(desk.household(&stranger, &id).await, None);
        assert_eq!(desk.members(&stranger, &id).await, []);
        let list = ListHouseholdsRequest {
            with_total: true,
            ..ListHouseholdsRequest::default()
        };
        let list = desk.service.list_households(by(&stranger, list)).await;
        let list = list.expect("listed").into_inner();
        assert_eq!((list.households.len(), list.total_count), (0, 0));
        let find = FindHouseholdRequest {
            id_number: id_number("19800101", 1),
        };
        let risks = PutRisksRequest {
            request_id: new_id().to_string(),
            household_id: id.clone(),
            risks: Vec::new(),
        };
        let facts = GetCaseFactsRequest {
            household_id: id.clone(),
            as_of: String::new(),
        };
        let history = ListHistoryRequest {
            household_id: id.clone(),
            page: None,
        };
        let s = &desk.service;
        for answer in [
            error(s.find_household(by(&stranger, find)).await),
            error(s.put_risks(by(&stranger, risks)).await),
            error(s.get_case_facts(by(&stranger, facts)).await),
            error(s.list_history(by(&stranger, history)).await),
        ] {
            assert!(
                matches!(answer, Error::NotFound { what: "household" }),
                "{answer:?}"
            );
        }
    }
    let found = desk
        .household(&cadre(), &id)
        .await
        .expect("the village sees it");
    assert_eq!(found.version, 1);
    desk.close().await;
}

#[tokio::test]
async fn roles_without_need_see_masked_persons() {
    let desk = Desk::open().await;
    let id = desk
        .create(family(1))
        .await
        .household
        .expect("a household")
        .id;
    for role in Role::ALL {
        let caller = caller(*role, VILLAGE);
        let request = BatchListMembersRequest {
            household_ids: vec![id.clone()],
        };
        let Ok(members) = desk.service.batch_list_members(by(&caller, request)).await else {
            continue;
        };
        let head = members.into_inner().members.swap_remove(0);
        let household = desk.household(&caller, &id).await.expect("found");
        if role.sees_personal_data() {
            assert_eq!(
                (&*head.name, &*household.phone),
                ("赵甲", "13800000000"),
                "{role}"
            );
        } else {
            assert_eq!((&*head.name, &*household.phone), ("赵*", ""), "{role}");
            assert!(
                head.id_number.contains('*') && head.health.is_empty(),
                "{role}"
            );
        }
    }
    desk.close().await;
}

#[tokio::test]
async fn the_database_itself_shows_no_row_without_a_scope_and_no_number_in_the_clear() {
    let desk = Desk::open().await;
    desk.create(family(1)).await;
    let mut owner = desk.test.owner().await;
    let tables = sqlx::query(
        "select relname::text, relrowsecurity and relforcerowsecurity from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where nspname = 'households' and relkind = 'r'
           and exists (select from pg_attribute a where a.attrelid = c.oid
                       and a.attname = 'division_code')",
    );
    let tables = tables.fetch_all(&mut owner).await.expect("tables");
    assert!(tables.len() >= 9);
    for table in &tables {
        let (name, forced): (String, bool) = (table.get(0), table.get(1));
        assert!(forced, "{name} shows its rows to everybody");
    }
    sqlx::query("set role backstop_households")
        .execute(&mut owner)
        .await
        .expect("role");
    for table in &tables {
        let name: String = table.get(0);
        let count = format!("select count(*) from households.{name}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .fetch_one(&mut owner)
            .await
            .expect("counted");
        assert_eq!(count, 0, "{name} without a scope");
    }
    sqlx::query("reset role")
        .execute(&mut owner)
        .await
        .expect("role");
    let number = id_number("19800101", 1);
    let dump: String = sqlx::query_scalar(
        "select string_agg(m::text, '') || (select string_agg(h::text, '')
                from households.households h)
         from households.members m",
    )
    .fetch_one(&mut owner)
    .await
    .expect("rows");
    let hex = hex::encode(number.as_bytes());
    assert!(
        !dump.contains(&number) && !dump.contains(&hex),
        "an ID number in the clear"
    );
    assert!(!dump.contains("13800000000"), "a phone in the clear");
    let response: Vec<u8> =
        sqlx::query_scalar("select response from households.idempotency limit 1")
            .fetch_one(&mut owner)
            .await
            .expect("a remembered answer");
    let found = response
        .windows(number.len())
        .any(|window| window == number.as_bytes());
    assert!(!found, "an ID number in a remembered answer");
    desk.close().await;
}

#[tokio::test]
async fn only_services_turn_numbers_into_persons() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await;
    let lookup = || LookupPersonsRequest {
        id_numbers: vec![
            id_number("19990101", 9),
            id_number("19800101", 1),
            "nonsense".to_owned(),
        ],
    };
    let found = desk.service.lookup_persons(by(&service(), lookup())).await;
    let persons = found.expect("found").into_inner().persons;
    let ids: Vec<&str> = persons.iter().map(|person| &*person.person_id).collect();
    assert_eq!(ids, ["", &created.members[0].person_id, ""]);
    assert_eq!(persons[1].division_code, VILLAGE);
    let answer = error(desk.service.lookup_persons(by(&admin(), lookup())).await);
    assert!(matches!(answer, Error::PermissionDenied), "{answer:?}");
    for (rpc, roles) in ACCESS {
        assert!(!roles.contains(&Role::Farmer), "{rpc}");
    }
    let nobody = tonic::Request::new(ListDivisionsRequest::default());
    let answer = error(desk.service.list_divisions(nobody).await);
    assert!(matches!(answer, Error::Unauthenticated), "{answer:?}");
    desk.close().await;
}

#[tokio::test]
async fn pub4_a_notice_gets_masked_names_and_groups_and_only_for_services() {
    let desk = Desk::open().await;
    let created = desk.create(family(1)).await.household.expect("a household");
    let request = || BatchGetNoticeSubjectsRequest {
        household_ids: vec![created.id.clone(), new_id().to_string()],
    };
    let s = &desk.service;
    let found = s.batch_get_notice_subjects(by(&service(), request())).await;
    let subjects = found.expect("found").into_inner().subjects;
    assert_eq!(
        subjects,
        [NoticeSubject {
            household_id: created.id.clone(),
            masked_name: "赵*".to_owned(),
            group_number: created.group_number,
        }]
    );
    for role in Role::ALL.iter().filter(|role| **role != Role::Service) {
        let caller = caller(*role, VILLAGE);
        let answer = error(s.batch_get_notice_subjects(by(&caller, request())).await);
        assert!(
            matches!(answer, Error::PermissionDenied),
            "{role}: {answer:?}"
        );
    }
    let many = BatchGetNoticeSubjectsRequest {
        household_ids: vec![created.id.clone(); 101],
    };
    let answer = error(s.batch_get_notice_subjects(by(&service(), many)).await);
    assert!(matches!(answer, Error::Invalid(_)), "{answer:?}");
    desk.close().await;
}
