//! Cells of arrays.

use std::borrow::Cow;

use arrow_array::{
    Array, ArrayAccessor, ArrowPrimitiveType, cast::AsArray, iterator::ArrayIter,
    temporal_conversions::as_datetime, types as t,
};
use arrow_schema::{DataType, TimeUnit};
use comparison_engine::{Numbers, Reason};

/// Hands on the ID numbers of an array.
pub(crate) fn numbers(array: &dyn Array, numbers: &mut Numbers<'_>) {
    use DataType as D;
    match array.data_type() {
        D::Utf8 => each(array.as_string::<i32>(), numbers),
        D::LargeUtf8 => each(array.as_string::<i64>(), numbers),
        D::Utf8View => each(array.as_string_view(), numbers),
        D::Binary => each(array.as_binary::<i32>(), numbers),
        D::LargeBinary => each(array.as_binary::<i64>(), numbers),
        D::BinaryView => each(array.as_binary_view(), numbers),
        // Of several rows with the same number each is judged by itself.
        _ => (0..array.len()).for_each(|row| numbers.push(bytes(array, row))),
    }
}

fn each<'a, A, T>(array: A, numbers: &mut Numbers<'_>)
where
    A: ArrayAccessor<Item = &'a T>,
    T: AsRef<[u8]> + ?Sized + 'a,
{
    if array.null_count() == 0 {
        for row in 0..array.len() {
            numbers.push(Some(array.value(row).as_ref()));
        }
    } else {
        for cell in ArrayIter::new(array) {
            numbers.push(cell.map(AsRef::as_ref));
        }
    }
}

/// A cell that should be text; `None` where there is none.
fn bytes(array: &dyn Array, row: usize) -> Option<&[u8]> {
    use DataType as D;
    if row >= array.len() || array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        D::Utf8 => array.as_string::<i32>().value(row).as_bytes(),
        D::LargeUtf8 => array.as_string::<i64>().value(row).as_bytes(),
        D::Utf8View => array.as_string_view().value(row).as_bytes(),
        D::Binary => array.as_binary::<i32>().value(row),
        D::LargeBinary => array.as_binary::<i64>().value(row),
        D::BinaryView => array.as_binary_view().value(row),
        D::Dictionary(..) => {
            let dictionary = array.as_any_dictionary_opt()?;
            let key = key(dictionary.keys(), row)?;
            return bytes(dictionary.values().as_ref(), key);
        }
        _ => return None,
    })
}

fn key(keys: &dyn Array, row: usize) -> Option<usize> {
    use DataType as D;
    fn of<T: ArrowPrimitiveType<Native: TryInto<usize>>>(
        keys: &dyn Array,
        row: usize,
    ) -> Option<usize> {
        keys.as_primitive::<T>().value(row).try_into().ok()
    }
    match keys.data_type() {
        D::Int8 => of::<t::Int8Type>(keys, row),
        D::Int16 => of::<t::Int16Type>(keys, row),
        D::Int32 => of::<t::Int32Type>(keys, row),
        D::Int64 => of::<t::Int64Type>(keys, row),
        D::UInt8 => of::<t::UInt8Type>(keys, row),
        D::UInt16 => of::<t::UInt16Type>(keys, row),
        D::UInt32 => of::<t::UInt32Type>(keys, row),
        D::UInt64 => of::<t::UInt64Type>(keys, row),
        _ => None,
    }
}

/// A cell as it would stand in a text: amounts as they are written, days as 2026-08-31, flags as 是 or 否.
pub(crate) fn cell(array: &dyn Array, row: usize) -> Result<Option<Cow<'_, str>>, Reason> {
    use DataType as D;
    if row >= array.len() || array.is_null(row) {
        return Ok(None);
    }
    fn number<T: ArrowPrimitiveType<Native: ToString>>(array: &dyn Array, row: usize) -> String {
        array.as_primitive::<T>().value(row).to_string()
    }
    let text = match array.data_type() {
        D::Boolean if array.as_boolean().value(row) => "是".to_owned(),
        D::Boolean => "否".to_owned(),
        D::Int8 => number::<t::Int8Type>(array, row),
        D::Int16 => number::<t::Int16Type>(array, row),
        D::Int32 => number::<t::Int32Type>(array, row),
        D::Int64 => number::<t::Int64Type>(array, row),
        D::UInt8 => number::<t::UInt8Type>(array, row),
        D::UInt16 => number::<t::UInt16Type>(array, row),
        D::UInt32 => number::<t::UInt32Type>(array, row),
        D::UInt64 => number::<t::UInt64Type>(array, row),
        // The shortest text that is read as the same number: what was typed, where it had been typed.
        D::Float16 => number::<t::Float16Type>(array, row),
        D::Float32 => number::<t::Float32Type>(array, row),
        D::Float64 => number::<t::Float64Type>(array, row),
        D::Decimal32(..) => short(
            array
                .as_primitive::<t::Decimal32Type>()
                .value_as_string(row),
        ),
        D::Decimal64(..) => short(
            array
                .as_primitive::<t::Decimal64Type>()
                .value_as_string(row),
        ),
        D::Decimal128(..) => short(
            array
                .as_primitive::<t::Decimal128Type>()
                .value_as_string(row),
        ),
        D::Decimal256(..) => short(
            array
                .as_primitive::<t::Decimal256Type>()
                .value_as_string(row),
        ),
        D::Date32 => day::<t::Date32Type>(array, row),
        D::Date64 => day::<t::Date64Type>(array, row),
        D::Timestamp(TimeUnit::Second, _) => day::<t::TimestampSecondType>(array, row),
        D::Timestamp(TimeUnit::Millisecond, _) => day::<t::TimestampMillisecondType>(array, row),
        D::Timestamp(TimeUnit::Microsecond, _) => day::<t::TimestampMicrosecondType>(array, row),
        D::Timestamp(TimeUnit::Nanosecond, _) => day::<t::TimestampNanosecondType>(array, row),
        _ => {
            let bytes = bytes(array, row).map(str::from_utf8);
            let text = bytes.transpose().map_err(|_| Reason::Unreadable)?;
            return Ok(text.map(Cow::Borrowed));
        }
    };
    Ok(Some(Cow::Owned(text)))
}

/// A decimal of any scale, without the zeros behind the second place: 1234.5000 is as exact as 1234.50.
fn short(mut decimal: String) -> String {
    if let Some(point) = decimal.find('.') {
        let zeros = decimal.bytes().rev().take_while(|byte| *byte == b'0');
        let len = decimal.len() - zeros.count();
        decimal.truncate(len.max(point + 3).min(decimal.len()));
    }
    decimal
}

/// A day; with the time of day where it is not midnight, so that it is no day for whoever expects one.
fn day<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array, row: usize) -> String {
    let value = array.as_primitive::<T>().value(row);
    let Some(datetime) = as_datetime::<T>(value.into()) else {
        // Beyond all calendars: there is something, and it is no day.
        return "?".to_owned();
    };
    let text = datetime.to_string();
    match text.strip_suffix(" 00:00:00") {
        Some(day) => day.to_owned(),
        None => text,
    }
}
