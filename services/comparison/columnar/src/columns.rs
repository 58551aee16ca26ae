//! Where the columns are, and whether they can be what they should.

use arrow_schema::{DataType, Schema};
use comparison_engine::{Columns, Error};

const TEXT: &str = "text";
const VALUE: &str = "text, a number, a day without a time zone or a flag";

/// Places of the columns in a file.
pub(crate) struct Found {
    pub id_number: usize,
    /// Of the name and of each value, in the order in which they are asked for.
    pub name: Option<usize>,
    pub values: Vec<Option<usize>>,
    /// Which of the optional ones there are.
    pub optional: Vec<bool>,
}

impl Found {
    pub(crate) fn find(columns: &Columns, schema: &Schema) -> Result<Self, Error> {
        let place = |name: &String, expected: &'static str, may: fn(&DataType) -> bool| {
            let fields = schema.fields().iter().enumerate();
            let mut places = fields.filter(|(_, field)| field.name().trim() == name);
            let column = || name.clone();
            match (places.next(), places.next()) {
                (Some((place, field)), None) if may(field.data_type()) => Ok(place),
                (Some(_), None) => Err(Error::ColumnType {
                    column: column(),
                    expected,
                }),
                (None, _) => Err(Error::ColumnMissing { column: column() }),
                (Some(_), Some(_)) => Err(Error::ColumnTwice { column: column() }),
            }
        };
        let value = |name| place(name, VALUE, is_value);
        let id_number = place(&columns.id_number, TEXT, is_text)?;
        let name = columns.name.as_ref().map(|name| place(name, TEXT, is_text));
        let name = name.transpose()?;
        let required = columns.values.iter().map(|name| value(name).map(Some));
        let optional = columns.optional.iter().map(|name| match value(name) {
            Err(Error::ColumnMissing { .. }) => Ok(None),
            found => found.map(Some),
        });
        let values = required.chain(optional).collect::<Result<Vec<_>, _>>()?;
        let optional = values.iter().skip(columns.values.len());
        Ok(Self {
            id_number,
            name,
            optional: optional.map(Option::is_some).collect(),
            values,
        })
    }

    /// The name and the values there are, each column once and in the file's order: what is read of an
    /// authorised person's row.
    pub(crate) fn fetched(&self) -> Vec<usize> {
        let places = self.name.into_iter();
        let mut places: Vec<usize> = places
            .chain(self.values.iter().flatten().copied())
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The places of the name and the values among [`fetched`](Self::fetched).
    pub(crate) fn among(&self, fetched: &[usize]) -> Fetched {
        let among = |place: usize| fetched.iter().position(|at| *at == place);
        Fetched {
            name: self.name.and_then(among),
            values: self.values.iter().map(|at| at.and_then(among)).collect(),
        }
    }
}

/// Where the name and the values are in what was fetched.
pub(crate) struct Fetched {
    pub name: Option<usize>,
    pub values: Vec<Option<usize>>,
}

/// Bytes are taken for text: old writers of Parquet do not say that they are.
fn is_text(data_type: &DataType) -> bool {
    use DataType as D;
    match data_type {
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Null => true,
        D::Binary | D::LargeBinary | D::BinaryView => true,
        D::Dictionary(_, values) => !matches!(**values, D::Dictionary(..)) && is_text(values),
        _ => false,
    }
}

fn is_value(data_type: &DataType) -> bool {
    use DataType as D;
    match data_type {
        D::Boolean | D::Date32 | D::Date64 | D::Timestamp(_, None) => true,
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => true,
        numeric => numeric.is_integer() || numeric.is_floating() || is_text(numeric),
    }
}
