//! The order of a row in words.

use chrono::{DateTime, SecondsFormat, TimeDelta};

use crate::contract::{ColumnType, Contract, Feed, Keep};
use crate::shape::order_parts;

/// `column=value, …` for the columns of `newest_by`, from the sortable text of `_order`; what is not such a text is
/// shown as it is.
pub(super) fn in_words(contract: &Contract, order: &str) -> String {
    let Feed::Raw(feed) = &contract.feed else {
        return order.to_owned();
    };
    let documents = matches!(feed.keep, Keep::LatestDocument { .. });
    let parts = order_parts(contract, &feed.keep);
    let parts = parts.iter().zip(order.split('.'));
    // Of a document's times only some are there.
    let words = parts.filter(|(_, part)| !documents || !part.is_empty());
    let words = words.map(|((name, column), part)| {
        let value = match column {
            _ if part.is_empty() => Some("null".to_owned()),
            Some(column) => value(&column.ty, part),
            None => None,
        };
        format!("{name}={}", value.unwrap_or_else(|| part.to_owned()))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn value(ty: &ColumnType, part: &str) -> Option<String> {
    if *ty == ColumnType::Text {
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        return String::from_utf8(part.as_bytes().chunks(2).map(byte).collect::<Option<Vec<_>>>()?).ok();
    }
    let number = (u64::from_str_radix(part, 16).ok()? ^ (1 << 63)) as i64;
    Some(match ty {
        ColumnType::Timestamp => {
            DateTime::from_timestamp_micros(number)?.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
        ColumnType::Date => DateTime::UNIX_EPOCH
            .date_naive()
            .checked_add_signed(TimeDelta::try_days(number)?)?
            .to_string(),
        _ => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;
    use crate::contract::{TableName, builtin, load};
    use crate::shape::order_of;

    #[test]
    fn an_order_reads_as_its_columns() {
        let contracts = load(&builtin(), &[]).unwrap();
        let orders: TableName = "jwo.orders".parse().unwrap();
        let instant =
            |micros| Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC")) as ArrayRef;
        let int = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let parts = [
            instant(Some(90_000_000)),
            int(None),
            instant(Some(-1)),
            int(Some(12)),
        ];
        let order = order_of(&parts, 1).unwrap();
        assert_eq!(
            in_words(&contracts[&orders], order.value(0)),
            "generated_at=1970-01-01T00:01:30Z, part=null, _modified=1969-12-31T23:59:59.999999Z, _row=12"
        );
        let text = order_of(&[Arc::new(StringArray::from(vec!["é.1"])) as ArrayRef], 1).unwrap();
        assert_eq!(
            value(&ColumnType::Text, text.value(0).trim_end_matches('.')).as_deref(),
            Some("é.1")
        );
        assert_eq!(in_words(&contracts[&orders], "zz"), "generated_at=zz");
    }
}
