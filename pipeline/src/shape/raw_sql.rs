//! A contract's SELECT over `raw`, run on the rows of one object.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, SelectItem, SetExpr, Statement, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::contract::ColumnType;
use crate::error::{Context, Error, Kind, Result};
use crate::layout::{HASH, ROW, SOURCE_ROW};

use super::apart::{Select, Taken};
use super::fields::{Fields, Filled};
use super::source::Source;

/// A SELECT over `raw`, with the row's ordinal added so that each result leads back to its raw row.
pub(crate) struct RawSql {
    select: Select,
    columns: Vec<String>,
    /// What it makes; other fields it hands on as they are.
    made: BTreeSet<String>,
    /// Whether a window looks at other rows.
    has_windows: bool,
}

/// Result of a SELECT.
pub(crate) struct Selected {
    /// The selected columns as text.
    pub(crate) rows: RecordBatch,
    /// For each result the index of its raw row.
    pub(crate) raw_rows: UInt32Array,
    /// Indices of the raw rows over which the SQL fails, each with the reason.
    pub(crate) failed: Vec<(u32, String)>,
}

impl Selected {
    /// The selected columns as text fields, for columns to pick from. The hash, where it is wanted, is that of the
    /// delivered row.
    pub(crate) fn as_fields(&self, delivered: &Fields<'_>, wants_hash: bool) -> Result<RecordBatch> {
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        if wants_hash {
            fields.push(Field::new(HASH, DataType::Utf8, true));
            columns.push(take(&delivered.hash_texts()?, &self.raw_rows, None)?);
        }
        for (field, column) in self.rows.schema_ref().fields().iter().zip(self.rows.columns()) {
            if field.name() != SOURCE_ROW && field.name() != HASH {
                fields.push(Field::new(field.name(), DataType::Utf8, true));
                columns.push(column.clone());
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.raw_rows.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::new(Schema::new(fields)),
            columns,
            &options,
        )?)
    }
}

/// Names that a SELECT gives to something else than the field of that name.
fn made_by(projection: &[SelectItem]) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    for item in projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } if field_of(expr) != Some(name_of(alias)) => {
                made.insert(name_of(alias));
            }
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                let replaced = options.opt_replace.iter().flat_map(|replace| &replace.items);
                made.extend(replaced.map(|item| name_of(&item.column_name)));
            }
            _ => {}
        }
    }
    made
}

/// Names that a SELECT of all fields leaves out; these do not fold to lower case.
fn left_out_by(projection: &[SelectItem]) -> Vec<String> {
    let mut left_out = Vec::new();
    for item in projection {
        let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else {
            continue;
        };
        if let Some(except) = &options.opt_except {
            left_out.push(except.first_element.value.clone());
            left_out.extend(except.additional_elements.iter().map(|name| name.value.clone()));
        }
        let excluded = match &options.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => std::slice::from_ref(name),
            Some(ExcludeSelectItem::Multiple(names)) => names,
            None => &[],
        };
        let excluded = excluded.iter().filter_map(|name| name.0.last()?.as_ident());
        left_out.extend(excluded.map(|name| name.value.clone()));
    }
    left_out
}

/// The field that an expression is.
pub(super) fn field_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name_of(name)),
        Expr::CompoundIdentifier(names) => names.last().map(name_of),
        _ => None,
    }
}

/// What is added to a list, so that each result leads back to its raw row.
pub(super) fn selected_row() -> SelectItem {
    SelectItem::ExprWithAlias {
        expr: Expr::Identifier(Ident::new(ROW)),
        alias: Ident::new(SOURCE_ROW),
    }
}

impl RawSql {
    /// Prepares the SQL of a contract, which has been validated. No error of a quiet one quotes a value.
    pub(crate) fn new(sql: &str, is_quiet: bool) -> Result<Self> {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql)
            .context(Kind::Usage, "SQL of the contract does not parse")?;
        let (mut columns, mut has_windows) = (Vec::new(), false);
        let _ = visit_expressions(&statements, |expression| {
            columns.extend(field_of(expression));
            has_windows |= matches!(expression, Expr::Function(function) if function.over.is_some());
            ControlFlow::<()>::Continue(())
        });
        let Some(Statement::Query(query)) = statements.first_mut() else {
            return Err(Error::usage("SQL of the contract is not a SELECT"));
        };
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(Error::usage("SQL of the contract is not one SELECT over raw"));
        };
        let made = made_by(&select.projection);
        columns.extend(left_out_by(&select.projection));
        columns.sort();
        columns.dedup();
        select.projection.push(selected_row());
        Ok(Self {
            select: Select::new(query, is_quiet),
            columns,
            made,
            has_windows,
        })
    }

    /// Whether a row can look at others of its object, so that all of them must be there at once.
    pub(crate) fn has_windows(&self) -> bool {
        self.has_windows
    }

    /// Runs the SQL over rows of one object. Fields that the SQL names and the rows lack are null.
    pub(crate) async fn select(
        &self,
        fields: &Fields<'_>,
        raw: &RecordBatch,
        source: &Source,
    ) -> Result<Selected> {
        let delivered = raw
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.name().as_str());
        let named = self.columns.iter().map(String::as_str);
        let stated = source.account.stated().map(|(name, _)| name);
        let mut names: Vec<Field> = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for name in delivered.chain(named).chain(stated).chain([ROW]) {
            if names.iter().any(|field| field.name() == name) {
                continue;
            }
            if name == ROW {
                names.push(Field::new(name, DataType::Int64, false));
                columns.push(Arc::new(Int64Array::from(fields.rows().to_vec())));
                continue;
            }
            names.push(Field::new(name, DataType::Utf8, true));
            columns.push(Arc::new(
                fields.first_of(&[name.to_owned()], &ColumnType::Text)?.texts,
            ));
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(names)), columns)?;
        let failed = |error: Error| error.with("object", &source.object.uri);
        let Taken { rows, failed } = self.select.run(&batch).await.map_err(failed)?;
        let position: HashMap<i64, u32> = fields
            .rows()
            .iter()
            .zip(0..)
            .map(|(row, index)| (*row, index))
            .collect();
        let index = |row: &i64| {
            let index = position.get(row).copied();
            index.ok_or_else(|| Error::internal("SQL gave a row that is not in the object"))
        };
        let ordinals = rows
            .columns()
            .last()
            .and_then(|column| column.as_primitive_opt::<Int64Type>());
        let ordinals = ordinals.ok_or_else(|| Error::internal("SQL gave no columns"))?;
        let raw_rows = ordinals
            .values()
            .iter()
            .map(index)
            .collect::<Result<Vec<u32>>>()?;
        let failed = failed.into_iter().map(|(row, reason)| Ok((index(&row)?, reason)));
        let failed = failed.collect::<Result<Vec<_>>>()?;
        Ok(Selected {
            rows,
            raw_rows: raw_rows.into(),
            failed,
        })
    }

    /// Which cells of the fields that the SQL hands on only the account states.
    pub(crate) fn filled(&self, delivered: &Fields<'_>, source: &Source, raw_rows: &[u32]) -> Filled {
        let fields = source.account.stated().map(|(name, _)| name);
        fields
            .filter(|name| !self.made.contains(*name))
            .map(|name| (name.to_owned(), delivered.lacks(name, raw_rows)))
            .collect()
    }
}

fn name_of(name: &Ident) -> String {
    if name.quote_style.is_some() {
        name.value.clone()
    } else {
        name.value.to_lowercase()
    }
}
