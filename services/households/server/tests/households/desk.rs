//! The service on a database of its own, with a clock that can be moved, and the calls that the
//! tests make.

use std::collections::HashMap;

use chassis::{
    auth::Caller,
    clock::{Clock, ClockShift},
    error::Error,
    pg::Database,
    secret::SecretKey,
    testing::{TestDatabase, caller, new_id},
};
use chrono::{Duration, NaiveDate};
use households::{MIGRATOR, NAME, SealKeys, Sealer, Service};
use kernel::{IdNumber, Month, Role};
use proto::{
    households::v1::{households_service_server::HouseholdsService, *},
    r#type::v1::{LabourCapacity, NoticePlaceKind, Origin},
};
use tonic::{Request, Response, Status};

pub const COUNTY: &str = "999999000000";
pub const TOWNSHIP: &str = "999999001000";
pub const VILLAGE: &str = "999999001001";
pub const OTHER_VILLAGE: &str = "999999001002";
pub const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub struct Desk {
    pub test: TestDatabase,
    pub database: Database,
    pub service: Service,
    pub clock: Clock,
    shift: ClockShift,
}

pub fn key(byte: u8) -> SecretKey {
    SecretKey::new([byte; 32])
}

impl Desk {
    /// A county with a township, two villages and a monitoring line of 8 700 yuan.
    pub async fn open() -> Self {
        let test = TestDatabase::create().await;
        let (clock, shift) = Clock::shiftable();
        let database = test.service(NAME, &MIGRATOR, &clock).await;
        let keys = SealKeys {
            current: "k1".to_owned(),
            keys: HashMap::from([("k1".to_owned(), key(1))])
                .into_iter()
                .collect(),
        };
        let sealer = Sealer::new(&keys, &key(2)).expect("keys");
        let desk = Self {
            service: Service::new(database.clone(), sealer),
            test,
            database,
            clock,
            shift,
        };
        for (code, name) in [
            (COUNTY, "测试县"),
            (TOWNSHIP, "一镇"),
            (VILLAGE, "一村"),
            (OTHER_VILLAGE, "二村"),
        ] {
            desk.put_division(code, name).await;
        }
        let line = MonitoringLine {
            division_code: COUNTY.to_owned(),
            effective_from: "2020-01-01".to_owned(),
            amount_fen: 870_000,
            legal_basis: "测试".to_owned(),
        };
        let request = PutMonitoringLineRequest { line: Some(line) };
        let put = desk.service.put_monitoring_line(by(&admin(), request));
        put.await.expect("a line");
        desk
    }

    async fn put_division(&self, code: &str, name: &str) {
        let division = Division {
            code: code.to_owned(),
            name: name.to_owned(),
            valid_from: "2020-01-01".to_owned(),
            ..Division::default()
        };
        let request = PutDivisionRequest {
            division: Some(division),
        };
        let put = self.service.put_division(by(&admin(), request));
        put.await.expect("a division");
    }

    pub async fn close(self) {
        self.database.close().await;
        self.test.drop_database().await;
    }

    pub fn today(&self) -> NaiveDate {
        self.clock.today()
    }

    pub fn pass(&self, days: i64) {
        self.shift.advance(Duration::days(days));
    }

    /// The twelve full months before today, as they travel.
    pub fn window(&self) -> (String, String) {
        let last = Month::of(self.today()).minus(1);
        (last.minus(11).to_string(), last.to_string())
    }

    pub async fn create(&self, request: CreateHouseholdRequest) -> CreateHouseholdResponse {
        let created = self.service.create_household(by(&cadre(), request)).await;
        created.expect("created").into_inner()
    }

    pub async fn household(&self, caller: &Caller, id: &str) -> Option<Household> {
        let request = BatchGetHouseholdsRequest {
            ids: vec![id.to_owned()],
        };
        let found = self.service.batch_get_households(by(caller, request)).await;
        found.expect("answered").into_inner().households.pop()
    }

    pub async fn members(&self, caller: &Caller, id: &str) -> Vec<Member> {
        let request = BatchListMembersRequest {
            household_ids: vec![id.to_owned()],
        };
        let found = self.service.batch_list_members(by(caller, request)).await;
        found.expect("answered").into_inner().members
    }

