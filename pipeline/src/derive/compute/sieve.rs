//! Computed rows that a table cannot hold are rejected, each with its reason; all others go in.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::kernels::cmp::neq;
use arrow::compute::{
    CastOptions, cast, cast_with_options, concat_batches, filter_record_batch, take_record_batch,
};
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;

use crate::contract::Contract;
use crate::delta::partition;
use crate::error::{Error, Result};
use crate::keep::{RowsByKey, key_positions};
use crate::layout;
use crate::shape::Checks;
use crate::system::ledger::Claim;

use super::sifted::{Sifted, text};

/// Most characters of a value that are shown.
const SHOWN_OF_VALUE: usize = 100;
/// What is said of each of several rows with one key: none of them is more right than another.
const COPIED: &str = "SQL gives several rows with this key";

/// Sifts the rows of one part, batch by batch in the order of their keys.
pub(super) struct Sieve<'a> {
    contract: &'a Contract,
    claim: &'a Claim,
    schema: SchemaRef,
    key: Vec<usize>,
    checks: &'a Checks,
    /// Keys that are known to have several rows, where these may not be beside each other.
    copied: Option<Copied>,
    last: Option<Last>,
    pub(super) sifted: Sifted,
}

/// The last row so far, whose key the next batch can begin with.
struct Last {
    row: RecordBatch,
    /// Whether it was rejected, having copies.
    rejected: bool,
}

struct Copied {
    converter: RowConverter,
    keys: HashSet<OwnedRow>,
}

impl<'a> Sieve<'a> {
    /// For rows of a claim; `before` of it were rejected before.
    pub(super) fn new(
        contract: &'a Contract,
        claim: &'a Claim,
        checks: &'a Checks,
        copied: Option<RecordBatch>,
        before: u64,
    ) -> Result<Self> {
        let schema = layout::schema(contract);
        let copied = copied.map(|keys| {
            let fields = keys
                .columns()
                .iter()
                .map(|column| SortField::new(column.data_type().clone()));
            let converter = RowConverter::new(fields.collect())?;
            let keys = converter.convert_columns(keys.columns())?;
            let keys = keys.iter().map(|key| key.owned()).collect();
            Ok::<_, Error>(Copied { converter, keys })
        });
        Ok(Self {
            key: key_positions(&schema, contract.key())?,
            contract,
            claim,
            schema,
            checks,
            copied: copied.transpose()?,
            last: None,
            sifted: Sifted {
                before,
                ..Sifted::default()
            },
        })
    }

    /// The rows of a batch, and of the one before it, that the table can hold.
    pub(super) fn next(&mut self, given: &RecordBatch) -> Result<RecordBatch> {
        self.sifted.rows += given.num_rows() as u64;
        let mut reasons: Vec<Vec<String>> = vec![Vec::new(); given.num_rows()];
        let rows = self.typed(given, &mut reasons)?;
        for (position, name) in self.key.iter().zip(self.contract.key()) {
            let column = rows.column(*position);
            for (row, reasons) in reasons.iter_mut().enumerate() {
                if column.is_null(row) && reasons.is_empty() {
                    reasons.push(format!("key column {name} is null"));
                }
            }
        }
        for name in &self.contract.partition {
            let unfit = rows.column_by_name(name).map(partition::unfit);
            for (row, why) in unfit.unwrap_or_default() {
                reasons[row].push(format!("partition column {name} {why}"));
            }
        }
        if let Some(copied) = &self.copied {
            let key = rows.project(&self.key)?;
            for (row, key) in copied
                .converter
                .convert_columns(key.columns())?
                .iter()
                .enumerate()
            {
                if copied.keys.contains(&key.owned()) {
                    reasons[row].push(COPIED.to_owned());
                }
            }
        }
        for (row, reasons) in reasons
            .iter()
            .enumerate()
            .filter(|(_, reasons)| !reasons.is_empty())
        {
            self.sifted.reject(reasons.join("; "), text(&rows.slice(row, 1))?);
        }
        let good = BooleanArray::from_iter(reasons.iter().map(|reasons| Some(reasons.is_empty())));
        let rows = self.without_copies(&filter_record_batch(&rows, &good)?)?;
        self.checked(rows)
    }

