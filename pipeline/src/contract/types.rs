//! Column types: those that every reader of the tables understands.

use std::fmt;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// Type of a column of a curated table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// true or false.
    Bool,
    /// 64-bit signed integer.
    Int,
    /// Exact decimal of a precision of at most 38 and a scale.
    Decimal(u8, i8),
    /// 64-bit floating point; not for money.
    Double,
    /// Calendar day.
    Date,
    /// Instant in UTC; rows from raw objects hold whole milliseconds.
    Timestamp,
    /// Map from text to text.
    Map,
}

impl ColumnType {
    /// The Arrow type in memory and, by way of Parquet, in files.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::Double => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Map => map_type(),
        }
    }

    /// The type of a column that holds such values; text where no other fits.
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int64 => Self::Int,
            DataType::Float64 => Self::Double,
            DataType::Decimal128(precision, scale) => Self::Decimal(*precision, *scale),
            DataType::Date32 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Map(..) => Self::Map,
            _ => Self::Text,
        }
    }
}

/// `map<text, text>` with the entry names that Delta writes.
fn map_type() -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    DataType::Map(
        Field::new("key_value", DataType::Struct(entries), false).into(),
        false,
    )
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Double => f.write_str("double"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Map => f.write_str("map"),
        }
    }
}

impl std::str::FromStr for ColumnType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        match compact.as_str() {
            "text" => Ok(Self::Text),
            "bool" => Ok(Self::Bool),
            "int" => Ok(Self::Int),
            "double" => Ok(Self::Double),
            "date" => Ok(Self::Date),
            "timestamp" => Ok(Self::Timestamp),
            "map" => Ok(Self::Map),
            other => decimal(other).ok_or_else(|| {
                format!("{text:?} is not a type; use text, bool, int, double, date, timestamp, map or decimal(p,s)")
            }),
        }
    }
}

fn decimal(text: &str) -> Option<ColumnType> {
    let (precision, scale) = text
        .strip_prefix("decimal(")?
        .strip_suffix(')')?
        .split_once(',')?;
    let (precision, scale): (u8, i8) = (precision.parse().ok()?, scale.parse().ok()?);
    (1..=38).contains(&precision).then_some(())?;
    (0..=precision as i8)
        .contains(&scale)
        .then_some(ColumnType::Decimal(precision, scale))
}
