//! A county of cases: a few that the service itself has led, and as many copies of them as a bench
//! needs, with rows, events and a ledger that hold.

use std::{ops::Range, time::Instant};

use anyhow::{Context, bail, ensure};
use chassis::{
    auth::{Authenticator, Caller, ServiceIdentity},
    client,
    clock::{Clock, ClockShift, timestamp},
    config::DatabaseConfig,
    evidence::EvidenceStore,
    ledger::{self, Leaf, PayloadMac},
    merkle::{Frontier, Hash},
    pg::Database,
    secret::SecretKey,
    testing::{self, TestDatabase, TestIssuer, ledger_key},
    tlog::{Log, LogConfig},
};
use chrono::{DateTime, Datelike, Duration, NaiveDate, Utc};
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use futures::TryStreamExt;
use kernel::{Code, ItemKind, Money, NoticePlaceId, Origin, Role};
use proto::{
    r#type::v1 as types,
    workflow::v1::{command::Command, submit_evidence_request::Part, *},
};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;
use workflow::{MIGRATOR, NAME, Service, facts::Neighbours};
use workflow_core::{Facts, HouseholdFacts};

use crate::pattern::Pattern;

pub const COUNTY: &str = "999999000000";
pub const TOWNSHIP: &str = "999999001000";
const VILLAGE: &str = "999999001001";
const PAPER: &[u8] = b"%PDF-1.4\n% a paper of the benches\n";
/// Rows of one piece of a COPY.
const ROWS_AT_ONCE: u64 = 2000;
/// Idempotency keys that are there: of some days of a county that is not small.
const KEYS: i32 = 20_000;
/// Longest that the server may take to end a connection.
const GONE: std::time::Duration = std::time::Duration::from_secs(5);

/// A database with what it takes to act on its cases.
pub struct County {
    pub test: TestDatabase,
    pub database: Database,
    pub keys: TestIssuer,
    pub shift: ClockShift,
    service: Service,
    clock: Clock,
    /// Hash of the paper that stands for all.
    paper: String,
    papers: tempfile::TempDir,
}

impl County {
    /// An empty county, some days ago.
    pub async fn some_days_ago(days: i64) -> anyhow::Result<Self> {
        let test = TestDatabase::create().await;
        let (clock, shift) = Clock::shiftable();
        shift.advance(Duration::days(-days));
        let database = test.service(NAME, &MIGRATOR, &clock).await;
        let keys = issuer()?;
        let papers = tempfile::tempdir()?;
        let store = EvidenceStore::folder(papers.path())?;
        let service = service(&database, &keys, store).await?;
        let mut county = Self {
            test,
            database,
            keys,
            shift,
            service,
            clock,
            paper: String::new(),
            papers,
        };
        county.paper = county.submit_paper().await?;
        // Numbers of equal width, however many cases there will be.
        let mut owner = county.test.owner().await;
        let year = county.clock.today().year();
        for year in [year, year + 1] {
            sqlx::query("insert into workflow.case_numbers values ($1, $2, 1000000)")
                .bind(VILLAGE)
                .bind(year)
                .execute(&mut owner)
                .await?;
        }
        owner.close().await?;
        Ok(county)
    }

    pub fn today(&self) -> NaiveDate {
        self.clock.today()
    }

    /// A new id.
    pub fn new_id(&self) -> Uuid {
        self.clock.new_id()
    }

    /// A service like this one's on a connection of its own.
    pub async fn service_on(&self, database: &Database) -> anyhow::Result<Service> {
        let store = EvidenceStore::folder(self.papers.path())?;
        service(database, &self.keys, store).await
    }

    /// Ends it.
    pub async fn close(self) {
        self.database.close().await;
        self.test.drop_database().await;
    }

    async fn submit_paper(&self) -> anyhow::Result<String> {
        let header = EvidenceHeader {
            division_code: VILLAGE.to_owned(),
            ..EvidenceHeader::default()
        };
        let parts = [Part::Header(header), Part::Chunk(PAPER.to_vec())];
        let parts = parts.map(|part| Ok(SubmitEvidenceRequest { part: Some(part) }));
        let parts = futures::stream::iter(parts);
        let stored = self.service.submit_evidence_from(&cadre(), parts).await?;
        Ok(stored.report.context("a report")?.sha256)
    }

    /// A case that has just been declared.
    pub async fn declared(&self) -> anyhow::Result<Sample> {
        let case = self.declare().await?;
        Sample::of(self, &case).await
    }

