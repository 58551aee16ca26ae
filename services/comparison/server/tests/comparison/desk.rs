//! The service on a database of its own, a registry of a few persons, and the calls that the tests
//! make.

use std::sync::{Arc, Mutex};

use chassis::{
    auth::{Authenticator, Caller, ServiceIdentity},
    bucket::Files,
    client,
    clock::{Clock, ClockShift},
    error::Error,
    feed_server::FeedServer,
    lifecycle::Lifecycle,
    pg::Database,
    secret::SecretKey,
    subscription::Consumer,
    testing::{TestDatabase, TestIssuer, caller, new_id},
};
use chrono::{Duration, NaiveDate};
use comparison::{
    Households, MIGRATOR, NAME, Queries, QueryConfig, Registry, Service, Windows, access,
    consume::Cases,
};
use comparison_core::row::Row;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use futures::future::BoxFuture;
use kernel::{Department, HouseholdId, IdNumber, Role};
use prost::Message;
use proto::{
    comparison::v1::{
        BatchGetComparisonsRequest, BatchHeader, BatchReport, Comparison, SubmitAlertBatchRequest,
        SubmitItemFileRequest, SubmitResultFileRequest,
        comparison_service_server::ComparisonService, submit_alert_batch_request,
        submit_item_file_request, submit_result_file_request,
    },
    feed::v1::Item,
    households::v1::{
        AuthorisationGap, AuthorisedPerson, FoundPerson, GapReason, ListAuthorisedPersonsResponse,
    },
    r#type::v1::{ItemKind, SubjectClass},
    workflow::v1::{CaseEvent, GetEvidenceStatusResponse},
};
use tempfile::TempDir;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub const COUNTY: &str = "999999000000";
pub const VILLAGE: &str = "999999001001";
pub const OTHER_VILLAGE: &str = "999999002001";

/// A person whom the registry knows.
#[derive(Clone)]
pub struct Person {
    pub id: Uuid,
    pub number: String,
    pub name: &'static str,
    pub household: Uuid,
    pub division: &'static str,
    pub class: SubjectClass,
    /// Items that may be queried today.
    pub items: Vec<ItemKind>,
    /// Why the others may not.
    pub gap: GapReason,
    /// Last day of the authorisation; none ends.
    pub expires_on: Option<NaiveDate>,
}

impl Person {
    pub fn new(name: &'static str, serial: u32, household: Uuid) -> Self {
        Self {
            id: new_id(),
            number: number(serial),
            name,
            household,
            division: VILLAGE,
            class: SubjectClass::General,
            items: all_items().collect(),
            gap: GapReason::NotGiven,
            expires_on: None,
        }
    }
}

pub fn all_items() -> impl Iterator<Item = ItemKind> {
    (1..=9).map(|item| ItemKind::try_from(item).expect("an item"))
}

/// The registry as the households service would answer.
#[derive(Clone, Default)]
pub struct People(pub Vec<Person>);

impl Registry for People {
    async fn lookup(&self, rows: &[(u32, Row)]) -> Result<Vec<FoundPerson>, Error> {
        let find = |row: &Row| {
            let person = self
                .0
                .iter()
                .find(|person| person.number == row.id_number.expose());
            person.map_or_else(FoundPerson::default, |person| FoundPerson {
                person_id: person.id.to_string(),
                household_id: person.household.to_string(),
                division_code: person.division.to_owned(),
                subject_class: person.class.into(),
            })
        };
        Ok(rows.iter().map(|(_, row)| find(row)).collect())
    }

    async fn authorised(
        &self,
        household: HouseholdId,
    ) -> Result<ListAuthorisedPersonsResponse, Error> {
        let of_household = self
            .0
            .iter()
            .filter(|person| person.household == household.0);
        let gaps = of_household.clone().flat_map(|person| {
            let gaps = all_items().filter(|item| !person.items.contains(item));
            gaps.map(|item| AuthorisationGap {
                person_id: person.id.to_string(),
                item: item.into(),
                reason: person.gap.into(),
            })
        });
        let persons = of_household.clone().map(|person| AuthorisedPerson {
            person_id: person.id.to_string(),
            name: person.name.to_owned(),
            id_number: person.number.clone(),
            items: person.items.iter().map(|item| (*item).into()).collect(),
            expires_on: person
                .expires_on
                .map(|day| day.to_string())
                .unwrap_or_default(),
            ..AuthorisedPerson::default()
        });
        Ok(ListAuthorisedPersonsResponse {
            persons: persons.collect(),
            gaps: gaps.collect(),
        })
    }
}

