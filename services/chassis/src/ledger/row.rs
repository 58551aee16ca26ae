//! Feed rows as PostgreSQL copies them out in its binary format: read where they lie, since a check of a
//! county's ledger reads millions.

use std::ops::ControlFlow;

use bytes::{Buf, Bytes, BytesMut};
use futures::TryStreamExt;
use sqlx::PgConnection;

use crate::error::Error;

/// Columns in the order in which [`rows`] reads them.
const COLUMNS: &str = "position, kind, subject, division_code, department, traceparent, \
                                  recorded_at, payload, payload_mac, root";

/// 2000-01-01 in microseconds of the epoch: where PostgreSQL counts from.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// Bytes of a copy without rows: signature, flags, extension, end.
pub(crate) const EMPTY_BYTES: usize = 21;

/// A feed row. Texts are bytes: they are hashed and not read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) position: i64,
    pub(crate) kind: &'a [u8],
    pub(crate) subject: &'a [u8],
    pub(crate) division: &'a [u8],
    pub(crate) department: &'a [u8],
    pub(crate) traceparent: &'a [u8],
    pub(crate) recorded_at_us: i64,
    pub(crate) payload: Option<&'a [u8]>,
    pub(crate) payload_mac: &'a [u8],
    pub(crate) root: &'a [u8],
}

/// Has the server read rows by their key: of a table that it has not analysed yet it believes otherwise,
/// sorts what is sorted, and takes twice as long. For the transaction or for the connection.
pub(crate) async fn read_in_order(
    connection: &mut PgConnection,
    transaction: bool,
) -> Result<(), Error> {
    let set = "select set_config('enable_bitmapscan', 'off', $1), \
                      set_config('enable_seqscan', 'off', $1), set_config('enable_sort', 'off', $1)";
    sqlx::query(set)
        .bind(transaction)
        .execute(connection)
        .await?;
    Ok(())
}

/// Rows of a schema's feed from position `after` to `until`, as they come from the server.
pub(crate) async fn copy(
    connection: &mut PgConnection,
    schema: &str,
    (after, until): (i64, i64),
) -> Result<Bytes, Error> {
    let copy = format!(
        "copy (select {COLUMNS} from {schema}.feed where position > {after} and position <= {until} \
               order by position) to stdout (format binary)"
    );
    let mut pieces = connection.copy_out_raw(&copy).await?;
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.try_next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

/// Calls `each` with every row of a copy until it breaks off; `None` when the bytes are not a copy.
pub(crate) fn rows<B>(
    copied: &[u8],
    mut each: impl FnMut(Row<'_>) -> ControlFlow<B>,
) -> Option<ControlFlow<B>> {
    const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
    let mut rest = copied.strip_prefix(SIGNATURE)?;
    let _flags = rest.try_get_u32().ok()?;
    let extension = rest.try_get_u32().ok()? as usize;
    rest = rest.get(extension..)?;
    loop {
        match rest.try_get_i16().ok()? {
            -1 => return Some(ControlFlow::Continue(())),
            10 => {}
            _ => return None,
        }
        let row = Row {
            position: number(field(&mut rest)?)?,
            kind: field(&mut rest)??,
            subject: field(&mut rest)??,
            division: field(&mut rest)??,
            department: field(&mut rest)?.unwrap_or_default(),
            traceparent: field(&mut rest)??,
            recorded_at_us: number(field(&mut rest)?)?.wrapping_add(POSTGRES_EPOCH_US),
            payload: field(&mut rest)?,
            payload_mac: field(&mut rest)??,
            root: field(&mut rest)??,
        };
        if let flow @ ControlFlow::Break(_) = each(row) {
            return Some(flow);
        }
    }
}

/// The next field; its inner `None` is SQL's null.
fn field<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = rest.try_get_i32().ok()?;
    if len == -1 {
        return Some(None);
    }
    let (field, after) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = after;
    Some(Some(field))
}

fn number(field: Option<&[u8]>) -> Option<i64> {
    Some(i64::from_be_bytes(field?.try_into().ok()?))
}