    /// A case that waits for the township's review (T8): eight moves, a notice in two places.
    /// Takes a week.
    pub async fn reported(&self) -> anyhow::Result<Sample> {
        let case = self.declare().await?;
        let places = [self.new_id(), self.new_id()];
        let facts = self.in_need(&places);
        let evidence_sha256 = self.paper.clone();
        let authorise = Authorise {
            text_version: "2026-1".to_owned(),
            evidence_sha256: evidence_sha256.clone(),
        };
        let today = self.today().to_string();
        let verify = Verify {
            visitors: vec!["cadre-1".to_owned(), "grid-1".to_owned()],
            visited_on: today.clone(),
            standard_met: true,
            true_statement: true,
            complete: true,
            evidence_sha256: vec![evidence_sha256.clone()],
        };
        self.act(&case, Command::Authorise(authorise), &facts)
            .await?;
        self.act(&case, Command::Verify(verify), &facts).await?;
        self.freeze().await?;
        self.appraise(&case).await?;
        for place in places {
            let post = PostNotice {
                place_id: place.to_string(),
                posted_at: Some(timestamp(self.clock.now())),
                evidence_sha256: evidence_sha256.clone(),
            };
            self.act(&case, Command::PostNotice(post), &facts).await?;
        }
        self.shift.advance(Duration::days(7));
        let removal = |place: &Uuid| NoticeRemoval {
            place_id: place.to_string(),
            removed_at: Some(timestamp(self.clock.now())),
            evidence_sha256: evidence_sha256.clone(),
        };
        let close = CloseNotice {
            removals: places.iter().map(removal).collect(),
        };
        self.act(&case, Command::CloseNotice(close), &facts).await?;
        let report = SubmitVillageReport { evidence_sha256 };
        self.act(&case, Command::SubmitVillageReport(report), &facts)
            .await?;
        Sample::of(self, &case).await
    }

    /// A meeting of nineteen that is for the case.
    async fn appraise(&self, case: &str) -> anyhow::Result<()> {
        let attendees = (0..19).map(|at| Attendee {
            name: format!("attendee {at}"),
            // Fifteen representatives, and one of everybody else.
            capacities: vec![(at - 13).max(1)],
        });
        let meeting = Meeting {
            division_code: VILLAGE.to_owned(),
            held_on: self.today().to_string(),
            attendees: attendees.collect(),
            conflicts_declared: true,
            ballots: vec![Ballot {
                case_id: case.to_owned(),
                votes_for: 15,
                category: types::Category::SuddenHardship.into(),
                ..Ballot::default()
            }],
            evidence_sha256: vec![self.paper.clone()],
            ..Meeting::default()
        };
        let request = HoldMeetingRequest {
            request_id: self.new_id().to_string(),
            meeting: Some(meeting),
            acting_as: String::new(),
        };
        let facts = vec![Facts::default()];
        self.service
            .hold_meeting_with(&cadre(), request, facts)
            .await?;
        Ok(())
    }

    /// The township's review of a case.
    pub fn review(&self, case: Uuid) -> ActOnCaseRequest {
        let review = ReviewByTownship {
            papers_regular: true,
            papers_complete: true,
            opinion: "符合条件,材料齐全,同意上报。".to_owned(),
            evidence_sha256: self.paper.clone(),
        };
        self.request(&case.to_string(), Command::ReviewByTownship(review))
    }

    async fn declare(&self) -> anyhow::Result<String> {
        let request = DeclareCaseRequest {
            request_id: self.new_id().to_string(),
            household_id: self.new_id().to_string(),
            channel: types::LeadChannel::SelfDeclaration.into(),
            risks: vec![types::Risk {
                r#type: types::RiskType::Illness.into(),
                ..types::Risk::default()
            }],
            evidence_sha256: vec![self.paper.clone()],
            ..DeclareCaseRequest::default()
        };
        let (cadre, village) = (cadre(), VILLAGE.parse()?);
        let declared = self.service.declare_case_in(&cadre, request, village);
        Ok(declared.await?.case.context("a case")?.id)
    }

    async fn act(&self, case: &str, command: Command, facts: &Facts) -> anyhow::Result<()> {
        let request = self.request(case, command);
        let (cadre, facts) = (cadre(), facts.clone());
        let acted = self.service.act_on_case_with(&cadre, request, facts);
        acted.await?;
        Ok(())
    }

