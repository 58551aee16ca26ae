//! The feed: a service's outbox, its ledger, and what others subscribe to. One mechanism.

use chrono::{DateTime, Utc};
use kernel::{Department, DivisionCode};
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{
    error::Error,
    ledger::{Leaf, MAC_BYTES, PayloadMac},
    merkle::{Frontier, Hash},
    pg::Tx,
    telemetry,
};

/// Something that happened, to be told to everybody who may know. No personal data.
#[derive(Debug, Clone)]
pub struct Item {
    /// e.g. `case.enrolled`.
    pub kind: String,
    /// Id of what it is about.
    pub subject: Uuid,
    /// Where it lies: decides who sees it.
    pub division: DivisionCode,
    /// Set when it belongs to one department.
    pub department: Option<Department>,
    /// The encoded message that the service documents for the kind.
    pub payload: Vec<u8>,
}

/// An item with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Dense, in commit order; the leaf index plus one.
    pub position: i64,
    /// See [`Item::kind`].
    pub kind: String,
    /// See [`Item::subject`].
    pub subject: Uuid,
    /// See [`Item::division`]; as it was recorded.
    pub division: DivisionCode,
    /// Where the subject lies today, where the division was merged or it has left it; known of a
    /// [`page`] only.
    pub lies_in: Option<DivisionCode>,
    /// See [`Item::department`].
    pub department: Option<Department>,
    /// Absent when it was erased.
    pub payload: Option<Vec<u8>>,
    /// W3C trace context of the change.
    pub traceparent: String,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Columns that [`Stored::read`] reads.
pub(crate) const COLUMNS: &str =
    "position, kind, subject, division_code, department, payload, traceparent, recorded_at";

impl Stored {
    pub(crate) fn read(row: &PgRow) -> Result<Self, Error> {
        let division: String = row.try_get("division_code")?;
        let department: Option<String> = row.try_get("department")?;
        let damaged = |column: &'static str| {
            let position: i64 = row.try_get("position").unwrap_or(0);
            Error::Internal(anyhow::anyhow!("feed row {position}: bad {column}"))
        };
        Ok(Self {
            position: row.try_get("position")?,
            kind: row.try_get("kind")?,
            subject: row.try_get("subject")?,
            division: division.parse().map_err(|_| damaged("division_code"))?,
            lies_in: None,
            department: department
                .map(|text| text.parse())
                .transpose()
                .map_err(|_| damaged("department"))?,
            payload: row.try_get("payload")?,
            traceparent: row.try_get("traceparent")?,
            recorded_at: row.try_get("recorded_at")?,
        })
    }
}

/// Appends items and returns the last position. The lock on the head is taken here, as the last
/// thing before commit.
pub(crate) async fn append(tx: &mut Tx, items: Vec<Item>) -> Result<i64, Error> {
    let schema = tx.database().schema();
    let macs = PayloadMac::new(tx.database().ledger_key());
    let recorded_at = tx.now();
    let head = format!("select position, frontier from {schema}.feed_head for update");
    let row = sqlx::query(AssertSqlSafe(head))
        .fetch_one(&mut **tx)
        .await?;
    let mut position: i64 = row.try_get(0)?;
    let mut frontier = frontier_of(position, row.try_get(1)?)?;

    let traceparent = telemetry::traceparent().unwrap_or_default();
    let mut rows = Rows::default();
    for item in items {
        position += 1;
        let mac = macs.of(position, &item.payload);
        let leaf = Leaf {
            position,
            kind: &item.kind,
            subject: item.subject,
            division: item.division.as_str(),
            department: item.department.as_ref().map(|d| d.as_str()),
            traceparent: &traceparent,
            recorded_at,
            payload_mac: &mac,
        };
        let root = frontier.push(leaf.hash());
        rows.push(position, item, mac, root);
    }
    let insert = format!(
        "with moved as (update {schema}.feed_head set position = $1, frontier = $2) \
         insert into {schema}.feed (position, kind, subject, division_code, department, payload, \
                                    payload_mac, root, traceparent, recorded_at) \
         select *, $11::text, $12::timestamptz from unnest($3::bigint[], $4::text[], $5::uuid[], \
                $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::bytea[])"
    );
    let frontier: Vec<Vec<u8>> = frontier.roots().iter().map(|hash| hash.to_vec()).collect();
    sqlx::query(AssertSqlSafe(insert))
        .bind(position)
        .bind(frontier)
        .bind(rows.positions)
        .bind(rows.kinds)
        .bind(rows.subjects)
        .bind(rows.divisions)
        .bind(rows.departments)
        .bind(rows.payloads)
        .bind(rows.macs)
        .bind(rows.roots)
        .bind(traceparent)
        .bind(recorded_at)
        .execute(&mut **tx)
        .await?;
    Ok(position)
}

pub(crate) fn frontier_of(position: i64, roots: Vec<Vec<u8>>) -> Result<Frontier, Error> {
    let roots: Option<Vec<Hash>> = roots.into_iter().map(|root| root.try_into().ok()).collect();
    let len = u64::try_from(position).unwrap_or(0);
    roots
        .and_then(|roots| Frontier::new(len, roots))
        .ok_or_else(|| {
            Error::Internal(anyhow::anyhow!("feed_head: frontier does not fit position"))
        })
}

#[derive(Default)]
struct Rows {
    positions: Vec<i64>,
    kinds: Vec<String>,
    subjects: Vec<Uuid>,
    divisions: Vec<String>,
    departments: Vec<Option<String>>,
    payloads: Vec<Vec<u8>>,
    macs: Vec<Vec<u8>>,
    roots: Vec<Vec<u8>>,
}

