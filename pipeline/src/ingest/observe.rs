//! What raw objects say, without taking them in: for explanations.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::contract::Contract;
use crate::error::Result;
use crate::lake::Lake;
use crate::layout;
use crate::raw::RawObject;
use crate::report::Silent;
use crate::shape::{BatchStamp, Shaper};

use super::group::Group;
use super::read::{Pace, TableReader, read_objects};
use super::row_buffer::{Budget, RowBuffer};
use super::watch::Telling;
use crate::commit::table;

/// Bytes of rows that are handed on together.
const ROWS_BYTES: usize = 16 << 20;

/// The rows that the objects give a table, in the layout schema; objects that cannot be read give none.
pub(crate) async fn observe(
    lake: &Lake,
    contract: &Contract,
    objects: &[RawObject],
) -> Result<Vec<RecordBatch>> {
    let Some(group) = Group::of(lake.contracts(), |one| one.name == contract.name).pop() else {
        return Ok(Vec::new());
    };
    let shaper = Arc::new(Shaper::new(contract, lake.pseudonyms())?);
    let budget = Budget::new(lake.room());
    let buffer = Arc::new(RowBuffer::new(layout::schema(contract), &[], budget));
    let reader = TableReader {
        shaper: &shaper,
        buffer: &buffer,
        stamp: BatchStamp {
            batch: 0,
            claimed_at: table::now(),
        },
        wants: Box::new(|_| true),
    };
    let zone = lake.raw_zone();
    let mut objects = objects.to_vec();
    zone.relocate(contract, &mut objects);
    let watch = Telling(&Silent);
    let gave = read_objects(
        &objects,
        zone.of_source(&contract.name.source),
        group.format(),
        &[reader],
        Pace::within(lake.settings()),
        &watch,
    )
    .await?;
    let taken: HashSet<usize> = gave
        .iter()
        .flatten()
        .flatten()
        .filter(|gave| gave.rejected.is_none())
        .map(|gave| gave.ordinal)
        .collect();
    let mut buffered = buffer.close()?;
    buffered.retain(|object| taken.contains(&object));
    let portions = buffered.portions(ROWS_BYTES);
    portions.iter().map(|portion| buffered.read(portion)).collect()
}