    async fn freeze(&self) -> anyhow::Result<()> {
        let request = FreezeWarningListRequest {
            request_id: self.new_id().to_string(),
            division_code: VILLAGE.to_owned(),
            month: kernel::Month::of(self.today()).to_string(),
            ..FreezeWarningListRequest::default()
        };
        let mut request = tonic::Request::new(request);
        request.extensions_mut().insert(cadre());
        workflow_service_server::WorkflowService::freeze_warning_list(&self.service, request)
            .await?;
        Ok(())
    }

    fn request(&self, case: &str, command: Command) -> ActOnCaseRequest {
        ActOnCaseRequest {
            request_id: self.new_id().to_string(),
            case_id: case.to_owned(),
            version: 0,
            command: Some(proto::workflow::v1::Command {
                command: Some(command),
            }),
            acting_as: String::new(),
        }
    }

    /// Facts of a household hit by illness, for which everything is in order.
    fn in_need(&self, places: &[Uuid]) -> Facts {
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
                required_places: places.iter().copied().map(NoticePlaceId).collect(),
                ..HouseholdFacts::default()
            },
            ..Facts::default()
        }
    }
}

/// The caller that leads a case in its village.
fn cadre() -> Caller {
    testing::caller(Role::VillageCadre, VILLAGE)
}

/// An issuer of tokens that only this run knows.
fn issuer() -> anyhow::Result<TestIssuer> {
    let secret = testing::new_id().as_bytes().repeat(2);
    let key = KeypairBytes {
        secret_key: *secret.first_chunk().context("32 bytes")?,
        public_key: None,
    };
    let pem = key.to_pkcs8_pem(Default::default());
    let pem = pem.map_err(|error| anyhow::anyhow!("a key: {error}"))?;
    Ok(TestIssuer::new(pem.as_bytes()))
}

/// The service in this process. Facts are given to it, so its neighbours are nobody.
async fn service(
    database: &Database,
    keys: &TestIssuer,
    store: EvidenceStore,
) -> anyhow::Result<Service> {
    let config = keys.config(NAME, COUNTY);
    let authenticator = Authenticator::new(&config).await?;
    let nobody = client::channel("http://127.0.0.1:9")?;
    let neighbours = Neighbours {
        households: nobody.clone(),
        comparison: nobody.clone(),
        measures: nobody,
        identity: ServiceIdentity::new(&config.service_token_file, authenticator),
    };
    let sealing = LogConfig {
        origin: "backstop.example/999999".to_owned(),
        key: SecretKey::new([5; 32]),
        witnesses: Vec::new(),
        checkpoint_seconds: 60,
        evidence_limit_seconds: 4 * 3600,
    };
    let ledger = Log::new(database.clone(), COUNTY.parse()?, &sealing)?;
    Ok(Service::new(database.clone(), neighbours, store, ledger))
}

/// Columns of a queue's row that are written.
const WORK: &str =
    "subject, role, is_lead, household_id, division_code, rank, due_on, steps, barred";

/// A case that the service has led, to be copied.
pub struct Sample {
    /// Its row as COPY writes it.
    row: Pattern,
    /// Its rows in the queues as COPY writes them.
    work: Pattern,
    events: Vec<Event>,
    /// Next day on which somebody has to be told of it.
    pub alarm_on: Option<NaiveDate>,
    number: Number,
}

struct Event {
    kind: String,
    division: String,
    traceparent: String,
    recorded_at: DateTime<Utc>,
    payload: Pattern,
}

/// A case number: `999999001001-2026-1000001`.
struct Number {
    stem: String,
    digits: usize,
}

impl Sample {
    /// Events of each copy.
    pub fn events(&self) -> u64 {
        self.events.len() as u64
    }

    async fn of(county: &County, case: &str) -> anyhow::Result<Self> {
        let mut owner = county.test.owner().await;
        let id: Uuid = case.parse()?;
        let row = sqlx::query(
            "select household_id, case_number, alarm_on from workflow.cases where id = $1",
        )
        .bind(id)
        .fetch_one(&mut owner)
        .await?;
        let household: Uuid = row.try_get(0)?;
        let number: String = row.try_get(1)?;
        let alarm_on = row.try_get(2)?;
        let words = [case.to_owned(), household.to_string(), number.clone()];

        let work = format!("select {WORK} from workflow.work where subject = '{id}'");
        let work = Pattern::new(copy_out(&mut owner, &work).await?, &words);
        let row = format!("select * from workflow.cases where id = '{id}'");
        let row = copy_out(&mut owner, &row).await?;
        // The row holds the words once as they are and once in its body, which is in hex.
        let both: Vec<String> = words.iter().cloned().chain(words.iter().map(hex)).collect();
        let row = Pattern::new(row, &both);

        let rows = sqlx::query(
            "select kind, division_code, traceparent, recorded_at, payload
             from workflow.feed where subject = $1 order by position",
        )
        .bind(id)
        .fetch_all(&mut owner)
        .await?;
        let mut events = Vec::new();
        for row in rows {
            events.push(Event {
                kind: row.try_get(0)?,
                division: row.try_get(1)?,
                traceparent: row.try_get(2)?,
                recorded_at: row.try_get(3)?,
                payload: Pattern::new(row.try_get(4)?, &words),
            });
        }
        owner.close().await?;
        let (stem, digits) = number.rsplit_once('-').context("a case number")?;
        let number = Number {
            stem: stem.to_owned(),
            digits: digits.len(),
        };
        Ok(Self {
            row,
            work,
            events,
            alarm_on,
            number,
        })
    }

