//! The service on a database of its own, with a clock that can be moved, and the calls that the
//! tests make.

use chassis::{
    auth::{Authenticator, Caller, ServiceIdentity},
    client,
    clock::{Clock, ClockShift},
    error::Error,
    feed::{self, Filter},
    pg::Database,
    subscription::Consumer,
    testing::{TestDatabase, TestIssuer, caller, new_id},
};
use chrono::{Duration, NaiveDate};
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use kernel::{Month, Role};
use measures::{MIGRATOR, NAME, Service, consume::Cases};
use prost::Message;
use proto::{
    feed::v1::Item,
    measures::v1::{measures_service_server::MeasuresService, *},
    r#type::v1::{Risk, RiskType},
    workflow::v1::{Case, CaseEvent, CaseState},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub const COUNTY: &str = "999999000000";
pub const VILLAGE: &str = "999999001001";
pub const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub struct Desk {
    pub test: TestDatabase,
    pub database: Database,
    pub service: Service,
    pub clock: Clock,
    shift: ClockShift,
    cases: Cases,
}

/// An issuer of tokens that only this run of the tests knows.
pub fn issuer() -> TestIssuer {
    let key = KeypairBytes {
        secret_key: *new_id()
            .as_bytes()
            .repeat(2)
            .first_chunk()
            .expect("32 bytes"),
        public_key: None,
    };
    let pem = key.to_pkcs8_pem(Default::default()).expect("a PEM");
    TestIssuer::new(pem.as_bytes())
}

impl Desk {
    pub async fn open() -> Self {
        let test = TestDatabase::create().await;
        let (clock, shift) = Clock::shiftable();
        let database = test.service(NAME, &MIGRATOR, &clock).await;
        let config = issuer().config(NAME, COUNTY);
        // The folder of the issuer is gone by now: the identity has no token and labour stays
        // unknown, as when the neighbour is down.
        let keys = issuer();
        let authenticator = Authenticator::new(&keys.config(NAME, COUNTY)).await;
        let authenticator = authenticator.expect("keys are read");
        let identity = ServiceIdentity::new(&config.service_token_file, authenticator);
        let nobody = client::channel("http://127.0.0.1:9").expect("a URL");
        Self {
            service: Service::new(database.clone()),
            cases: Cases::new(nobody, identity),
            test,
            database,
            clock,
            shift,
        }
    }

    pub async fn close(self) {
        self.database.close().await;
        self.test.drop_database().await;
    }

    pub fn today(&self) -> NaiveDate {
        self.clock.today()
    }

    pub fn month(&self) -> Month {
        Month::of(self.today())
    }

    /// Moves the clock to a day in the month after the current one.
    pub fn next_month(&self, day: i64) {
        let to = self.month().next().first_day() + Duration::days(day - 1);
        self.shift.advance(to - self.today());
    }

    /// Tells the service what the workflow service would.
    pub async fn tell(&self, event: &CaseEvent) {
        let item = Item {
            kind: "case.moved".to_owned(),
            payload: event.encode_to_vec(),
            ..Item::default()
        };
        let prepared = self.cases.prepare(&item).await.expect("prepared");
        let county = COUNTY.parse().expect("a division");
        let mut tx = self.database.begin_internal(county).await.expect("begun");
        self.cases
            .apply(&mut tx, &item, prepared)
            .await
            .expect("applied");
        tx.commit().await.expect("committed");
    }

    /// A case of `division` with illness as its risk, in `state` since today.
    pub fn event(&self, case: Uuid, division: &str, state: CaseState) -> CaseEvent {
        case_event(case, division, state, self.today())
    }

    pub async fn declared(&self, division: &str) -> String {
        let case = new_id();
        self.tell(&self.event(case, division, CaseState::Declared))
            .await;
        case.to_string()
    }

    pub async fn enrolled(&self, division: &str) -> String {
        let case = self.declared(division).await;
        let id = case.parse().expect("an id");
        self.tell(&self.event(id, division, CaseState::Enrolled))
            .await;
        case
    }

    pub async fn plan(&self, caller: &Caller, case: &str) -> Option<Plan> {
        let request = BatchGetPlansRequest {
            case_ids: vec![case.to_owned()],
        };
        let response = self.service.batch_get_plans(by(caller, request)).await;
        response.expect("answered").into_inner().plans.pop()
    }

    /// Every item of the feed, as the county sees it.
    pub async fn feed(&self) -> Vec<(String, Plan)> {
        let officer = caller(Role::CountyOfficer, COUNTY);
        let mut tx = self.database.read(&officer).await.expect("a transaction");
        let page = feed::page(&mut tx, 0, &Filter::default(), 1000).await;
        let items = page.expect("a page").items.into_iter();
        items
            .map(|item| {
                let payload = item.payload.expect("a payload");
                (item.kind, Plan::decode(&payload[..]).expect("a plan"))
            })
            .collect()
    }
}

pub fn case_event(case: Uuid, division: &str, state: CaseState, on: NaiveDate) -> CaseEvent {
    let enrolled = !matches!(state, CaseState::Declared | CaseState::Withdrawn);
    CaseEvent {
        case_id: case.to_string(),
        from: 0,
        to: state.into(),
        decided_on: on.to_string(),
        case: Some(Case {
            id: case.to_string(),
            household_id: new_id().to_string(),
            division_code: division.to_owned(),
            state: state.into(),
            enrolled_on: if enrolled {
                on.to_string()
            } else {
                String::new()
            },
            risks: vec![Risk {
                r#type: RiskType::Illness.into(),
                ..Risk::default()
            }],
            ..Case::default()
        }),
        ..CaseEvent::default()
    }
}

/// A request as it comes from the authentication layer.
pub fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

pub fn cadre() -> Caller {
    caller(Role::VillageCadre, VILLAGE)
}

pub fn error<T>(answer: Result<Response<T>, Status>) -> Error {
    match answer {
        Ok(_) => panic!("must fail"),
        Err(status) => Error::from_status(&status),
    }
}

/// "rule code" of everything unmet.
pub fn refusal<T>(answer: Result<Response<T>, Status>) -> Vec<String> {
    match error(answer) {
        Error::Refused(refusal) => {
            let unmet = refusal.unmet.iter();
            unmet.map(|r| format!("{} {}", r.rule, r.code)).collect()
        }
        other => panic!("must be refused: {other:?}"),
    }
}

pub fn assign(case: &str, account: &str, from: NaiveDate, note: &str) -> AssignResponsibleRequest {
    AssignResponsibleRequest {
        request_id: new_id().to_string(),
        case_id: case.to_owned(),
        account: account.to_owned(),
        unit: "village committee".to_owned(),
        from: from.to_string(),
        hand_over_note: note.to_owned(),
    }
}

pub fn plan_measure(case: &str, kind: MeasureKind, due_on: NaiveDate) -> PlanMeasureRequest {
    PlanMeasureRequest {
        request_id: new_id().to_string(),
        case_id: case.to_owned(),
        kind: kind.into(),
        risk: RiskType::Illness.into(),
        description: "DESCRIPTION".to_owned(),
        department: "medical_insurance".to_owned(),
        due_on: due_on.to_string(),
        planned_elimination_on: (due_on + Duration::days(180)).to_string(),
    }
}

pub fn deliver(case: &str, measure: &str, on: NaiveDate) -> RecordDeliveryRequest {
    RecordDeliveryRequest {
        request_id: new_id().to_string(),
        case_id: case.to_owned(),
        measure_id: measure.to_owned(),
        delivery: Some(Delivery {
            delivered_on: on.to_string(),
            amount_fen: 120_000,
            confirmed: true,
            evidence_sha256: SHA256.to_owned(),
        }),
    }
}

pub fn close_risk(case: &str, risk: RiskType, on: NaiveDate) -> CloseRiskRequest {
    CloseRiskRequest {
        request_id: new_id().to_string(),
        case_id: case.to_owned(),
        closed: Some(ClosedRisk {
            risk: risk.into(),
            closed_on: on.to_string(),
            reason: "REASON".to_owned(),
        }),
    }
}

pub fn monitor(case: &str, visited_on: NaiveDate) -> RecordMonitoringRequest {
    RecordMonitoringRequest {
        request_id: new_id().to_string(),
        case_id: case.to_owned(),
        monitoring: Some(Monitoring {
            month: Month::of(visited_on).to_string(),
            visited_on: visited_on.to_string(),
            manner: "VISIT".to_owned(),
            finding: "FINDING".to_owned(),
            ..Monitoring::default()
        }),
    }
}
