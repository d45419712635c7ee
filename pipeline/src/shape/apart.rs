//! Rows over which a SELECT fails are taken apart, so that those that fail are rejected and all others go in.
//!
//! Without windows a row is looked at by itself, so whether it fails does not depend on the rows beside it. What a
//! window gives depends on all rows that it sees, also on those that are rejected: first all windows are computed,
//! then the rest of the SELECT row by row. Rows of a window that cannot be computed are rejected together.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, Ident, Query, SelectItem, SetExpr, VisitMut, VisitorMut, WildcardAdditionalOptions,
    WindowType,
};

use crate::error::{Error, Kind, Result};
use crate::layout::{OBJECT, ROW, SOURCE_ROW};

use super::plans::Plans;
use super::raw_sql::field_of;

/// What columns of windows are called between the two steps.
const WINDOW: &str = "__window";

/// The rows that a SELECT gives, and the raw rows over which it fails.
pub(super) struct Taken {
    /// As text, but for the ordinal of the raw row, which is the last column.
    pub(super) rows: RecordBatch,
    /// Ordinal of the raw row and the reason, for each that fails.
    pub(super) failed: Vec<(i64, String)>,
}

/// A SELECT and its two steps, where it has windows.
pub(super) struct Select {
    whole: Plans,
    steps: Option<Steps>,
}

struct Steps {
    /// All fields and the windows, for the rows that WHERE leaves.
    windows: Plans,
    /// The SELECT over these.
    rest: Plans,
    /// Fields by which all of the windows part the rows of an object.
    parted_by: Vec<String>,
}

impl Select {
    /// Prepares a query over `raw` that is one SELECT and gives the ordinal of the raw row last. No error of a quiet one
    /// quotes a value.
    pub(super) fn new(query: &Query, is_quiet: bool) -> Self {
        Self {
            whole: Plans::new(query.to_string(), is_quiet),
            steps: steps(query, is_quiet),
        }
    }

    /// Runs it over rows of one object: at once, and where that fails as small as it fails.
    pub(super) async fn run(&self, raw: &RecordBatch) -> Result<Taken> {
        match &self.steps {
            None => taken(&self.whole, raw, Given::AsTexts, each).await,
            Some(steps) => match rows(&self.whole, raw.clone(), Given::AsTexts).await {
                Err(error) if error.kind() == Kind::Data => steps.run(raw).await,
                rows => Ok(Taken {
                    rows: rows?,
                    failed: Vec::new(),
                }),
            },
        }
    }
}

impl Steps {
    async fn run(&self, raw: &RecordBatch) -> Result<Taken> {
        let units = |raw: &RecordBatch| self.units(raw);
        let windows = taken(&self.windows, raw, Given::AsTheyAre, units).await?;
        let mut taken = taken(&self.rest, &windows.rows, Given::AsTexts, each).await?;
        let told = windows.failed.into_iter().map(|(row, reason)| {
            let reason = format!("a window over this row and others of its object: {reason}");
            (row, reason)
        });
        taken.failed.extend(told);
        taken.rows = without_windows(&taken.rows)?;
        Ok(taken)
    }

    /// The rows that a window can see together.
    fn units(&self, raw: &RecordBatch) -> Vec<Vec<u32>> {
        let columns = self.parted_by.iter().filter_map(|name| raw.column_by_name(name));
        let columns: Vec<&StringArray> = columns.filter_map(|column| column.as_string_opt()).collect();
        let mut units: BTreeMap<Vec<Option<&str>>, Vec<u32>> = BTreeMap::new();
        for row in 0..raw.num_rows() {
            let mut values = Vec::new();
            for texts in &columns {
                values.push(texts.is_valid(row).then_some(texts).map(|texts| texts.value(row)));
            }
            units.entry(values).or_default().push(row as u32);
        }
        units.into_values().collect()
    }
}

/// Each row as a unit of its own.
fn each(rows: &RecordBatch) -> Vec<Vec<u32>> {
    (0..rows.num_rows() as u32).map(|row| vec![row]).collect()
}

/// As what a SELECT gives its values.
#[derive(Clone, Copy)]
enum Given {
    AsTheyAre,
    AsTexts,
}