    /// Id, household and number of a copy, in the widths of the sample's.
    fn words(&self, copy: u64) -> [String; 3] {
        // Higher than those that the service gives meanwhile.
        let running = 5 * 10_u64.pow(self.number.digits as u32 - 1) + copy;
        let household = Uuid::from_u128(u128::from(copy) | 1 << 100);
        [
            case_id(copy).to_string(),
            household.to_string(),
            format!("{}-{running}", self.number.stem),
        ]
    }

    /// Makes copies with these numbers.
    pub async fn copy(&self, county: &County, copies: Range<u64>) -> anyhow::Result<()> {
        let mut owner = county.test.owner().await;
        let mut at = copies.start;
        while at < copies.end {
            let until = copies.end.min(at + ROWS_AT_ONCE);
            self.copy_rows(&mut owner, at..until).await?;
            self.copy_events(&mut owner, at..until).await?;
            at = until;
        }
        owner.close().await?;
        Ok(())
    }

    async fn copy_rows(&self, owner: &mut PgConnection, copies: Range<u64>) -> anyhow::Result<()> {
        let (mut rows, mut work) = (Vec::new(), Vec::new());
        for copy in copies {
            let words = self.words(copy);
            work.extend(self.work.with(&words));
            let both: Vec<String> = words.iter().cloned().chain(words.iter().map(hex)).collect();
            rows.extend(self.row.with(&both));
        }
        copy_in(owner, "copy workflow.cases from stdin", rows).await?;
        let copy = format!("copy workflow.work ({WORK}) from stdin");
        copy_in(owner, &copy, work).await
    }

    /// Puts the events behind those that are there, and the ledger on.
    async fn copy_events(
        &self,
        owner: &mut PgConnection,
        copies: Range<u64>,
    ) -> anyhow::Result<()> {
        let head = sqlx::query("select position, frontier from workflow.feed_head")
            .fetch_one(&mut *owner)
            .await?;
        let mut position: i64 = head.try_get(0)?;
        let roots: Vec<Vec<u8>> = head.try_get(1)?;
        let roots: Option<Vec<Hash>> = roots.into_iter().map(|root| root.try_into().ok()).collect();
        let frontier = roots.and_then(|roots| Frontier::new(position.cast_unsigned(), roots));
        let mut frontier = frontier.context("feed_head")?;

        let macs = PayloadMac::new(&ledger_key());
        let mut rows = BinaryRows::new();
        for copy in copies {
            let subject = case_id(copy);
            let words = self.words(copy);
            for event in &self.events {
                position += 1;
                let payload = event.payload.with(&words);
                let mac = macs.of(position, &payload);
                let leaf = Leaf {
                    position,
                    kind: &event.kind,
                    subject,
                    division: &event.division,
                    department: None,
                    traceparent: &event.traceparent,
                    recorded_at: event.recorded_at,
                    payload_mac: &mac,
                };
                let root = frontier.push(leaf.hash());
                rows.begin(9);
                rows.field(&position.to_be_bytes());
                rows.field(event.kind.as_bytes());
                rows.field(subject.as_bytes());
                rows.field(event.division.as_bytes());
                rows.field(&payload);
                rows.field(&mac);
                rows.field(event.traceparent.as_bytes());
                rows.field(&root);
                rows.field(&microseconds(event.recorded_at).to_be_bytes());
            }
        }
        let copy = "copy workflow.feed (position, kind, subject, division_code, payload, \
                    payload_mac, traceparent, root, recorded_at) from stdin (format binary)";
        copy_in(owner, copy, rows.end()).await?;
        let roots: Vec<Vec<u8>> = frontier.roots().iter().map(|root| root.to_vec()).collect();
        sqlx::query("update workflow.feed_head set position = $1, frontier = $2")
            .bind(position)
            .bind(roots)
            .execute(owner)
            .await?;
        Ok(())
    }
}

