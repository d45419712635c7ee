//! Batches of raw objects: read, shaped and checked.

use arrow::array::RecordBatch;

use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::list::RawObject;

/// What raw objects say about the rows of a table, in the schema of its layout.
#[allow(clippy::unused_async)]
pub(crate) async fn observe(_lake: &Lake, contract: &Contract, _objects: &[RawObject]) -> Result<Vec<RecordBatch>> {
    Err(Error::internal("not connected").with("table", &contract.name))
}