    /// The last row, where the table can hold it.
    pub(super) fn end(&mut self) -> Result<Option<RecordBatch>> {
        let last = self.last.take().filter(|last| !last.rejected);
        last.map(|last| self.checked(last.row)).transpose()
    }

    fn checked(&mut self, rows: RecordBatch) -> Result<RecordBatch> {
        let checked = self
            .checks
            .evaluate(&rows, &mut vec![Vec::new(); rows.num_rows()])?;
        self.sifted.add(Sifted {
            warned: checked.warned,
            held: checked.held,
            ..Sifted::default()
        });
        Ok(rows)
    }

    /// The rows in the columns of the table. A value that does not fit its column is a reason, and null here.
    fn typed(&self, given: &RecordBatch, reasons: &mut [Vec<String>]) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::new();
        for field in self.schema.fields() {
            let column: ArrayRef = match field.name().as_str() {
                layout::BATCH => Arc::new(Int64Array::from(vec![self.claim.draft.batch; given.num_rows()])),
                layout::LOADED_AT => {
                    let micros = vec![self.claim.claimed_at.timestamp_micros(); given.num_rows()];
                    Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
                }
                name => {
                    let column = given.column_by_name(name).ok_or_else(|| {
                        Error::usage("SQL does not give a column of the contract").with("column", name)
                    })?;
                    let values = match layout::conform(column, field.data_type()) {
                        Ok(values) => values,
                        Err(_) => self.fitting(name, column, field.data_type(), reasons)?,
                    };
                    if let Some(altered) = altered(column, &values)? {
                        self.unfit(
                            name,
                            column,
                            |row| altered.is_valid(row) && altered.value(row),
                            reasons,
                        )?;
                    }
                    layout::in_whole_millis(values)
                }
            };
            columns.push(column);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The values of a column that fit its type.
    fn fitting(
        &self,
        name: &str,
        column: &ArrayRef,
        wanted: &DataType,
        reasons: &mut [Vec<String>],
    ) -> Result<ArrayRef> {
        let values = cast_with_options(column, wanted, &CastOptions::default())?;
        self.unfit(
            name,
            column,
            |row| column.is_valid(row) && values.is_null(row),
            reasons,
        )?;
        Ok(values)
    }

    /// Rejects those rows for what SQL gives for the column.
    fn unfit(
        &self,
        name: &str,
        column: &ArrayRef,
        is_unfit: impl Fn(usize) -> bool,
        reasons: &mut [Vec<String>],
    ) -> Result<()> {
        let options = FormatOptions::default();
        let shown = ArrayFormatter::try_new(column, &options)?;
        let ty = self.contract.column(name).map(|column| column.ty.to_string());
        let ty = ty.unwrap_or_default();
        for (row, reasons) in reasons.iter_mut().enumerate() {
            if is_unfit(row) {
                let value: String = shown
                    .value(row)
                    .to_string()
                    .chars()
                    .take(SHOWN_OF_VALUE)
                    .collect();
                reasons.push(format!("{name}: {value:?} does not fit {ty}"));
            }
        }
        Ok(())
    }

    /// The rows of keys that no other row has; the last one waits for the next batch.
    fn without_copies(&mut self, rows: &RecordBatch) -> Result<RecordBatch> {
        if rows.num_rows() == 0 {
            return Ok(rows.clone());
        }
        let last = self.last.take();
        // The row that waits is the first one now; where it is rejected, so are those that are like it.
        let (rows, is_rejected) = match &last {
            Some(last) => (concat_batches(&self.schema, [&last.row, rows])?, last.rejected),
            None => (rows.clone(), false),
        };
        let end = rows.num_rows() as u32 - 1;
        let mut kept = Vec::new();
        for members in RowsByKey::of(&rows, &self.key)?.iter() {
            let goes_on = is_rejected && members[0] == 0;
            let copied = goes_on || members.len() > 1;
            for row in members.iter().filter(|row| copied && !(goes_on && **row == 0)) {
                self.sifted
                    .reject(COPIED.to_owned(), text(&rows.slice(*row as usize, 1))?);
            }
            if members.contains(&end) {
                self.last = Some(Last {
                    row: take_record_batch(&rows, &UInt32Array::from(vec![end]))?,
                    rejected: copied,
                });
            } else if !copied {
                kept.push(members[0]);
            }
        }
        Ok(take_record_batch(&rows, &UInt32Array::from(kept))?)
    }
}

/// Which values became others in the type of the table: rounded, or of years that no reader knows. None where none can have.
/// A double has no decimal that it is, so that one is rounded, as is what SQL itself casts or rounds.
fn altered(given: &ArrayRef, values: &ArrayRef) -> Result<Option<BooleanArray>> {
    let common = match (given.data_type(), values.data_type()) {
        (DataType::Decimal128(_, from), DataType::Decimal128(_, to)) if to < from => {
            given.data_type().clone()
        }
        (from, to) if to.is_integer() && (from.is_decimal() || from.is_floating()) => from.clone(),
        (from, DataType::Decimal128(..)) if from.is_string() => DataType::Decimal256(76, 38),
        (_, DataType::Date32 | DataType::Timestamp(..)) => return Ok(Some(beyond_years(values)?)),
        _ => return Ok(None),
    };
    Ok(Some(neq(&cast(given, &common)?, &cast(values, &common)?)?))
}

/// Which days or instants are not of the years 1 to 9999.
fn beyond_years(values: &ArrayRef) -> Result<BooleanArray> {
    let days = cast(&cast(values, &DataType::Date32)?, &DataType::Int32)?;
    let days = days.as_primitive::<Int32Type>();
    let known = (
        NaiveDate::from_ymd_opt(1, 1, 1),
        NaiveDate::from_ymd_opt(9999, 12, 31),
    );
    let since = |day: Option<NaiveDate>| day.unwrap_or_default().to_epoch_days();
    let known = since(known.0)..=since(known.1);
    Ok(BooleanArray::from_unary(days, |day| !known.contains(&day)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{Date32Array, Decimal128Array, Float64Array, StringArray};
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::contract::{ColumnType, SourceFile, load};
    use crate::system::ledger::Draft;

    fn contract() -> Contract {
        let raw = "description = 't'\npath = 'x/{date}/{name}'\nformat = 'csv'\nkeep = 'every_row'\nkey = ['id']\n\
                   [columns]\nid = 'int'\nword = 'text'\n";
        let computed = "description = 't'\ninputs = ['x.raw']\nkey = ['id']\nrecompute = ['id']\n\
                        [columns]\nid = 'int'\nword = 'text'\n";
        let sql = "SELECT id, max(word) AS word FROM x.raw GROUP BY id";
        let files = [("x/raw.toml", raw), ("x/t.toml", computed), ("x/t.sql", sql)];
        let files = files.map(|(path, text)| SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        });
        load(&files, &[])
            .unwrap()
            .get(&"x.t".parse().unwrap())
            .unwrap()
            .clone()
    }

    /// Ids in their order, cut into batches; the word of each row is its ordinal.
    fn rows(ids: &[Option<i64>]) -> RecordBatch {
        let words = (0..ids.len()).map(|row| Some(row.to_string()));
        let columns: [(&str, ArrayRef); 2] = [
            ("id", Arc::new(Int64Array::from(ids.to_vec()))),
            ("word", Arc::new(words.collect::<StringArray>())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn claim(contract: &Contract) -> Claim {
        Claim {
            draft: Draft {
                table: contract.name.clone(),
                batch: 1,
                rules: String::new(),
                objects: Vec::new(),
                inputs: Vec::new(),
            },
            claimed_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_instant_is_floored_beside_a_text_that_is_none() {
        let mut contract = contract();
        contract.columns[1].ty = ColumnType::Timestamp;
        let claim = claim(&contract);
        let checks = Checks::new(&contract, &layout::schema(&contract)).unwrap();
        let sieve = Sieve::new(&contract, &claim, &checks, None, 0).unwrap();
        let texts = StringArray::from(vec!["2026-03-01T23:59:59.999999Z", "never"]);
        let columns: [(&str, ArrayRef); 2] = [
            ("id", Arc::new(Int64Array::from(vec![1, 2]))),
            ("word", Arc::new(texts)),
        ];
        let mut reasons = vec![Vec::new(); 2];
        let given = RecordBatch::try_from_iter(columns).unwrap();
        let rows = sieve.typed(&given, &mut reasons).unwrap();
        let instants = rows.column(1).as_primitive::<TimestampMicrosecondType>();
        assert_eq!(instants.value(0), 1_772_409_599_999_000);
        assert!(instants.is_null(1) && reasons[0].is_empty() && reasons[1].len() == 1);
    }

    #[test]
    fn a_value_that_the_type_of_the_table_would_alter_is_found() {
        let altered = |given: ArrayRef, wanted: DataType| -> Vec<bool> {
            let values = layout::conform(&given, &wanted).unwrap();
            let altered = altered(&given, &values).unwrap().unwrap();
            (0..altered.len())
                .map(|row| altered.is_valid(row) && altered.value(row))
                .collect()
        };
        let decimals = |values: Vec<Option<i128>>| -> ArrayRef {
            Arc::new(
                Decimal128Array::from(values)
                    .with_precision_and_scale(10, 4)
                    .unwrap(),
            )
        };
        let money = DataType::Decimal128(5, 2);
        let given = || {
            decimals(vec![
                Some(12_500),
                Some(12_501),
                None,
                Some(-12_550),
                Some(20_000),
            ])
        };
        assert_eq!(altered(given(), money.clone()), [false, true, false, true, false]);
        assert_eq!(
            altered(given(), DataType::Int64),
            [true, true, false, true, false]
        );
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 2.5]));
        assert_eq!(altered(floats, DataType::Int64), [false, true]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["1.50", "1.2501"]));
        assert_eq!(altered(texts, money), [false, true]);
        let days: ArrayRef = Arc::new(Date32Array::from(vec![2_932_896, 2_932_897, -719_162, -719_163]));
        assert_eq!(altered(days, DataType::Date32), [false, true, false, true]);
    }

    proptest! {
        #[test]
        fn keys_with_one_row_go_in_however_the_rows_are_cut(
            mut ids in prop::collection::vec(prop::option::weighted(0.9, 0..12_i64), 0..40),
            cuts in prop::collection::vec(1..6_usize, 40),
        ) {
            ids.sort();
            let contract = contract();
            let claim = claim(&contract);
            let checks = Checks::new(&contract, &layout::schema(&contract)).unwrap();
            let mut sieve = Sieve::new(&contract, &claim, &checks, None, 7).unwrap();
            let all = rows(&ids);
            let (mut first, mut kept) = (0, Vec::new());
            for cut in cuts {
                let rows = cut.min(ids.len() - first);
                kept.push(sieve.next(&all.slice(first, rows)).unwrap());
                first += rows;
            }
            kept.extend(sieve.end().unwrap());
            let kept: Vec<i64> = kept
                .iter()
                .flat_map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec())
                .collect();
            let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
            ids.iter().flatten().for_each(|id| *counts.entry(*id).or_default() += 1);
            let single: Vec<i64> = counts.iter().filter(|(_, rows)| **rows == 1).map(|(id, _)| *id).collect();
            prop_assert_eq!(&kept, &single);
            prop_assert_eq!(sieve.sifted.rows as usize, ids.len());
            prop_assert_eq!(sieve.sifted.rejected as usize, ids.len() - single.len());
            let mut ordinals: Vec<u64> = sieve.sifted.waiting.iter().map(|(row, _, _)| *row).collect();
            ordinals.sort_unstable();
            prop_assert_eq!(ordinals, (8..8 + sieve.sifted.rejected).collect::<Vec<_>>());
            let mut words: Vec<&str> = sieve.sifted.waiting.iter().map(|(_, _, text)| text.as_str()).collect();
            words.sort_unstable();
            words.dedup();
            prop_assert_eq!(words.len(), ids.len() - single.len(), "a row is rejected once");
        }
    }
}
