//! The service on a database of its own, with a clock that can be moved. The facts of the neighbours
//! are given; how they are fetched is tested where the neighbours are.

use std::{cell::Cell, sync::LazyLock};

use chassis::{
    auth::{Authenticator, Caller, ServiceIdentity},
    client,
    clock::{Clock, ClockShift, timestamp},
    error::Error,
    evidence::EvidenceStore,
    feed::{self, Filter, Stored},
    pg::Database,
    secret::SecretKey,
    subscription::Consumer,
    testing::{TestDatabase, TestIssuer, caller, new_id},
    tlog::{Cosigner, Log, LogConfig},
};
use chrono::{Days, Duration, NaiveDate};
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use kernel::{Code, DivisionCode, ItemKind, Money, NoticePlaceId, Origin, RiskType, Role};
use prost::Message;
use proto::{
    feed::v1::Item,
    r#type::v1 as types,
    workflow::v1::{
        command::Command, submit_evidence_request::Part, workflow_service_server::WorkflowService,
        *,
    },
};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use workflow::{MIGRATOR, NAME, Service, consume::Comparisons, facts::Neighbours};
use workflow_core::{ComparisonFacts, Facts, HouseholdFacts, MeasureFacts};

pub const COUNTY: &str = "999999000000";
pub const TOWNSHIP: &str = "999999001000";
pub const VILLAGE: &str = "999999001001";
/// A paper that every test has, and its hash.
pub const PAPER: &[u8] = b"%PDF-1.4\n% a paper of the tests\n";
pub const SHA256: &str = "63d792f085121fa6b2968117b8bd618e72299e2579e8f50a45212732827f1d9f";

pub struct Desk {
    pub test: TestDatabase,
    pub database: Database,
    pub service: Service,
    pub log: Log,
    pub clock: Clock,
    shift: ClockShift,
    /// Whether the households of this test are well again.
    pub has_recovered: Cell<bool>,
    pub places: [Uuid; 2],
    pub store: EvidenceStore,
    pub papers: tempfile::TempDir,
}

/// How the ledger is sealed here.
pub fn log_config() -> LogConfig {
    LogConfig {
        origin: "backstop.example/999999".to_owned(),
        key: SecretKey::new([5; 32]),
        witnesses: vec![witness().verifier().to_string()],
        checkpoint_seconds: 60,
        evidence_limit_seconds: 4 * 3600,
    }
}

/// The witness that the log knows.
pub fn witness() -> Cosigner {
    Cosigner::new("discipline.example/w1", &SecretKey::new([6; 32])).expect("a name")
}

