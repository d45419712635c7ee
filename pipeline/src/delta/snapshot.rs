//! One version of a table: its live files, schema and properties, and the progress that its commits state.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::kernel::{Action, Metadata, MetadataExt, Protocol, Remove, StructType};
use object_store::path::Path;

use crate::error::{Context, Error, Kind, Result};
use crate::layout::COMMENT;

use super::INDEXED;
use super::file::{DataFile, path_of};
use super::replay::{Said, State, Work};

/// A version of a table.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Version in the log.
    pub(crate) version: u64,
    /// All columns, partition columns included, without what they mean.
    pub(crate) schema: SchemaRef,
    /// The table's id, new with each creation.
    pub(crate) id: String,
    /// Table properties.
    pub(crate) properties: HashMap<String, String>,
    /// Live files.
    pub(crate) files: Arc<Vec<DataFile>>,
    /// All columns with what they mean.
    described: SchemaRef,
    metadata: Arc<Metadata>,
    protocol: Arc<Protocol>,
    state: State,
}

impl Snapshot {
    /// By what a log says up to a version.
    pub(super) fn new(version: u64, state: State) -> Result<Self> {
        let Some((metadata, protocol)) = state.metadata.clone().zip(state.protocol.clone()) else {
            return Err(
                Error::new(Kind::Foreign, "log does not say what the table is").with("version", version)
            );
        };
        let schema: StructType = metadata
            .parse_schema()
            .context(Kind::Foreign, "schema in the log is not one of Delta")?;
        let described: Schema = (&schema)
            .try_into_arrow()
            .context(Kind::Foreign, "schema in the log has no form in memory")?;
        Ok(Self {
            version,
            schema: without_comments(&described),
            id: metadata.id().to_owned(),
            properties: metadata.configuration().clone(),
            files: state.files.clone(),
            described: Arc::new(described),
            metadata,
            protocol,
            state,
        })
    }

    /// The next version, by what its entry says.
    pub(super) fn followed_by(&self, entry: Said) -> Result<Self> {
        let version = self.version + 1;
        self.advanced(version, self.state.followed_by([(version, entry)]))
    }

    /// A later version, by what the log says up to it.
    pub(super) fn advanced(&self, version: u64, state: State) -> Result<Self> {
        let is_as_before = state
            .metadata
            .as_ref()
            .is_some_and(|now| Arc::ptr_eq(now, &self.metadata))
            && state
                .protocol
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(now, &self.protocol));
        if !is_as_before {
            return Self::new(version, state);
        }
        Ok(Self {
            version,
            files: state.files.clone(),
            state,
            ..self.clone()
        })
    }

    /// Greatest version that the application committed; none when it never did.
    pub(crate) fn txn(&self, app: &str) -> Option<i64> {
        self.state.txns.get(app).copied()
    }

    /// The newest commit that was more than moving rows between files.
    pub(crate) fn work(&self) -> &Work {
        &self.state.work
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Whether all these files are live that a commit takes out.
    pub(crate) fn holds<'a>(&self, mut removed: impl Iterator<Item = &'a Remove>) -> bool {
        let live: HashSet<&Path> = self.files.iter().map(|file| &file.path).collect();
        removed.all(|remove| live.contains(&path_of(&remove.path)))
    }

    /// Whether the log says what the table and these columns mean.
    pub(crate) fn is_described(&self, schema: &Schema, description: &str) -> bool {
        let said = &self.described;
        let is_said = |field: &Arc<Field>| {
            let said = said.field_with_name(field.name());
            said.is_ok_and(|said| said.metadata().get(COMMENT) == field.metadata().get(COMMENT))
        };
        self.metadata().description() == Some(description) && schema.fields().iter().all(is_said)
    }

    /// The columns of which the log says that every file has bounds; none where it does not say.
    pub(crate) fn bounded(&self) -> Option<BTreeSet<&str>> {
        let named = self.properties.get(INDEXED)?;
        Some(named.split(',').collect())
    }

    /// Columns that files are laid out by.
    pub(crate) fn partition(&self) -> &[String] {
        self.metadata.partition_columns()
    }

    /// The metadata with columns that were added to `schema` since the table was made; none where it has them all.
    pub(crate) fn grown(&self, schema: &Schema) -> Result<Option<Action>> {
        let has = |field: &Arc<Field>| self.schema.field_with_name(field.name()).is_ok();
        if schema.fields().iter().all(has) {
            return Ok(None);
        }
        let kernel: StructType = schema
            .try_into_kernel()
            .context(Kind::Internal, "schema has no Delta form")?;
        let metadata = self.metadata().clone().with_schema(&kernel);
        Ok(Some(Action::Metadata(
            metadata.context(Kind::Internal, "metadata could not be changed")?,
        )))
    }

    /// The schema as the log has it: JSON, with what columns mean.
    pub(crate) fn delta_schema(&self) -> Result<String> {
        let metadata = serde_json::to_value(&*self.metadata);
        let metadata = metadata.context(Kind::Internal, "metadata has no JSON form")?;
        let text = metadata.get("schemaString").and_then(serde_json::Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| Error::internal("metadata has no schema"))
    }

    /// The metadata action, to be changed and committed again.
    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

fn without_comments(schema: &Schema) -> SchemaRef {
    let bare = |field: &Arc<Field>| field.as_ref().clone().with_metadata(HashMap::new());
    Arc::new(Schema::new(schema.fields().iter().map(bare).collect::<Vec<_>>()))
}