    pub async fn facts(&self, id: &str) -> CaseFacts {
        let request = GetCaseFactsRequest {
            household_id: id.to_owned(),
            as_of: String::new(),
        };
        let facts = self.service.get_case_facts(by(&service(), request)).await;
        facts.expect("answered").into_inner().facts.expect("facts")
    }

    /// `entity field old→new` of everything that was changed, oldest first.
    pub async fn history(&self, caller: &Caller, id: &str) -> Vec<String> {
        let request = ListHistoryRequest {
            household_id: id.to_owned(),
            page: None,
        };
        let history = self.service.list_history(by(caller, request)).await;
        let changes = history.expect("answered").into_inner().changes;
        let changes = changes.into_iter().rev();
        changes
            .map(|c| format!("{} {} {}→{}", c.entity, c.field, c.old_value, c.new_value))
            .collect()
    }
}

pub fn cadre() -> Caller {
    caller(Role::VillageCadre, VILLAGE)
}

pub fn admin() -> Caller {
    caller(Role::CountyOfficer, COUNTY)
}

pub fn service() -> Caller {
    caller(Role::Service, COUNTY)
}

pub fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

/// The typed error of an answer that has to be one.
pub fn error<T>(answer: Result<Response<T>, Status>) -> Error {
    match answer {
        Ok(_) => panic!("must not be served"),
        Err(status) => Error::from_status(&status),
    }
}

/// "path code" of everything that is wrong.
pub fn wrong<T>(answer: Result<Response<T>, Status>) -> Vec<String> {
    match error(answer) {
        Error::Invalid(violations) => {
            let violations = violations.iter();
            violations
                .map(|v| format!("{} {}", v.field, v.code))
                .collect()
        }
        other => panic!("must be invalid: {other:?}"),
    }
}

/// A valid ID number of nobody: 999999, a date of birth, a running number.
pub fn id_number(birth: &str, serial: u32) -> String {
    let digits = format!("999999{birth}{serial:03}");
    let digits: [u8; 17] = digits
        .bytes()
        .collect::<Vec<_>>()
        .try_into()
        .expect("17 digits");
    let check = IdNumber::check_character(&digits);
    format!("{}{check}", String::from_utf8_lossy(&digits))
}

pub fn person(name: &str, relation: &str, id_number: String) -> Member {
    Member {
        name: name.to_owned(),
        id_number,
        relation: relation.to_owned(),
        is_head: relation == "户主",
        registered: true,
        resident: true,
        shares_income: true,
        labour_capacity: LabourCapacity::Ordinary.into(),
        health: "健康".to_owned(),
        medically_insured: true,
        ..Member::default()
    }
}

/// Couple, two children, grandmother.
pub fn family(serial: u32) -> CreateHouseholdRequest {
    let child = |name, birth, serial| Member {
        labour_capacity: LabourCapacity::None.into(),
        schooling: "小学".to_owned(),
        ..person(name, "之子", id_number(birth, serial))
    };
    CreateHouseholdRequest {
        request_id: new_id().to_string(),
        household: Some(Household {
            division_code: VILLAGE.to_owned(),
            origin: Origin::General.into(),
            phone: "13800000000".to_owned(),
            address: "村东头".to_owned(),
            ..Household::default()
        }),
        members: vec![
            person("赵甲", "户主", id_number("19800101", serial)),
            person("钱乙", "配偶", id_number("19820202", serial + 1)),
            child("赵丙", "20150303", serial),
            child("赵丁", "20170404", serial),
            Member {
                labour_capacity: LabourCapacity::Lost.into(),
                ..person("孙戊", "之母", id_number("19500505", serial + 1))
            },
        ],
    }
}

pub fn place(kind: NoticePlaceKind, household_count: i32) -> PutNoticePlaceRequest {
    PutNoticePlaceRequest {
        request_id: new_id().to_string(),
        place: Some(NoticePlace {
            division_code: VILLAGE.to_owned(),
            kind: kind.into(),
            name: "公示栏".to_owned(),
            household_count,
            valid_from: "2020-01-01".to_owned(),
            ..NoticePlace::default()
        }),
    }
}