/// Id of the copy with a number: the number itself in decimal digits, so that SQL can make it too.
pub fn case_id(copy: u64) -> Uuid {
    // Digits are hexadecimal digits as well.
    format!("{copy:032}").parse().unwrap_or_default()
}

fn hex(word: impl AsRef<[u8]>) -> String {
    let bytes = word.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

async fn copy_out(owner: &mut PgConnection, select: &str) -> anyhow::Result<Vec<u8>> {
    let copy = format!("copy ({select}) to stdout");
    let out = owner.copy_out_raw(&copy).await?;
    let pieces: Vec<_> = out.try_collect().await?;
    Ok(pieces.concat())
}

async fn copy_in(owner: &mut PgConnection, copy: &str, rows: Vec<u8>) -> anyhow::Result<()> {
    let mut sink = owner.copy_in_raw(copy).await?;
    sink.send(rows).await?;
    sink.finish().await?;
    Ok(())
}

/// Rows of COPY's binary format.
struct BinaryRows(Vec<u8>);

impl BinaryRows {
    fn new() -> Self {
        // Signature, flags, and no header extension.
        let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
        bytes.extend([0; 8]);
        Self(bytes)
    }

    fn begin(&mut self, fields: u16) {
        self.0.extend(fields.to_be_bytes());
    }

    fn field(&mut self, value: &[u8]) {
        self.0.extend((value.len() as u32).to_be_bytes());
        self.0.extend(value);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend((-1_i16).to_be_bytes());
        self.0
    }
}

/// An instant as PostgreSQL's binary format has it: since 2000.
fn microseconds(at: DateTime<Utc>) -> i64 {
    const UNIX_SECONDS_OF_2000: i64 = 946_684_800;
    at.timestamp_micros() - UNIX_SECONDS_OF_2000 * 1_000_000
}

/// Cleans up behind a load, so that what is measured is not that.
pub async fn settle(county: &mut County) -> anyhow::Result<()> {
    let mut owner = county.test.owner().await;
    disconnect(&mut owner, &county.database, 0).await?;
    // Keys of some days: an empty table is planned for as an empty table.
    sqlx::query(
        "insert into workflow.idempotency
             (principal, operation, key, fingerprint, response, created_at)
         select 'village_cadre-' || n % 300, 'ActOnCase', gen_random_uuid(),
                decode(repeat('00', 32), 'hex'), decode(repeat('00', 400), 'hex'), now()
         from generate_series(1, $1) n",
    )
    .bind(KEYS)
    .execute(&mut owner)
    .await?;
    for statement in ["vacuum analyze", "checkpoint"] {
        sqlx::query(statement).execute(&mut owner).await?;
    }
    owner.close().await?;
    county.database = connect(&county.test.config, &county.clock).await?;
    Ok(())
}

/// Connects as the service.
pub async fn connect(config: &DatabaseConfig, clock: &Clock) -> anyhow::Result<Database> {
    Ok(Database::connect(config, NAME, ledger_key(), clock.clone()).await?)
}

/// How many connections services have to the owner's database.
pub async fn connections(owner: &mut PgConnection) -> anyhow::Result<i64> {
    let connected = "select count(*) from pg_stat_activity
                     where datname = current_database() and application_name = $1";
    Ok(sqlx::query_scalar(connected)
        .bind(NAME)
        .fetch_one(owner)
        .await?)
}

/// Ends a pool's connections, and waits until no more than `left` are there: the server knows then
/// what the others have read.
pub async fn disconnect(
    owner: &mut PgConnection,
    database: &Database,
    left: i64,
) -> anyhow::Result<()> {
    database.close().await;
    let began = Instant::now();
    while connections(owner).await? > left {
        ensure!(began.elapsed() < GONE, "connections do not end");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Whether the ledger holds and the rows say what the events say.
pub async fn verified(county: &County) -> anyhow::Result<()> {
    let mut owner = county.test.owner().await;
    let report = ledger::verify(
        std::slice::from_mut(&mut owner),
        NAME,
        &ledger_key(),
        None,
        &[],
        |_, _| (),
    )
    .await?;
    if let Some(fault) = report.fault {
        bail!("the ledger does not hold: {fault}");
    }
    if let Some(difference) = workflow::verify_projection(&mut owner).await? {
        bail!("{difference}");
    }
    owner.close().await?;
    Ok(())
}
