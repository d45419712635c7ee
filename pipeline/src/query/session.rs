//! Sessions of the query engine: bounded in memory, in UTC.

use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::contract::TableName;
use crate::error::{Error, Result};

use super::room::Room;

/// Bytes without which no further thread is worth while.
const THREAD: usize = 32 << 20;

/// A session whose operators hold what there is room for, and write the rest to files.
pub(crate) fn session(room: &Room) -> Result<SessionContext> {
    let memory_limit = room.memory;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory_limit)))
        .with_disk_manager_builder(room.files())
        .build_arc()?;
    let mut config = SessionConfig::new().with_information_schema(true);
    // Each thread that sorts keeps memory for merging what it spilled, however many processors there are.
    let threads = config.target_partitions().min(memory_limit / THREAD).max(1);
    config = config.with_target_partitions(threads);
    let merging = &mut config.options_mut().execution.sort_spill_reservation_bytes;
    *merging = (*merging).min(memory_limit / threads / 4);
    config.options_mut().execution.time_zone = Some("UTC".to_owned());
    Ok(SessionContext::new_with_config_rt(config, runtime))
}

/// Makes `table` known to SQL as `source.table`, in place of what had that name.
pub(crate) fn register(
    context: &SessionContext,
    name: &TableName,
    table: Arc<dyn TableProvider>,
) -> Result<()> {
    let default = context.copied_config().options().catalog.default_catalog.clone();
    let catalog = context
        .catalog(&default)
        .ok_or_else(|| Error::internal("session has no catalog").with("catalog", default))?;
    let schema = match catalog.schema(&name.source) {
        Some(schema) => schema,
        None => {
            let schema = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(&name.source, schema.clone())?;
            schema
        }
    };
    schema.deregister_table(&name.table)?;
    schema.register_table(name.table.clone(), table)?;
    Ok(())
}
