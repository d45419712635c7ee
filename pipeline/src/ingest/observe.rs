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
use super::read::{Pace, Taker, Telling, take_in};
use super::row_buffer::{Budget, Spool};
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
    let spool = Arc::new(Spool::new(layout::schema(contract), &[], budget));
    let taker = Taker {
        shaper: &shaper,
        spool: &spool,
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
    let taken_in = take_in(
        &objects,
        zone.of_source(&contract.name.source),
        group.format(),
        &[taker],
        Pace::within(lake.settings()),
        &watch,
    )
    .await?;
    let taken: HashSet<usize> = taken_in
        .iter()
        .flatten()
        .flatten()
        .filter(|intake| intake.rejected.is_none())
        .map(|intake| intake.ordinal)
        .collect();
    let mut spooled = spool.close()?;
    spooled.retain(|object| taken.contains(&object));
    let portions = spooled.portions(ROWS_BYTES);
    portions.iter().map(|portion| spooled.read(portion)).collect()
}