/// An issuer of tokens that only this run of the tests knows.
fn issuer() -> TestIssuer {
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
        let keys = issuer();
        let config = keys.config(NAME, COUNTY);
        let authenticator = Authenticator::new(&config).await.expect("keys are read");
        let nobody = client::channel("http://127.0.0.1:9").expect("a URL");
        let neighbours = Neighbours {
            households: nobody.clone(),
            comparison: nobody.clone(),
            measures: nobody,
            identity: ServiceIdentity::new(&config.service_token_file, authenticator),
        };
        let papers = tempfile::tempdir().expect("a folder");
        let store = EvidenceStore::folder(papers.path()).expect("a store");
        let log = Log::new(database.clone(), division(COUNTY), &log_config()).expect("a log");
        let desk = Self {
            service: Service::new(database.clone(), neighbours, store.clone(), log.clone()),
            log,
            papers,
            store,
            test,
            database,
            clock,
            shift,
            has_recovered: Cell::new(false),
            places: [new_id(), new_id()],
        };
        let stored = desk.submit_paper(cadre(), VILLAGE, PAPER).await;
        assert_eq!(stored.expect("stored").sha256, SHA256);
        desk
    }

    /// Stores a paper, in pieces.
    pub async fn submit_paper(
        &self,
        caller: &Caller,
        division: &str,
        content: &[u8],
    ) -> Result<Evidence, Error> {
        let header = EvidenceHeader {
            division_code: division.to_owned(),
            ..EvidenceHeader::default()
        };
        let parts = std::iter::once(Part::Header(header))
            .chain(content.chunks(7).map(|piece| Part::Chunk(piece.to_vec())));
        let messages = parts.map(|part| Ok(SubmitEvidenceRequest { part: Some(part) }));
        let messages = futures::stream::iter(messages.collect::<Vec<_>>());
        let stored = self.service.submit_evidence_from(caller, messages).await?;
        Ok(stored.report.expect("a report"))
    }

    pub async fn close(self) {
        self.database.close().await;
        self.test.drop_database().await;
    }

    pub fn today(&self) -> NaiveDate {
        self.clock.today()
    }

    /// T6 at a place, now.
    pub fn post(&self, place: Uuid) -> Command {
        Command::PostNotice(PostNotice {
            place_id: place.to_string(),
            posted_at: Some(timestamp(self.clock.now())),
            evidence_sha256: SHA256.to_owned(),
        })
    }

    /// T7 of a notice that hangs everywhere, now.
    pub fn close_notice(&self) -> Command {
        let removals = self.places.map(|place| NoticeRemoval {
            place_id: place.to_string(),
            removed_at: Some(timestamp(self.clock.now())),
            evidence_sha256: SHA256.to_owned(),
        });
        Command::CloseNotice(CloseNotice {
            removals: removals.to_vec(),
        })
    }

    pub fn seconds_pass(&self, seconds: i64) {
        self.shift.advance(Duration::seconds(seconds));
    }

    pub fn days_pass(&self, days: i64) {
        self.shift.advance(Duration::days(days));
    }

    /// Facts of a household hit by illness, for which everything is in order.
    pub fn in_need(&self) -> Facts {
        let today = self.today();
        Facts {
            household: HouseholdFacts {
                origin: Some(Origin::General),
                income_complete: true,
                net_pc: Money::from_yuan(16_080),
                reference_pc: Money::from_yuan(6_080),
                line: Some(Money::from_yuan(8_700)),
                guarantees_complete: true,
                guarantees_safe: true,
                persons_to_authorise: 3,
                persons_authorised: 3,
                items_covered: ItemKind::ALL.to_vec(),
                required_places: self.places.map(NoticePlaceId).to_vec(),
                ..HouseholdFacts::default()
            },
            comparison: Some(ComparisonFacts {
                complete: true,
                oldest_data: Some(today),
                ..ComparisonFacts::default()
            }),
            measures: MeasureFacts {
                has_responsible: true,
                risks_planned: vec![RiskType::Illness],
                risks_delivered: vec![RiskType::Illness],
                planned_elimination: today.checked_add_days(Days::new(200)),
                development_delivered: true,
                ..MeasureFacts::default()
            },
        }
    }

    /// The same household when the risk is gone.
    pub fn recovered(&self) -> Facts {
        let mut facts = self.in_need();
        facts.household.reference_pc = Money::from_yuan(12_000);
        facts.household.above_line_since = self.today().checked_sub_days(Days::new(190));
        facts.measures.risks_closed = vec![RiskType::Illness];
        facts
    }

    /// Everything in order for where the procedure stands.
    fn facts(&self) -> Facts {
        match self.has_recovered.get() {
            true => self.recovered(),
            false => self.in_need(),
        }
    }

    pub async fn declare(&self, caller: &Caller, household: Uuid) -> Result<Case, Error> {
        let village = division(VILLAGE);
        let request = declaration(household);
        let declared = self.service.declare_case_in(caller, request, village).await;
        Ok(declared?.case.expect("a case"))
    }

    /// A case of a household of its own.
    pub async fn declared(&self) -> Case {
        let case = self.declare(cadre(), new_id()).await;
        case.expect("declared")
    }

    pub async fn act_with(
        &self,
        caller: &Caller,
        case: &str,
        command: Command,
        facts: Facts,
    ) -> Result<Case, Error> {
        let request = act(case, command);
        let acted = self.service.act_on_case_with(caller, request, facts).await;
        Ok(acted?.case.expect("a case"))
    }

    pub async fn act(&self, caller: &Caller, case: &str, command: Command) -> CaseState {
        let facts = self.facts();
        let acted = self.act_with(caller, case, command, facts).await;
        acted.expect("accepted").state()
    }

    /// Holds a meeting about these cases.
    pub async fn hold(&self, meeting: Meeting) -> Result<HoldMeetingResponse, Error> {
        let facts = meeting.ballots.iter().map(|_| Facts::default()).collect();
        let request = HoldMeetingRequest {
            request_id: new_id().to_string(),
            meeting: Some(meeting),
            acting_as: String::new(),
        };
        let held = self.service.hold_meeting_with(secretary(), request, facts);
        held.await
    }

    /// Holds a meeting about one case, for it, with so many representatives.
    pub async fn appraise(&self, case: &str, representatives: usize) -> CaseState {
        let held = self
            .hold(meeting(self.today(), representatives, &[case]))
            .await;
        held.expect("accepted").cases[0].state()
    }

    pub async fn freeze(&self) -> WarningList {
        let request = FreezeWarningListRequest {
            request_id: new_id().to_string(),
            division_code: VILLAGE.to_owned(),
            month: kernel::Month::of(self.today()).to_string(),
            ..FreezeWarningListRequest::default()
        };
        let frozen = self.service.freeze_warning_list(by(cadre(), request)).await;
        frozen.expect("frozen").into_inner().list.expect("a list")
    }

    /// Leads a declared case up to the notice that hangs everywhere.
    pub async fn to_notice(&self, case: &str) {
        let today = self.today();
        self.act(cadre(), case, authorise()).await;
        self.act(cadre(), case, verify(today)).await;
        self.freeze().await;
        self.appraise(case, 15).await;
        for place in self.places {
            self.act(cadre(), case, self.post(place)).await;
        }
    }

    /// Leads a declared case up to enrolment.
    pub async fn to_enrolment(&self, case: &str) -> CaseState {
        self.to_notice(case).await;
        self.days_pass(7);
        self.act(cadre(), case, self.close_notice()).await;
        let report = SubmitVillageReport {
            evidence_sha256: SHA256.to_owned(),
        };
        self.act(cadre(), case, Command::SubmitVillageReport(report))
            .await;
        self.act(office(), case, review("OPINION")).await;
        let confirm = Command::ConfirmComparison(ConfirmComparison {});
        self.act(officer(), case, confirm).await;
        self.act(cadre(), case, Command::Enrol(Enrol::default()))
            .await
    }

    /// Tells the service what the comparison service would.
    pub async fn tell(&self, kind: &str, payload: &impl Message) {
        let item = Item {
            kind: kind.to_owned(),
            payload: payload.encode_to_vec(),
            ..Item::default()
        };
        let prepared = Comparisons.prepare(&item).await.expect("prepared");
        let county = division(COUNTY);
        let mut tx = self.database.begin_internal(county).await.expect("begun");
        let applied = Comparisons.apply(&mut tx, &item, prepared).await;
        applied.expect("applied");
        tx.commit().await.expect("committed");
    }

    /// Every item of the feed, as the county sees it.
    pub async fn feed(&self) -> Vec<Stored> {
        let mut tx = self.database.read(officer()).await.expect("begun");
        let page = feed::page(&mut tx, 0, &Filter::default(), 1000).await;
        page.expect("a page").items
    }

    pub async fn events(&self, case: &str) -> Vec<CaseEvent> {
        let request = ListCaseEventsRequest {
            case_id: case.to_owned(),
        };
        let events = self.service.list_case_events(by(officer(), request)).await;
        events.expect("listed").into_inner().events
    }

    /// The first difference between rows and events.
    pub async fn difference(&self) -> Option<String> {
        let mut owner = self.test.owner().await;
        let found = workflow::verify_projection(&mut owner).await;
        found.expect("verified")
    }
}