impl Rows {
    fn push(&mut self, position: i64, item: Item, mac: [u8; MAC_BYTES], root: Hash) {
        self.positions.push(position);
        self.kinds.push(item.kind);
        self.subjects.push(item.subject);
        self.divisions.push(item.division.to_string());
        self.departments
            .push(item.department.map(|d| d.to_string()));
        self.payloads.push(item.payload);
        self.macs.push(mac.to_vec());
        self.roots.push(root.to_vec());
    }
}

/// Every item about `subject`, in order. An aggregate has some fifty.
///
/// # Errors
/// The database does not answer.
pub async fn by_subject(tx: &mut Tx, subject: Uuid) -> Result<Vec<Stored>, Error> {
    let schema = tx.database().schema();
    of_subject(&mut *tx, schema, subject).await
}

/// The same on any connection, for checks that run beside the service.
///
/// # Errors
/// The database does not answer.
pub async fn of_subject(
    connection: &mut PgConnection,
    schema: &'static str,
    subject: Uuid,
) -> Result<Vec<Stored>, Error> {
    let select =
        format!("select {COLUMNS} from {schema}.feed where subject = $1 order by position");
    let rows = sqlx::query(AssertSqlSafe(select))
        .bind(subject)
        .fetch_all(connection)
        .await?;
    rows.iter().map(Stored::read).collect()
}

/// The items about `subject` up to position `until`, in order, with the hashes of their payloads.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn with_macs(
    tx: &mut Tx,
    subject: Uuid,
    until: i64,
) -> Result<Vec<(Stored, Vec<u8>)>, Error> {
    let select = format!(
        "select {COLUMNS}, payload_mac from {}.feed where subject = $1 and position <= $2 \
         order by position",
        tx.database().schema()
    );
    let rows = sqlx::query(AssertSqlSafe(select))
        .bind(subject)
        .bind(until)
        .fetch_all(&mut **tx)
        .await?;
    let read = |row| Ok((Stored::read(row)?, row.try_get("payload_mac")?));
    rows.iter().map(read).collect()
}

/// Which items of a feed are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Empty for all.
    pub kinds: Vec<String>,
    /// This division and inside it.
    pub division: Option<DivisionCode>,
    /// This department only.
    pub department: Option<Department>,
}

/// A page of the feed as the transaction's caller sees it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Items that pass the filter.
    pub items: Vec<Stored>,
    /// Everything up to here has been looked at.
    pub position: i64,
    /// Whether there is more already.
    pub has_more: bool,
}

/// Items after `after`, at most `most`. Filtering happens in SQL, so that a rare kind costs one page.
///
/// # Errors
/// The database does not answer.
pub async fn page(tx: &mut Tx, after: i64, filter: &Filter, most: i64) -> Result<Page, Error> {
    let schema = tx.database().schema();
    // The head first: items committed after it was read are left to the next page, so the place
    // reached can never pass an item that was not seen.
    let select = format!("select position from {schema}.feed_head");
    let (head,): (i64,) = sqlx::query_as(AssertSqlSafe(select))
        .fetch_one(&mut **tx)
        .await?;
    if head <= after {
        return Ok(Page {
            items: Vec::new(),
            position: after,
            has_more: false,
        });
    }
    let select = format!(
        "select {COLUMNS}, left_for.into_code as left_for, merged.into_code as merged_into \
         from {schema}.feed \
         left join {schema}.division_merges merged on merged.from_code = division_code \
         left join lateral (select into_code from {schema}.departures d \
                            where d.subject = feed.subject limit 1) left_for on true \
         where position > $1 and position <= $2 and ($3::text[] = '{{}}' or kind = any($3)) \
           and ($4::text is null or division_code ^@ $4 or merged.into_code ^@ $4 \
                or left_for.into_code ^@ $4) \
           and ($5::text is null or department = $5) \
         order by position limit $6"
    );
    let rows = sqlx::query(AssertSqlSafe(select))
        .bind(after)
        .bind(head)
        .bind(&filter.kinds)
        .bind(filter.division.as_ref().map(|d| d.prefix().to_owned()))
        .bind(filter.department.as_ref().map(|d| d.as_str().to_owned()))
        .bind(most)
        .fetch_all(&mut **tx)
        .await?;
    // Row-level security has filtered already; the same predicate again in Rust, so that a policy
    // lost in a migration shows nothing to anybody.
    let scope = tx.principal().scope.clone();
    let full = i64::try_from(rows.len()).unwrap_or(most) == most;
    let read = |row: &PgRow| {
        let code = |column: &str| {
            let code: Option<String> = row.try_get(column)?;
            Ok::<_, Error>(code.and_then(|code| code.parse::<DivisionCode>().ok()))
        };
        let (stored, left_for) = (Stored::read(row)?, code("left_for")?);
        let lies_in = left_for.or(code("merged_into")?);
        // What has left is seen where it lies and nowhere else.
        let recorded = Some(stored.division).filter(|_| left_for.is_none());
        let mut places = [recorded, lies_in].into_iter().flatten();
        let is_seen = places.any(|division| scope.sees(&division, stored.department.as_ref()));
        let lies_in = lies_in.filter(|division| *division != stored.division);
        Ok::<_, Error>((Stored { lies_in, ..stored }, is_seen))
    };
    let stored: Vec<(Stored, bool)> = rows.iter().map(read).collect::<Result<_, _>>()?;
    let position = if full {
        stored.last().map_or(head, |(last, _)| last.position)
    } else {
        head
    };
    let seen = stored.into_iter().filter(|(_, is_seen)| *is_seen);
    let items = seen.map(|(item, _)| item).collect();
    Ok(Page {
        items,
        position,
        has_more: full && position < head,
    })
}
