//! Everything that raw objects say about some rows, read from them anew.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::row::{OwnedRow, RowConverter, SortField};

use crate::contract::{Contract, RawFeed};
use crate::error::{Error, Result};
use crate::inspect::text::{TextRow, text_rows};
use crate::lake::Lake;
use crate::layout;
use crate::raw::RawObject;
use crate::system::ledger::Ledger;

use super::reach::Reach;

/// Objects that are read at once.
pub(super) const AT_ONCE: usize = 64;

/// One row of one raw object.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    pub(super) object: String,
    /// Ordinal of the row in the object.
    pub(super) row: u64,
    /// Place in the order by which rows supersede each other; empty where there is none.
    pub(super) order: String,
    /// Places of the values that do not have that of their row.
    pub(super) older: BTreeMap<String, Option<String>>,
    /// Hash of the raw fields, where the table keeps it.
    pub(super) hash: i64,
    /// Of a document: how many rows it has beside this one in what it speaks about, itself included.
    pub(super) rows: Option<u64>,
    /// Its values, typed as in the table.
    pub(super) cells: TextRow,
}

impl Observed {
    /// Place of one of its values in the order by which values supersede each other.
    pub(super) fn order_of(&self, column: &str) -> &str {
        let own = self.older.get(column).and_then(Option::as_deref);
        own.unwrap_or(&self.order)
    }

    /// Whether its account states whole rows, so that no value means that there is none.
    pub(super) fn is_whole(&self) -> bool {
        self.older.contains_key(layout::WHOLE)
    }
}

/// What committed raw objects say about the key of each of the `kept` rows, in the table's order: one list per row.
pub(super) async fn observed(
    lake: &Lake,
    contract: &Contract,
    feed: &RawFeed,
    ledger: &Ledger,
    taken: i64,
    kept: &RecordBatch,
) -> Result<Vec<Vec<Observed>>> {
    let mut found = vec![Vec::new(); kept.num_rows()];
    if kept.num_rows() == 0 {
        return Ok(found);
    }
    let reaches: Vec<Reach> = text_rows(kept)?
        .iter()
        .map(|row| Reach::of(contract, feed, row))
        .collect();
    let mut objects = objects(ledger, contract, taken).await?;
    objects.retain(|object| reaches.iter().any(|reach| reach.covers(object)));
    let keys = Keys::new(contract, kept)?;
    for objects in objects.chunks(AT_ONCE) {
        for batch in crate::ingest::observe(lake, contract, objects).await? {
            let (rows, positions) = keys.among(&batch)?;
            for (cells, position) in text_rows(&rows)?.into_iter().zip(positions) {
                let text = |name: &str| cells.get(name).unwrap_or_default().to_owned();
                let object = text(layout::OBJECT);
                found[position].push(Observed {
                    row: text(layout::ROW).parse().unwrap_or_default(),
                    order: text(layout::ORDER),
                    older: serde_json::from_str(&text(layout::OLDER)).unwrap_or_default(),
                    hash: text(layout::HASH).parse().unwrap_or_default(),
                    rows: None,
                    object,
                    cells,
                });
            }
        }
    }
    for rows in &mut found {
        rows.sort_by(|a, b| {
            (&a.order, &a.hash, &a.object, a.row).cmp(&(&b.order, &b.hash, &b.object, b.row))
        });
    }
    Ok(found)
}

/// The objects of all batches that the table holds. Of an object that was changed and taken again only the newest
/// state can still be read.
pub(super) async fn objects(ledger: &Ledger, contract: &Contract, taken: i64) -> Result<Vec<RawObject>> {
    let mut newest: HashMap<String, RawObject> = HashMap::new();
    let rows = ledger.rows(&contract.name).await?;
    let claims = rows.iter().filter(|row| row.is_claim() && row.batch <= taken);
    for object in claims.filter_map(|row| row.raw_object()) {
        match newest.get_mut(&object.uri) {
            Some(known) if known.state() >= object.state() => {}
            Some(known) => *known = object,
            None => {
                newest.insert(object.uri.clone(), object);
            }
        }
    }
    let mut objects: Vec<RawObject> = newest.into_values().collect();
    objects.sort_by(|a, b| (a.period, &a.uri).cmp(&(b.period, &b.uri)));
    Ok(objects)
}

/// Keys of some rows, to find them again in others.
struct Keys {
    columns: Vec<String>,
    converter: RowConverter,
    positions: HashMap<OwnedRow, usize>,
}

impl Keys {
    fn new(contract: &Contract, kept: &RecordBatch) -> Result<Self> {
        let schema = layout::schema(contract);
        let columns = contract.key().to_vec();
        let mut fields = Vec::with_capacity(columns.len());
        let mut values: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for name in &columns {
            let wanted = schema.field_with_name(name)?.data_type().clone();
            let column = kept.column_by_name(name).ok_or_else(|| {
                Error::usage("key column is not in the table; make it anew with `marketlake rebuild`")
                    .with("table", &contract.name)
                    .with("column", name)
            })?;
            values.push(cast(column, &wanted)?);
            fields.push(SortField::new(wanted));
        }
        let converter = RowConverter::new(fields)?;
        let rows = converter.convert_columns(&values)?;
        let positions = rows
            .iter()
            .enumerate()
            .map(|(position, row)| (row.owned(), position))
            .collect();
        Ok(Self {
            columns,
            converter,
            positions,
        })
    }

    /// The rows of a batch that have one of the keys, and whose.
    fn among(&self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<usize>)> {
        let columns = self.columns.iter().map(|name| {
            let column = batch.column_by_name(name).cloned();
            column
                .ok_or_else(|| Error::internal("key column is missing in observed rows").with("column", name))
        });
        let rows = self
            .converter
            .convert_columns(&columns.collect::<Result<Vec<_>>>()?)?;
        let matches = rows.iter().enumerate().filter_map(|(index, row)| {
            let position = self.positions.get(&row.owned())?;
            Some((index as u32, *position))
        });
        let (indices, positions): (Vec<u32>, Vec<usize>) = matches.unzip();
        Ok((take_record_batch(batch, &UInt32Array::from(indices))?, positions))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;
    use crate::contract::{TableName, builtin, load};

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn rows_are_found_by_the_whole_key() {
        let contracts = load(&builtin(), &[]).unwrap();
        let contract = &contracts[&"jwo.orders".parse::<TableName>().unwrap()];
        let kept = [
            ("merchant_id", texts(&["m", "n"])),
            ("order_id", texts(&["1", "1"])),
        ];
        let keys = Keys::new(contract, &RecordBatch::try_from_iter(kept).unwrap()).unwrap();
        let said = RecordBatch::try_from_iter([
            ("order_id", texts(&["1", "1", "2", "1"])),
            ("merchant_id", texts(&["n", "m", "m", "n"])),
            ("at", Arc::new(Int64Array::from(vec![10, 11, 12, 13])) as ArrayRef),
        ])
        .unwrap();
        let (rows, positions) = keys.among(&said).unwrap();
        assert_eq!(positions, [1, 0, 1]);
        assert_eq!(rows.column(2).as_primitive::<Int64Type>().values(), &[10, 11, 13]);
        assert_eq!(keys.among(&said.slice(0, 0)).unwrap().1, Vec::<usize>::new());
    }
}
