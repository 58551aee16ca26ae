//! One transition through gRPC and PostgreSQL, beside pgbench with the same SQL.
//!
//! The transition is the township's review (T8): two transactions, with a paper that is looked up, a
//! free text, the case's row and its event. Ours is the deployed program; what it sends is taken
//! from the server's log and said again by pgbench, as prepared statements with bound values, on
//! other cases of the same county.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chassis::{client::Channel, config::DatabaseConfig, testing};
use futures::future::try_join_all;
use kernel::Role;
use proto::workflow::v1::{
    ActOnCaseRequest, workflow_service_client::WorkflowServiceClient,
    workflow_service_server::WorkflowService,
};
use secrecy::ExposeSecret;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    Extent,
    county::{self, County, TOWNSHIP, case_id},
    figure::{Target, note},
    measure::{self, median, percentile},
    pgbench::{Pgbench, Script, Statement, Varying, statements},
    served::Served,
    server::Server,
};

/// Who act at once, on both sides.
const CLIENTS: u64 = 4;
/// Settings of the service's own sessions.
const SESSION: &str = "-c role=backstop_workflow -c statement_timeout=5s -c lock_timeout=2s \
                       -c idle_in_transaction_session_timeout=10s -c timezone=UTC";

pub async fn run(extent: Extent, county: &County, cases: u64) -> anyhow::Result<()> {
    let (pairs, each) = extent.pick((5, 60), (7, 300));
    let mut owner = county.test.owner().await;
    let server = Server::of(&mut owner).await?;
    let folder = tempfile::tempdir()?;
    // Every case is acted on once.
    let mut fresh = Fresh { next: 0, cases };

    let captured = capture(&server, county, &mut owner, fresh.take(1)?).await?;
    note(&format!(
        "transition: {} statements:",
        captured.statements.len()
    ));
    for statement in &captured.statements {
        let sql = statement.sql.split_whitespace().collect::<Vec<_>>();
        note(&format!("  {}", sql.join(" ")));
    }
    let script = script(&captured)?;
    let pgbench = Pgbench {
        server: &server,
        url: county.test.config.url.expose_secret(),
        options: SESSION,
        folder: folder.path(),
        clients: CLIENTS,
    };
    let served = Served::start(county, folder.path(), CLIENTS).await?;
    let ours = Ours::new(county, &served);

    // The same answers, before any time is taken.
    let (first, other) = (fresh.take(CLIENTS)?, fresh.take(CLIENTS)?);
    ours.act(county, first, 1).await?;
    pgbench.run(&script, 1, &variables(other))?;
    mend_head(&mut owner).await?;
    for (ours, peer) in (first..).zip(other..).take(CLIENTS as usize) {
        let (ours, peer) = (
            outcome(&mut owner, ours).await?,
            outcome(&mut owner, peer).await?,
        );
        ensure!(ours == peer, "ours: {ours}\npgbench: {peer}");
    }

    let (mut cpu, mut peers, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
    let mut services = Vec::new();
    for _ in 0..pairs {
        let (own, databases) = (served.cpu()?, server.cpu()?);
        latencies.extend(ours.act(county, fresh.take(CLIENTS * each)?, each).await?);
        let own = served.cpu()?.saturating_sub(own);
        let spent = own + server.cpu()?.saturating_sub(databases);
        cpu.push(microseconds(spent, CLIENTS * each));
        services.push(microseconds(own, CLIENTS * each));

        // What it takes to connect and to prepare is taken off: our connections are there.
        let empty = spent_by(&server, || {
            pgbench.run(&script, 1, &variables(fresh.take(CLIENTS)?))
        })?;
        let whole = spent_by(&server, || {
            let first = fresh.take(CLIENTS * (each + 1))?;
            pgbench.run(&script, each + 1, &variables(first))
        })?;
        mend_head(&mut owner).await?;
        peers.push(microseconds(whole.saturating_sub(empty), CLIENTS * each));
    }
    note(&format!(
        "transition: {:.0} µs of ours are the service's, the others PostgreSQL's",
        median(services)
    ));
    let peer = Some(median(peers));
    super::print(
        "transition_cpu",
        "µs",
        median(cpu),
        peer,
        Target::AtMost(2.0),
    );
    let (p99, p50) = (
        percentile(&mut latencies, 0.99),
        percentile(&mut latencies, 0.5),
    );
    super::print(
        "transition_p99_to_p50",
        "ms",
        p99,
        Some(p50),
        Target::AtMost(4.0),
    );

    ensure!(
        reviewed(&mut owner).await? == fresh.next as i64,
        "a transition has had no effect"
    );
    drop(served);
    Ok(())
}

/// Numbers of cases that nobody has acted on.
struct Fresh {
    next: u64,
    cases: u64,
}

impl Fresh {
    fn take(&mut self, many: u64) -> anyhow::Result<u64> {
        let first = self.next;
        self.next += many;
        ensure!(self.next <= self.cases, "too few cases");
        Ok(first)
    }
}

/// What the service sent for one transition.
struct Captured {
    statements: Vec<Statement>,
    request: ActOnCaseRequest,
    position: i64,
}

/// Acts on a case on a connection of which the server logs every statement.
async fn capture(
    server: &Server,
    county: &County,
    owner: &mut PgConnection,
    case: u64,
) -> anyhow::Result<Captured> {
    let database: String = sqlx::query_scalar("select current_database()")
        .fetch_one(&mut *owner)
        .await?;
    let set = format!("alter database {database} set log_statement = 'all'");
    sqlx::query(AssertSqlSafe(set)).execute(&mut *owner).await?;
    let config = DatabaseConfig {
        max_connections: 1,
        ..county.test.config.clone()
    };
    let own = county::connect(&config, &chassis::clock::Clock::system()).await?;
    let service = county.service_on(&own).await?;
    let before = server.log_end()?;
    let sent = county.review(case_id(case));
    let mut request = tonic::Request::new(sent.clone());
    request
        .extensions_mut()
        .insert(testing::caller(Role::TownshipOffice, TOWNSHIP));
    let answer = service.act_on_case(request).await?.into_inner();
    let left = county::connections(owner).await? - 1;
    county::disconnect(owner, &own, left).await?;
    let reset = format!("alter database {database} reset log_statement");
    sqlx::query(AssertSqlSafe(reset)).execute(owner).await?;
    Ok(Captured {
        statements: statements(&server.log_from(before)?)?,
        request: sent,
        position: answer.feed_position,
    })
}

/// The captured transaction for pgbench: case, key and position are other ones each time.
fn script(captured: &Captured) -> anyhow::Result<Script> {
    const CASE: &str = "lpad(:n, 32, '0')::uuid";
    let Captured {
        statements,
        request,
        position,
    } = captured;
    let values = [
        (request.case_id.clone(), CASE.to_owned()),
        (format!("{{{}}}", request.case_id), format!("array[{CASE}]")),
        (
            request.request_id.clone(),
            "('f' || lpad(:n, 31, '0'))::uuid".to_owned(),
        ),
        (position.to_string(), ":next".to_owned()),
        (format!("{{{position}}}"), "array[:next]".to_owned()),
    ];
    let varying = Varying {
        values: &values,
        gives: "from workflow.feed_head for update",
        then: "\\set next :position + 1",
        first: "\\set n :first + :i * :clients + :client_id\n\\set i :i + 1",
    };
    Script::new(statements, &varying)
}

fn variables(first: u64) -> [(&'static str, u64); 3] {
    [("first", first), ("clients", CLIENTS), ("i", 0)]
}

/// The service, asked by several at once over one channel, as a gateway asks it.
struct Ours {
    client: WorkflowServiceClient<Channel>,
    token: String,
}

impl Ours {
    fn new(county: &County, served: &Served) -> Self {
        let caller = testing::caller(Role::TownshipOffice, TOWNSHIP);
        let subject = &caller.principal.subject;
        let token = county
            .keys
            .token(subject, Role::TownshipOffice, TOWNSHIP, None);
        Self {
            client: WorkflowServiceClient::new(served.channel.clone()),
            token,
        }
    }

    /// Every client acts on so many cases, one after another. Returns milliseconds of each.
    async fn act(&self, county: &County, first: u64, each: u64) -> anyhow::Result<Vec<f64>> {
        let clients = (0..CLIENTS).map(async |number| {
            let mut client = self.client.clone();
            let mut latencies = Vec::new();
            for at in 0..each {
                let case = case_id(first + at * CLIENTS + number);
                let mut request = tonic::Request::new(county.review(case));
                let bearer = format!("Bearer {}", self.token).parse()?;
                request.metadata_mut().insert("authorization", bearer);
                let began = Instant::now();
                client.act_on_case(request).await?;
                latencies.push(began.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::Ok(latencies)
        });
        Ok(try_join_all(clients).await?.concat())
    }
}

/// CPU time of the server and of the program that `run` has waited for.
fn spent_by(server: &Server, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let before = measure::of_ended_children()? + server.cpu()?;
    run()?;
    Ok(measure::of_ended_children()? + server.cpu()? - before)
}

fn microseconds(spent: Duration, transitions: u64) -> f64 {
    spent.as_secs_f64() * 1e6 / transitions as f64
}

/// What a transition has left of a case, without ids and without what is encoded.
async fn outcome(owner: &mut PgConnection, case: u64) -> anyhow::Result<String> {
    let outcome: Option<String> = sqlx::query_scalar(
        "select jsonb_build_object(
             'row', (select to_jsonb(c) - 'id' - 'household_id' - 'case_number' - 'body'
                     from workflow.cases c where id = $1),
             'work', (select jsonb_agg(to_jsonb(w) - 'subject' - 'household_id' order by role)
                      from workflow.work w where subject = $1),
             'events', (select jsonb_agg(kind order by position)
                        from workflow.feed where subject = $1),
             'texts', (select jsonb_agg(jsonb_build_array(version, field, body) order by field)
                       from workflow.texts where subject = $1))::text",
    )
    .bind(case_id(case))
    .fetch_one(owner)
    .await?;
    outcome.context("a case")
}

/// pgbench counts positions and hashes nothing: the service would find a head that cannot be. It goes
/// on from one that can, on a ledger that was verified before.
async fn mend_head(owner: &mut PgConnection) -> anyhow::Result<()> {
    let position: i64 = sqlx::query_scalar("select position from workflow.feed_head")
        .fetch_one(&mut *owner)
        .await?;
    let roots = vec![vec![0_u8; 32]; position.count_ones() as usize];
    sqlx::query("update workflow.feed_head set frontier = $1")
        .bind(roots)
        .execute(owner)
        .await?;
    Ok(())
}

async fn reviewed(owner: &mut PgConnection) -> anyhow::Result<i64> {
    let reviewed = "select count(*) from workflow.cases where state = 'TOWNSHIP_REVIEWED'";
    Ok(sqlx::query_scalar(reviewed).fetch_one(owner).await?)
}
