//! A version of a Delta table as a table of DataFusion.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics, internal_datafusion_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;

use crate::delta::{DataFile, DeltaLog, Snapshot};
use crate::layout;
use crate::storage::Place;

use super::pruning::prune;
use super::small_files::SmallFiles;

/// Bytes at the end of a file that are read first: footer and page index of most files.
pub(super) const TAIL_BYTES: usize = 64 << 10;

/// The files of a snapshot, or some of them, with the columns of its schema in their order and of their types.
///
/// A scan is one `DataSourceExec` over Parquet. Files that cannot match the filters by their partition values or
/// by their statistics in the log are not opened; columns that a file was written without are null.
#[derive(Debug)]
pub(crate) struct SnapshotTable {
    place: Place,
    schema: SchemaRef,
    /// Columns as a scan has them: those of the files, then those of the partition.
    stored: TableSchema,
    files: Arc<Vec<DataFile>>,
    /// None on a disk, where nothing is gained by reading whole files.
    small: Option<Arc<SmallFiles>>,
}

impl SnapshotTable {
    /// All files of a snapshot of the table that `log` belongs to.
    pub(crate) fn new(log: &DeltaLog, snapshot: &Snapshot) -> Self {
        Self::of_files(log, snapshot, snapshot.files.clone())
    }

    /// Some files of a snapshot.
    pub(crate) fn of_files(log: &DeltaLog, snapshot: &Snapshot, files: Arc<Vec<DataFile>>) -> Self {
        let partition = snapshot.metadata().partition_columns();
        let partition_fields: Vec<FieldRef> = partition
            .iter()
            .filter_map(|name| snapshot.schema.column_with_name(name))
            .map(|(position, _)| snapshot.schema.fields()[position].clone())
            .collect();
        let stored = TableSchema::builder(layout::file_schema(&snapshot.schema, partition))
            .with_table_partition_cols(partition_fields)
            .build();
        Self {
            place: log.place().clone(),
            schema: snapshot.schema.clone(),
            stored,
            files,
            small: (!log.place().is_local()).then(|| Arc::new(SmallFiles::new(log.place().store().clone()))),
        }
    }

    fn partitioned(&self, file: &DataFile) -> Result<PartitionedFile> {
        let meta = ObjectMeta {
            location: self.place.path().parts().chain(file.path.parts()).collect(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: file.size,
            e_tag: None,
            version: None,
        };
        let values = self
            .stored
            .table_partition_cols()
            .iter()
            .map(|field| partition_value(file, field))
            .collect::<Result<Vec<_>>>()?;
        Ok(PartitionedFile::new_from_meta(meta).with_partition_values(values))
    }

    /// The store of the files, by the address under which the session knows it.
    fn store(&self, session: &dyn Session) -> Result<ObjectStoreUrl> {
        if self.place.is_local() {
            return Ok(ObjectStoreUrl::local_filesystem());
        }
        let address = self.place.address();
        let bucket = ObjectStoreUrl::parse(&address[..url::Position::BeforePath])?;
        session
            .runtime_env()
            .register_object_store(bucket.as_ref(), self.place.store().clone());
        Ok(bucket)
    }

    /// What is known of the rows of some files before they are read.
    fn known(&self, files: &[&DataFile]) -> Statistics {
        let mut statistics = Statistics::new_unknown(self.stored.table_schema());
        let rows: Option<u64> = files.iter().map(|file| file.rows()).sum();
        statistics.num_rows = rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize));
        statistics.total_byte_size = Precision::Inexact(files.iter().map(|file| file.size as usize).sum());
        statistics
    }

    /// Positions among the stored columns of those that a query wants, in its order.
    fn positions(&self, projection: Option<&Vec<usize>>) -> Result<Vec<usize>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all).iter();
        wanted
            .map(|&index| {
                Ok(self
                    .stored
                    .table_schema()
                    .index_of(self.schema.field(index).name())?)
            })
            .collect()
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = self.known(&self.files.iter().collect::<Vec<_>>());
        statistics.column_statistics = Statistics::unknown_column(&self.schema);
        Some(statistics)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = prune(
            session,
            &self.files,
            &self.schema,
            self.stored.table_partition_cols(),
            filters,
        )?;
        let positions = self.positions(projection)?;
        if files.is_empty() {
            let schema: Schema = self.stored.table_schema().project(&positions)?;
            return Ok(Arc::new(EmptyExec::new(Arc::new(schema))));
        }
        let partitioned = files
            .iter()
            .map(|file| self.partitioned(file))
            .collect::<Result<Vec<_>>>()?;
        let groups = FileGroup::new(partitioned).split_files(session.config().target_partitions());
        let mut source = ParquetSource::new(self.stored.clone()).with_metadata_size_hint(TAIL_BYTES);
        if let Some(small) = &self.small {
            source = source.with_parquet_file_reader_factory(small.clone());
        }
        let source = Arc::new(source);
        let config = FileScanConfigBuilder::new(self.store(session)?, source)
            .with_file_groups(groups)
            .with_statistics(self.known(&files))
            .with_projection_indices(Some(positions))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The value of a partition column in a file, of the column's type.
pub(super) fn partition_value(file: &DataFile, field: &Field) -> Result<ScalarValue> {
    let Some(text) = file.partition.get(field.name()).and_then(Option::as_deref) else {
        return ScalarValue::try_from(field.data_type());
    };
    let value = ScalarValue::try_from_string(text.to_owned(), field.data_type())?;
    if value.is_null() {
        let (column, path) = (field.name(), &file.path);
        return Err(internal_datafusion_err!(
            "partition value {text:?} of {column} is not of its type in {path}"
        ));
    }
    Ok(value)
}