/// Runs a SELECT over rows, and where it fails over halves of their units, until what fails is one unit.
async fn taken(
    plans: &Plans,
    raw: &RecordBatch,
    given: Given,
    units: impl Fn(&RecordBatch) -> Vec<Vec<u32>>,
) -> Result<Taken> {
    let (mut good, mut failed) = (Vec::new(), Vec::new());
    let units = match rows(plans, raw.clone(), given).await {
        Err(error) if error.kind() == Kind::Data && raw.num_rows() > 0 => {
            let units = units(raw);
            if units.len() < 2 {
                let reason = error.reason();
                failed.extend(ordinals(raw)?.values().iter().map(|row| (*row, reason.clone())));
            }
            units
        }
        rows => {
            good.push(rows?);
            Vec::new()
        }
    };
    // Those that are known to fail together; the first are looked at first.
    let mut failing: Vec<&[Vec<u32>]> = vec![&units];
    while let Some(units) = failing.pop().filter(|units| units.len() > 1) {
        let (left, right) = units.split_at(units.len() / 2);
        let mut again = Vec::new();
        for half in [left, right] {
            let part = half.iter().flatten().copied().collect::<Vec<u32>>();
            let part = take_record_batch(raw, &UInt32Array::from(part))?;
            match rows(plans, part.clone(), given).await {
                Ok(rows) => good.push(rows),
                Err(error) if error.kind() == Kind::Data && half.len() == 1 => {
                    let reason = error.reason();
                    failed.extend(ordinals(&part)?.values().iter().map(|row| (*row, reason.clone())));
                }
                Err(error) if error.kind() == Kind::Data => again.push(half),
                Err(error) => return Err(error),
            }
        }
        failing.extend(again.into_iter().rev());
    }
    if good.is_empty() {
        good.push(rows(plans, raw.slice(0, 0), given).await?);
    }
    failed.sort();
    Ok(Taken {
        rows: concat_batches(&good[0].schema(), &good)?,
        failed,
    })
}

/// Ordinals of raw rows.
fn ordinals(raw: &RecordBatch) -> Result<Int64Array> {
    let column = raw.column_by_name(ROW);
    let rows = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
    rows.cloned()
        .ok_or_else(|| Error::internal("raw rows have no ordinal"))
}

/// What a SELECT gives; as texts all but the ordinal of the raw row. A value that no text stands for is an error of its
/// row.
async fn rows(plans: &Plans, raw: RecordBatch, given: Given) -> Result<RecordBatch> {
    let (schema, batches) = plans.run(raw).await?;
    let rows = concat_batches(&schema, &batches)?;
    match given {
        Given::AsTheyAre => Ok(rows),
        Given::AsTexts => texts(&rows, plans),
    }
}

fn texts(rows: &RecordBatch, plans: &Plans) -> Result<RecordBatch> {
    let strictly = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        let wanted = match field.name().as_str() {
            SOURCE_ROW => DataType::Int64,
            _ => DataType::Utf8,
        };
        let texts = cast_with_options(column, &wanted, &strictly);
        columns.push(texts.map_err(|error| {
            let what = format!(
                "what the SQL of the contract gives for {} is no text",
                field.name()
            );
            plans.failed(&what, &error.into())
        })?);
        fields.push(Field::new(field.name(), wanted, true));
    }
    Ok(RecordBatch::try_new(Schema::new(fields).into(), columns)?)
}

/// Rows without the columns that were made between the two steps.
fn without_windows(rows: &RecordBatch) -> Result<RecordBatch> {
    let fields = rows.schema_ref().fields().iter().enumerate();
    let kept = fields.filter(|(_, field)| !field.name().starts_with(WINDOW));
    Ok(rows.project(&kept.map(|(index, _)| index).collect::<Vec<_>>())?)
}

/// The two steps of a query with windows; none where it has none.
fn steps(query: &Query, is_quiet: bool) -> Option<Steps> {
    let mut rest = query.clone();
    let mut found = Windows::default();
    let _ = VisitMut::visit(&mut rest, &mut found);
    if found.calls.is_empty() {
        return None;
    }
    let mut windows = query.clone();
    let (SetExpr::Select(first), SetExpr::Select(second)) = (windows.body.as_mut(), rest.body.as_mut())
    else {
        return None;
    };
    second.selection = second.qualify.take();
    first.qualify = None;
    let named = found
        .calls
        .iter()
        .enumerate()
        .map(|(number, call)| SelectItem::ExprWithAlias {
            expr: Expr::Function(call.clone()),
            alias: Ident::with_quote('"', format!("{WINDOW}{number}")),
        });
    let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    first.projection = std::iter::once(all).chain(named).collect();
    Some(Steps {
        windows: Plans::new(windows.to_string(), is_quiet),
        rest: Plans::new(rest.to_string(), is_quiet),
        parted_by: found.parted_by(),
    })
}

/// Takes windows out of a query: a column that is computed before stands in the place of each.
#[derive(Default)]
struct Windows {
    calls: Vec<Function>,
}

impl Windows {
    /// Fields that are in PARTITION BY of every window, the object aside.
    fn parted_by(&self) -> Vec<String> {
        let fields = |call: &Function| -> BTreeSet<String> {
            match &call.over {
                Some(WindowType::WindowSpec(window)) => {
                    window.partition_by.iter().filter_map(field_of).collect()
                }
                _ => BTreeSet::new(),
            }
        };
        let all = self.calls.iter().map(fields);
        let common = all.reduce(|one, other| one.intersection(&other).cloned().collect());
        common
            .into_iter()
            .flatten()
            .filter(|name| name != OBJECT)
            .collect()
    }
}

impl VisitorMut for Windows {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && call.over.is_some()
        {
            let number = self.calls.len();
            self.calls.push(call.clone());
            *expr = Expr::Identifier(Ident::with_quote('"', format!("{WINDOW}{number}")));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::super::raw_sql::selected_row;
    use super::*;