/// A request as it comes from the authentication layer.
pub fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

pub fn cadre() -> &'static Caller {
    static CALLER: LazyLock<Caller> = LazyLock::new(|| caller(Role::VillageCadre, VILLAGE));
    &CALLER
}

pub fn secretary() -> &'static Caller {
    static CALLER: LazyLock<Caller> = LazyLock::new(|| caller(Role::FirstSecretary, VILLAGE));
    &CALLER
}

pub fn office() -> &'static Caller {
    static CALLER: LazyLock<Caller> = LazyLock::new(|| caller(Role::TownshipOffice, TOWNSHIP));
    &CALLER
}

pub fn officer() -> &'static Caller {
    static CALLER: LazyLock<Caller> = LazyLock::new(|| caller(Role::CountyOfficer, COUNTY));
    &CALLER
}

pub fn division(code: &str) -> DivisionCode {
    code.parse().expect("a division")
}

pub fn error<T>(answer: Result<Response<T>, Status>) -> Error {
    match answer {
        Ok(_) => panic!("must fail"),
        Err(status) => Error::from_status(&status),
    }
}

/// "rule code" of everything unmet.
pub fn refusal<T>(answer: Result<T, Error>) -> Vec<String> {
    match answer {
        Err(Error::Refused(refusal)) => {
            let unmet = refusal.unmet.iter();
            unmet.map(|r| format!("{} {}", r.rule, r.code)).collect()
        }
        Err(other) => panic!("must be refused: {other:?}"),
        Ok(_) => panic!("must be refused"),
    }
}

