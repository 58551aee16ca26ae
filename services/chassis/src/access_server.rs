//! Serves the access log of one service to those who look after the others.

use chrono::DateTime;
use kernel::Role;
use proto::access::v1::{
    AccessEntry, ListAccessRequest, ListAccessResponse, Place, access_service_server::AccessService,
};
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    auth::{self, Caller},
    clock::timestamp,
    decode::Fields,
    error::Error,
    pg::Database,
};

/// Who looks after those who act (SEC-2).
const INSPECTORS: [Role; 2] = [Role::Auditor, Role::DisciplineInspection];
/// Verbs of RPCs that change nothing.
const READS: [&str; 6] = ["List", "Batch", "Find", "Get", "Lookup", "Subscribe"];
/// A page, and one more that tells whether there is another.
const PAGE_MAX: i32 = 101;

/// The access log of one database as a gRPC service.
#[derive(Debug, Clone)]
pub struct AccessServer(Database);

impl AccessServer {
    /// Serves `database`'s access log.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self(database)
    }

    async fn list(
        &self,
        caller: &Caller,
        request: ListAccessRequest,
    ) -> Result<Vec<AccessEntry>, Error> {
        let mut f = Fields::new();
        let household: Option<Uuid> = f.parse("household_id", &request.household_id);
        let before = request.before.map(|place| self.bound(&mut f, &place));
        if !(0..=PAGE_MAX).contains(&request.page_size) {
            f.violation("page_size", "PAGE_SIZE", "1 to 101");
        }
        let household = f.finish_with(household)?;
        let (at_us, id) = before.unwrap_or((i64::MAX, Uuid::max()));
        let at = DateTime::from_timestamp_micros(at_us);
        let at = at.unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
        let most = match request.page_size {
            0 => 20,
            size => size,
        };
        let schema = self.0.schema();
        let select = format!(
            "select a.id, a.called_at, a.rpc, a.account, a.role, a.division_code, a.traceparent,
                    a.households
             from (select called_at, access_id from {schema}.access_of
                   where household_id = $1
                     and ($2::timestamptz is null or (called_at, access_id) < ($2, $3))
                   order by called_at desc, access_id desc limit $4) as o
             join {schema}.access a on a.id = o.access_id
             order by o.called_at desc, o.access_id desc"
        );
        let mut tx = self.0.read(caller).await?;
        let rows = sqlx::query(AssertSqlSafe(select))
            .bind(household)
            .bind((at_us != i64::MAX).then_some(at))
            .bind(id)
            .bind(most)
            .fetch_all(&mut *tx)
            .await?;
        drop(tx);
        rows.iter().map(|row| self.entry(row)).collect()
    }

    /// The place as this service has it: the list goes by instant, then by service, then by id.
    fn bound(&self, f: &mut Fields, place: &Place) -> (i64, Uuid) {
        let own = self.0.schema();
        let id = match place.service.as_str() {
            service if service == own => f.parse("before.id", &place.id).unwrap_or_default(),
            // At one instant services come in the falling order of their names.
            service if own < service => Uuid::max(),
            _ => Uuid::nil(),
        };
        (place.at_us, id)
    }

    fn entry(&self, row: &PgRow) -> Result<AccessEntry, Error> {
        let at: DateTime<chrono::Utc> = row.try_get("called_at")?;
        let rpc: String = row.try_get("rpc")?;
        let traceparent: String = row.try_get("traceparent")?;
        Ok(AccessEntry {
            id: row.try_get::<Uuid, _>("id")?.to_string(),
            at: Some(timestamp(at)),
            service: self.0.schema().to_owned(),
            changes: !READS.iter().any(|verb| rpc.starts_with(verb)),
            rpc,
            account: row.try_get("account")?,
            role: row.try_get("role")?,
            division_code: row.try_get("division_code")?,
            trace_id: traceparent.split('-').nth(1).unwrap_or_default().to_owned(),
            households: row.try_get("households")?,
            place: Some(Place {
                at_us: at.timestamp_micros(),
                service: self.0.schema().to_owned(),
                id: row.try_get::<Uuid, _>("id")?.to_string(),
            }),
        })
    }
}

#[tonic::async_trait]
impl AccessService for AccessServer {
    async fn list_access(
        &self,
        request: Request<ListAccessRequest>,
    ) -> Result<Response<ListAccessResponse>, Status> {
        let caller = auth::caller(&request)?;
        if !INSPECTORS.contains(&caller.principal.role) {
            return Err(Error::PermissionDenied.into());
        }
        let entries = self.list(&caller, request.into_inner()).await?;
        Ok(Response::new(ListAccessResponse { entries }))
    }
}