    fn select(sql: &str) -> Select {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        let Some(Statement::Query(query)) = statements.first_mut() else {
            panic!("{sql}");
        };
        let SetExpr::Select(select) = query.body.as_mut() else {
            panic!("{sql}");
        };
        select.projection.push(selected_row());
        Select::new(query, false)
    }

    fn raw(rows: &[(i64, &str, &str)]) -> RecordBatch {
        let texts = |value: fn(&(i64, &str, &str)) -> String| -> ArrayRef {
            Arc::new(rows.iter().map(value).map(Some).collect::<StringArray>())
        };
        let ordinals: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
        let object: ArrayRef = Arc::new(StringArray::from(vec!["o"; rows.len()]));
        RecordBatch::try_from_iter([
            ("g", texts(|row| row.1.to_owned())),
            ("v", texts(|row| row.2.to_owned())),
            (OBJECT, object),
            (ROW, ordinals),
        ])
        .unwrap()
    }

    /// Ordinals of the rows that are given with the value of `w`, and of those that fail.
    async fn taken(sql: &str, rows: &[(i64, &str, &str)]) -> (Vec<(i64, String)>, Vec<i64>) {
        let taken = select(sql).run(&raw(rows)).await.unwrap();
        let last = taken.rows.columns().last().unwrap().as_primitive::<Int64Type>();
        let value = taken.rows.column_by_name("w").unwrap().as_string::<i32>();
        let mut given: Vec<_> = last
            .values()
            .iter()
            .copied()
            .zip(value.iter().map(|w| w.unwrap_or("∅").to_owned()))
            .collect();
        given.sort();
        (given, taken.failed.iter().map(|(row, _)| *row).collect())
    }

    fn given(rows: &[(i64, &str)]) -> Vec<(i64, String)> {
        rows.iter()
            .map(|(row, value)| (*row, (*value).to_owned()))
            .collect()
    }

    #[tokio::test]
    async fn rows_that_fail_are_those_that_fail_alone_whatever_is_beside_them() {
        let all: Vec<(i64, &str, &str)> = (1..=9)
            .map(|row| (row, "a", if row % 4 == 0 { "SECRET" } else { "7" }))
            .collect();
        let sql = "SELECT CAST(v AS INT) + 1 AS w FROM raw WHERE g = 'a'";
        let (whole, failed) = taken(sql, &all).await;
        assert_eq!(failed, [4, 8]);
        assert_eq!(whole.len(), 7);
        for size in 1..=9 {
            let (mut rows, mut bad) = (Vec::new(), Vec::new());
            for part in all.chunks(size) {
                let (some, failed) = taken(sql, part).await;
                rows.extend(some);
                bad.extend(failed);
            }
            assert_eq!((&rows, &bad), (&whole, &failed), "in parts of {size}");
        }
        // What a condition keeps away from the cast is not cast.
        let guarded = "SELECT CASE WHEN v <> 'SECRET' THEN CAST(v AS INT) END AS w FROM raw";
        assert_eq!(taken(guarded, &all).await.1, [0; 0]);
        let conjunct = "SELECT v <> 'SECRET' AND CAST(v AS INT) > 3 AS w FROM raw";
        assert_eq!(taken(conjunct, &all).await.1, [0; 0]);
        let nothing = "SELECT CAST(g AS INT) AS w FROM raw";
        assert_eq!(taken(nothing, &all).await, (vec![], (1..=9).collect()));
    }

    #[tokio::test]
    async fn a_row_that_fails_beside_a_window_is_seen_by_the_window_and_rejected_alone() {
        let rows = [(1, "a", "7"), (2, "a", "SECRET"), (3, "b", "8"), (4, "a", "9")];
        let sql = "SELECT *, row_number() OVER (PARTITION BY _object, g ORDER BY _row) * 10 + CAST(v AS INT) AS w FROM raw";
        assert_eq!(
            taken(sql, &rows).await,
            (given(&[(1, "17"), (3, "18"), (4, "39")]), vec![2])
        );
    }

    #[tokio::test]
    async fn a_window_that_fails_rejects_the_rows_that_it_sees_and_no_others() {
        let rows = [(1, "a", "7"), (2, "a", "SECRET"), (3, "b", "8"), (4, "b", "9")];
        let sql = "SELECT *, sum(CAST(v AS INT)) OVER (PARTITION BY _object, g) AS w FROM raw";
        assert_eq!(
            taken(sql, &rows).await,
            (given(&[(3, "17"), (4, "17")]), vec![1, 2])
        );
        let by_object = "SELECT *, count(*) OVER (PARTITION BY _object) AS c, \
                         sum(CAST(v AS INT)) OVER (PARTITION BY _object, g) AS w FROM raw";
        assert_eq!(taken(by_object, &rows).await.1, [1, 2, 3, 4]);
        let filtered = "SELECT *, sum(CAST(v AS INT)) OVER (PARTITION BY _object, g) AS w FROM raw WHERE CAST(v AS INT) > 7";
        assert_eq!(
            taken(filtered, &rows).await,
            (given(&[(3, "17"), (4, "17")]), vec![1, 2])
        );
    }
}