/// "field code" of everything malformed.
pub fn violations<T>(answer: Result<T, Error>) -> Vec<String> {
    match answer {
        Err(Error::Invalid(found)) => {
            let found = found.iter();
            found.map(|v| format!("{} {}", v.field, v.code)).collect()
        }
        Err(other) => panic!("must be invalid: {other:?}"),
        Ok(_) => panic!("must be invalid"),
    }
}

pub fn declaration(household: Uuid) -> DeclareCaseRequest {
    DeclareCaseRequest {
        request_id: new_id().to_string(),
        household_id: household.to_string(),
        channel: types::LeadChannel::SelfDeclaration.into(),
        risks: vec![types::Risk {
            r#type: types::RiskType::Illness.into(),
            remark: "REMARK".to_owned(),
            ..types::Risk::default()
        }],
        evidence_sha256: vec![SHA256.to_owned()],
        ..DeclareCaseRequest::default()
    }
}

pub fn act(case: &str, command: Command) -> ActOnCaseRequest {
    ActOnCaseRequest {
        request_id: new_id().to_string(),
        case_id: case.to_owned(),
        version: 0,
        command: Some(proto::workflow::v1::Command {
            command: Some(command),
        }),
        acting_as: String::new(),
    }
}

pub fn authorise() -> Command {
    Command::Authorise(Authorise {
        text_version: "2026-1".to_owned(),
        evidence_sha256: SHA256.to_owned(),
    })
}

pub fn verify(on: NaiveDate) -> Command {
    Command::Verify(Verify {
        visitors: vec!["cadre-1".to_owned(), "grid-1".to_owned()],
        visited_on: on.to_string(),
        standard_met: true,
        true_statement: true,
        complete: true,
        evidence_sha256: vec![SHA256.to_owned()],
    })
}

/// A meeting of so many representatives and one or two of everybody else, all for every case.
pub fn meeting(on: NaiveDate, representatives: usize, cases: &[&str]) -> Meeting {
    let others = [
        vec![Capacity::TownshipLiaison],
        vec![Capacity::VillageCadre, Capacity::CommitteeMember],
        vec![Capacity::CommitteeMember],
        vec![Capacity::ResidentTeam],
    ];
    let sheet = std::iter::repeat_n(vec![Capacity::VillagerRepresentative], representatives);
    let attendee = |(at, capacities): (usize, Vec<Capacity>)| Attendee {
        name: format!("ATTENDEE-{at}"),
        capacities: capacities.into_iter().map(Into::into).collect(),
    };
    let ballot = |case: &&str| Ballot {
        case_id: (*case).to_owned(),
        votes_for: i32::try_from(representatives).expect("few"),
        category: types::Category::SuddenHardship.into(),
        ..Ballot::default()
    };
    Meeting {
        division_code: VILLAGE.to_owned(),
        held_on: on.to_string(),
        attendees: sheet.chain(others).enumerate().map(attendee).collect(),
        conflicts_declared: true,
        ballots: cases.iter().map(ballot).collect(),
        evidence_sha256: vec![SHA256.to_owned()],
        ..Meeting::default()
    }
}

pub fn review(opinion: &str) -> Command {
    Command::ReviewByTownship(ReviewByTownship {
        papers_regular: true,
        papers_complete: true,
        opinion: opinion.to_owned(),
        evidence_sha256: SHA256.to_owned(),
    })
}

pub fn lead(household: Uuid, channel: types::LeadChannel) -> SubmitLeadRequest {
    SubmitLeadRequest {
        request_id: new_id().to_string(),
        household_id: household.to_string(),
        channel: channel.into(),
        reference: "REFERENCE".to_owned(),
        risk: types::RiskType::Illness.into(),
        severity: types::Severity::Yellow.into(),
    }
}