/// The ledger as the workflow service would tell of it.
#[derive(Debug, Clone, Default)]
pub struct Ledger(pub Arc<Mutex<GetEvidenceStatusResponse>>);

impl comparison::evidence::Ledger for Ledger {
    fn status(&self) -> BoxFuture<'_, Result<GetEvidenceStatusResponse, Error>> {
        let status = *self.0.lock().expect("not poisoned");
        Box::pin(async move { Ok(status) })
    }
}

pub struct Desk {
    pub test: TestDatabase,
    pub database: Database,
    pub service: Service,
    pub ledger: Ledger,
    /// What departments put there.
    pub registers: TempDir,
    pub clock: Clock,
    shift: ClockShift,
}

fn issuer() -> TestIssuer {
    let secret = new_id().as_bytes().repeat(2);
    let key = KeypairBytes {
        secret_key: *secret.first_chunk().expect("32 bytes"),
        public_key: None,
    };
    let pem = key.to_pkcs8_pem(Default::default()).expect("a PEM");
    TestIssuer::new(pem.as_bytes())
}

impl Desk {
    pub async fn open(redis_url: Option<&str>) -> Self {
        let test = TestDatabase::create().await;
        let (clock, shift) = Clock::shiftable();
        let database = test.service(NAME, &MIGRATOR, &clock).await;
        let ledger = Ledger::default();
        let registers = tempfile::tempdir().expect("a folder");
        let files = Files::folder(registers.path()).expect("it is there");
        let service = service_with(&database, redis_url, ledger.clone(), Some(files)).await;
        Self {
            service,
            registers,
            ledger,
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

    pub fn pass(&self, days: i64) {
        self.shift.advance(Duration::days(days));
    }

    pub async fn alerts(
        &self,
        caller: &Caller,
        people: &People,
        header: BatchHeader,
        file: &str,
    ) -> Result<BatchReport, Error> {
        use submit_alert_batch_request::Part;
        let chunks = file
            .as_bytes()
            .chunks(1000)
            .map(|chunk| Part::Chunk(chunk.to_vec()));
        let parts = std::iter::once(Part::Header(header)).chain(chunks);
        let messages: Vec<Result<_, Status>> = parts
            .map(|part| Ok(SubmitAlertBatchRequest { part: Some(part) }))
            .collect();
        let messages = tokio_stream::iter(messages);
        self.service
            .submit_alerts_from(caller, messages, people)
            .await
    }

    pub async fn item(
        &self,
        caller: &Caller,
        people: &impl Registry,
        header: BatchHeader,
        file: impl AsRef<[u8]>,
    ) -> Result<BatchReport, Error> {
        use submit_item_file_request::Part;
        let chunks = file.as_ref().chunks(1000);
        let chunks = chunks.map(|chunk| Part::Chunk(chunk.to_vec()));
        let parts = std::iter::once(Part::Header(header)).chain(chunks);
        let messages = parts.map(|part| Ok(SubmitItemFileRequest { part: Some(part) }));
        let messages: Vec<Result<_, Status>> = messages.collect();
        self.item_stream(caller, people, messages).await
    }

    /// Answers of a department that looks up for itself.
    pub async fn result(
        &self,
        caller: &Caller,
        people: &impl Registry,
        header: BatchHeader,
        file: &str,
    ) -> Result<BatchReport, Error> {
        use submit_result_file_request::Part;
        let chunks = file.as_bytes().chunks(1000);
        let chunks = chunks.map(|chunk| Part::Chunk(chunk.to_vec()));
        let parts = std::iter::once(Part::Header(header)).chain(chunks);
        let messages = parts.map(|part| Ok(SubmitResultFileRequest { part: Some(part) }));
        let messages: Vec<Result<_, Status>> = messages.collect();
        let messages = tokio_stream::iter(messages);
        let answer = self.service.submit_result_from(caller, messages, people);
        answer.await
    }

    /// The same as a stream that may break off.
    pub async fn item_stream(
        &self,
        caller: &Caller,
        people: &impl Registry,
        messages: Vec<Result<SubmitItemFileRequest, Status>>,
    ) -> Result<BatchReport, Error> {
        let messages = tokio_stream::iter(messages);
        let answer = self.service.submit_item_from(caller, messages, people);
        answer.await
    }

    /// A case of a household is authorised: the workflow service tells of it.
    pub async fn authorised(&self, case: Uuid, household: Uuid) {
        let event = CaseEvent {
            case_id: case.to_string(),
            household_id: household.to_string(),
            division_code: VILLAGE.to_owned(),
            ..CaseEvent::default()
        };
        let item = Item {
            kind: "case.authorised".to_owned(),
            payload: event.encode_to_vec(),
            ..Item::default()
        };
        self.follow(&item).await;
    }

    /// The workflow service tells of something.
    pub async fn follow(&self, item: &Item) {
        let prepared = Cases.prepare(item).await.expect("prepared");
        let county = COUNTY.parse().expect("a division");
        let mut tx = self.database.begin_internal(county).await.expect("begun");
        Cases.apply(&mut tx, item, prepared).await.expect("applied");
        tx.commit().await.expect("committed");
    }

    pub async fn comparison(&self, caller: &Caller, case: Uuid) -> Option<Comparison> {
        let request = BatchGetComparisonsRequest {
            case_ids: vec![case.to_string()],
        };
        let found = self
            .service
            .batch_get_comparisons(by(caller, request))
            .await;
        found
            .expect("answered")
            .into_inner()
            .comparisons
            .into_iter()
            .next()
    }
}

pub async fn service(database: &Database, redis_url: Option<&str>) -> Service {
    service_with(database, redis_url, Ledger::default(), None).await
}

async fn service_with(
    database: &Database,
    redis_url: Option<&str>,
    ledger: Ledger,
    registers: Option<Files>,
) -> Service {
    let keys = issuer();
    let config = keys.config(NAME, COUNTY);
    let authenticator = Authenticator::new(&config).await.expect("keys are read");
    let identity = ServiceIdentity::new(&config.service_token_file, authenticator);
    let nobody = client::channel("http://127.0.0.1:9").expect("a URL");
    let feed = FeedServer::new(database.clone(), Lifecycle::new(), access::sees_feed);
    let windows = Windows::new(redis_url).expect("a URL");
    let queries = Queries::new(&query_config(7, &[])).expect("keys");
    Service::new(
        database.clone(),
        Households::new(nobody, identity),
        Arc::new(ledger),
        windows,
        Arc::new(queries),
        registers,
        feed,
    )
}

/// A county's keys: one that signs and others that have signed.
pub fn query_config(key: u8, earlier: &[u8]) -> QueryConfig {
    let key_of = |seed: u8| SecretKey::new([seed; 32]);
    QueryConfig {
        issuer: "backstop/999999000000".to_owned(),
        key: key_of(key),
        earlier_keys: earlier.iter().copied().map(key_of).collect(),
    }
}

/// A valid ID number of nobody.
pub fn number(serial: u32) -> String {
    let digits = format!("99999919800101{serial:03}");
    let bytes: [u8; 17] = digits
        .bytes()
        .collect::<Vec<_>>()
        .try_into()
        .expect("17 digits");
    format!("{digits}{}", IdNumber::check_character(&bytes))
}

pub fn officer() -> Caller {
    caller(Role::CountyOfficer, COUNTY)
}

pub fn liaison(department: &str) -> Caller {
    let mut caller = caller(Role::DepartmentLiaison, COUNTY);
    let department: Department = department.parse().expect("a department");
    caller.principal.scope.department = Some(department);
    caller
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

pub fn header(desk: &Desk, department: &str) -> BatchHeader {
    BatchHeader {
        request_id: new_id().to_string(),
        department: department.to_owned(),
        data_date: desk.today().to_string(),
        file_name: "数据.csv".to_owned(),
        ..BatchHeader::default()
    }
}
