//! A contract's SELECT over `raw`, run on the rows of one object.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, SetExpr, Statement, visit_expressions};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::contract::LINEAGE;
use crate::error::{Context, Error, Kind, Result};
use crate::layout::{HASH, ROW};

use super::fields::{Fields, Origin, Source};

/// Name under which the row's ordinal comes out beside what the SQL selects.
const SOURCE_ROW: &str = "__row";

/// A SELECT over `raw`, with the row's ordinal added so that each result leads back to its raw row.
pub(crate) struct RawSql {
    text: String,
    columns: Vec<String>,
}

/// Result of a SELECT.
pub(crate) struct Selected {
    /// The selected columns, as text or as what the SQL made of them.
    pub(crate) rows: RecordBatch,
    /// For each result the index of its raw row.
    pub(crate) source: Vec<u32>,
}

impl Selected {
    /// The selected columns as text fields, for columns to pick from. The hash is that of the delivered row.
    pub(crate) fn as_fields(&self, delivered: &Fields<'_>, source: &UInt32Array) -> Result<RecordBatch> {
        let mut fields = vec![Field::new(HASH, DataType::Utf8, true)];
        let mut columns = vec![take(&delivered.hashes(), source, None)?];
        for (field, column) in self.rows.schema_ref().fields().iter().zip(self.rows.columns()) {
            if field.name() != SOURCE_ROW && field.name() != HASH {
                fields.push(Field::new(field.name(), DataType::Utf8, true));
                columns.push(cast(column, &DataType::Utf8)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(source.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields)),
            columns,
            &options,
        )?)
    }
}

impl RawSql {
    /// Prepares the SQL of a contract, which has been validated.
    pub(crate) fn new(sql: &str) -> Result<Self> {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql)
            .context(Kind::Usage, "SQL of the contract does not parse")?;
        let mut columns = Vec::new();
        let _ = visit_expressions(&statements, |expression| {
            if let Expr::Identifier(name) = expression {
                columns.push(name_of(name));
            } else if let Expr::CompoundIdentifier(names) = expression
                && let Some(name) = names.last()
            {
                columns.push(name_of(name));
            }
            ControlFlow::<()>::Continue(())
        });
        columns.sort();
        columns.dedup();
        let Some(Statement::Query(query)) = statements.first_mut() else {
            return Err(Error::usage("SQL of the contract is not a SELECT"));
        };
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(Error::usage("SQL of the contract is not one SELECT over raw"));
        };
        select.projection.push(SelectItem::ExprWithAlias {
            expr: Expr::Identifier(Ident::new(ROW)),
            alias: Ident::new(SOURCE_ROW),
        });
        Ok(Self {
            text: query.to_string(),
            columns,
        })
    }

    /// Runs the SQL over the rows of one object. Fields that the SQL names and the object lacks are null.
    pub(crate) async fn select(
        &self,
        fields: &Fields<'_>,
        raw: &RecordBatch,
        origin: &Origin<'_>,
    ) -> Result<Selected> {
        let rows = fields.len();
        let mut names: Vec<Field> = raw
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let mut columns: Vec<ArrayRef> = raw.columns().to_vec();
        let wanted = self.columns.iter().map(String::as_str).chain(LINEAGE);
        for name in wanted {
            if names.iter().any(|field| field.name() == name) {
                continue;
            }
            if name == ROW {
                names.push(Field::new(name, DataType::Int64, false));
                columns.push(Arc::new(Int64Array::from(fields.rows().to_vec())));
                continue;
            }
            names.push(Field::new(name, DataType::Utf8, true));
            columns.push(match fields.source(name) {
                Some(Source::Column(column)) => Arc::new(column),
                Some(Source::Constant(value)) => Arc::new(StringArray::from(vec![value; rows])),
                None => Arc::new(StringArray::new_null(rows)),
            });
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(names)), columns)?;
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        context.register_table(
            "raw",
            Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?),
        )?;
        let frame = context
            .sql(&self.text)
            .await
            .context(Kind::Usage, "SQL of the contract cannot be planned")?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let results = frame
            .collect()
            .await
            .context(Kind::Data, "SQL of the contract failed")
            .map_err(|error| error.with("object", &origin.object.uri))?;
        let rows = concat_batches(&schema, &results)?;
        let ordinals = rows
            .columns()
            .last()
            .map(|column| cast(column, &DataType::Int64))
            .transpose()?
            .ok_or_else(|| Error::internal("SQL gave no columns"))?;
        let position: HashMap<i64, u32> = fields
            .rows()
            .iter()
            .zip(0..)
            .map(|(row, index)| (*row, index))
            .collect();
        let source = ordinals
            .as_primitive::<Int64Type>()
            .iter()
            .map(|row| row.and_then(|row| position.get(&row).copied()))
            .collect::<Option<Vec<u32>>>()
            .ok_or_else(|| Error::internal("SQL gave a row that is not in the object"))?;
        Ok(Selected { rows, source })
    }
}

fn name_of(name: &Ident) -> String {
    if name.quote_style.is_some() {
        name.value.clone()
    } else {
        name.value.to_lowercase()
    }
}
