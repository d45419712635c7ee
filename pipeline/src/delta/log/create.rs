//! Tables that are made: version 0 of their logs.

use arrow::datatypes::Schema;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{Action, MetadataExt, Protocol, StructType, new_metadata};
use serde_json::json;

use super::{Commit, DeltaLog, Landed, Snapshot, Which};
use crate::error::{Context, Error, Kind, Result};

impl DeltaLog {
    /// A version of the table, after creating it if it is not there. Version 0 holds protocol and metadata only, so that of
    /// two creators one wins and the other loads the winner's table.
    pub(crate) async fn open_or_create(
        &self,
        which: Which,
        schema: &Schema,
        partition: &[String],
        properties: &[(String, String)],
        description: &str,
    ) -> Result<Snapshot> {
        match self.open(which).await? {
            Some(snapshot) => Ok(snapshot),
            None => self.create(schema, partition, properties, description).await,
        }
    }

    async fn create(
        &self,
        schema: &Schema,
        partition: &[String],
        properties: &[(String, String)],
        description: &str,
    ) -> Result<Snapshot> {
        let commit = Commit {
            operation: "CREATE TABLE",
            actions: self.definition(schema, partition, properties, description)?,
            ..Commit::default()
        };
        if let Landed::At(created) = self.write(None, commit).await? {
            return Ok(created);
        }
        self.load().await?.ok_or_else(|| {
            Error::new(Kind::NotFound, "table vanished after it was created").with("table", &self.table)
        })
    }

    /// The actions that say what the table is, protocol and metadata with an id of its own.
    pub(crate) fn definition(
        &self,
        schema: &Schema,
        partition: &[String],
        properties: &[(String, String)],
        description: &str,
    ) -> Result<Vec<Action>> {
        let kernel: StructType = schema
            .try_into_kernel()
            .context(Kind::Internal, "schema has no Delta form")?;
        let metadata = new_metadata(&kernel, partition, properties.iter().cloned())
            .and_then(|metadata| metadata.with_name(self.table.clone()))
            .and_then(|metadata| metadata.with_description(description.to_owned()))
            .context(Kind::Internal, "metadata action is not valid")?;
        let protocol: Protocol =
            serde_json::from_value(json!({"minReaderVersion": 1, "minWriterVersion": 2}))
                .context(Kind::Internal, "protocol action is not valid")?;
        Ok(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
    }
}
