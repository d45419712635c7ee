//! SQL of views: what DataFusion and Trino understand, and understand alike.
//!
//! A view is run by this program and by Athena. So it has no function, type or notation but those that both have with the same
//! meaning, and its columns have the types that are declared before they are cast: a cast that rounds does so in its own way in
//! each engine.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use arrow::datatypes::DataType as ArrowType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as PlanExpr, ExprSchemable, LogicalPlan, Operator};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Distinct, Expr, Ident, Interval, ObjectName, Query, Select, Spanned, Visit, Visitor,
};

use super::names::{Unparsed, name_of, parse, table_of};
use super::{Planner, Problems, functions, inputs};
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::read::draft::{Draft, Drafts, existing};
use crate::contract::{ColumnType, InputFeed};

/// Keys that say how rows are kept, which a view does not.
const OF_TABLES: [&str; 7] = [
    "key",
    "partition",
    "sort",
    "file_size",
    "recompute",
    "checks",
    "quarantine",
];

/// Functions that give the same in both.
const FUNCTIONS: [&str; 13] = [
    "abs",
    "coalesce",
    "count",
    "date_trunc",
    "length",
    "lower",
    "max",
    "min",
    "nullif",
    "replace",
    "sum",
    "trim",
    "upper",
];

/// Reports what is wrong with a view. Without a planner its SQL is not planned.
pub(super) fn check(
    draft: &Draft,
    feed: &InputFeed,
    drafts: &Drafts,
    planner: Option<&Planner>,
    found: &mut Findings,
) {
    for key in OF_TABLES.into_iter().filter(|key| draft.says(key)) {
        let message = format!("{key} is for tables, and this is a view");
        found.add(Code::WrongFeed, &draft.at(key), message);
    }
    for column in draft
        .contract
        .columns
        .iter()
        .filter(|column| column.ty == ColumnType::Map)
    {
        let place = draft.at(&format!("columns.{}", column.name));
        found.add(
            Code::UnknownType,
            &place,
            format!("column {:?} of a view is a map", column.name),
        );
    }
    let Some(sql) = &draft.sql else {
        let name = &draft.contract.name;
        let message = format!("it is a view, but there is no {}/{}.sql", name.source, name.table);
        return found.add(Code::SqlMissing, &draft.at("view"), message);
    };
    let query = match parse(&sql.text) {
        Ok(query) => query,
        Err(Unparsed { line, message }) => return found.add(Code::SqlSyntax, &draft.at_sql(line), message),
    };
    let mut problems = Problems { draft, found };
    let mut walk = Walk {
        inputs: feed.inputs.iter().map(ToString::to_string).collect(),
        read: BTreeSet::new(),
        problems: &mut problems,
    };
    let _ = query.visit(&mut walk);
    let Walk { inputs, read, .. } = walk;
    for name in inputs.difference(&read) {
        problems.add(
            Code::SqlTables,
            query.as_ref(),
            format!("the SQL does not read the input {name}"),
            "",
        );
    }
    inputs::check_list(&query, &mut problems);
    if let Some(planner) = planner {
        match planner.plan(&sql.text, &existing(feed, drafts)) {
            Some(plan) => check_plan(&plan, &mut problems),
            None => {
                let message = "the SQL cannot be planned over the columns of its inputs";
                problems.add_at(Code::SqlPlan, 1, message, "`marketlake query` says why");
            }
        }
    }
}

/// Reports columns of another type than is declared, and decimals that are divided.
fn check_plan(plan: &LogicalPlan, problems: &mut Problems<'_>) {
    for column in &problems.draft.contract.columns {
        let Ok(field) = plan.schema().field_with_unqualified_name(&column.name) else {
            continue;
        };
        if !is_alike(field.data_type(), &column.ty) {
            let message = format!(
                "column {:?} is declared as {}, and the SQL gives {}",
                column.name,
                column.ty,
                field.data_type()
            );
            let help = "declare that type, or cast to it in the SQL";
            let place = problems.draft.at(&format!("columns.{}", column.name));
            problems.found.add_with_help(Code::ViewSql, &place, message, help);
        }
    }
    let mut is_divided = false;
    let _ = plan.apply(|step| {
        let schema = step
            .inputs()
            .first()
            .map_or(step.schema(), |input| input.schema())
            .clone();
        step.apply_expressions(|expr| {
            expr.apply(|part| {
                if let PlanExpr::BinaryExpr(binary) = part
                    && matches!(binary.op, Operator::Divide | Operator::Modulo)
                {
                    let ty = binary.left.get_type(&schema);
                    is_divided |= ty
                        .is_ok_and(|ty| matches!(ty, ArrowType::Decimal128(..) | ArrowType::Decimal256(..)));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    if is_divided {
        let message = "a decimal is divided, which gives another number of digits in each engine";
        problems.add_at(Code::ViewSql, 1, message, "CAST both to DOUBLE first");
    }
}

/// Whether a value of the one type is the same in the other, and nothing is rounded.
fn is_alike(given: &ArrowType, declared: &ColumnType) -> bool {
    match (given, declared) {
        (ArrowType::Utf8 | ArrowType::Utf8View | ArrowType::LargeUtf8, ColumnType::Text)
        | (ArrowType::Timestamp(_, Some(_)), ColumnType::Timestamp)
        | (ArrowType::Int32 | ArrowType::Int64, ColumnType::Int) => true,
        (ArrowType::Decimal128(_, given), ColumnType::Decimal(_, declared)) => given == declared,
        (given, declared) => *given == declared.arrow(),
    }
}

struct Walk<'a, 'b> {
    inputs: BTreeSet<String>,
    read: BTreeSet<String>,
    problems: &'a mut Problems<'b>,
}

impl Walk<'_, '_> {
    fn refuse(&mut self, part: &impl Spanned, what: &str, help: &str) {
        let message = format!("{what} is not the same in DataFusion and Trino");
        self.problems.add(Code::ViewSql, part, message, help);
    }
}

impl Visitor for Walk<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if query.order_by.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
            self.refuse(
                query,
                "the order of rows, or a part of them,",
                "leave that to who reads the view",
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if matches!(select.distinct, Some(Distinct::On(_)))
            || select.qualify.is_some()
            || select.top.is_some()
        {
            self.refuse(select, "DISTINCT ON, QUALIFY or TOP", "");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let table = table_of(name);
        let full = table.join(".");
        if self.inputs.contains(&full) {
            self.read.insert(full);
        } else if table.len() > 1 {
            let message = format!("the SQL reads {name}, which is not an input");
            let help = "write source.table, and name it in inputs";
            self.problems.add(Code::SqlTables, name, message, help);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Some((_, name)) = functions::called(expr)
            && !FUNCTIONS.contains(&name.as_str())
        {
            let help = format!("use {}", FUNCTIONS.join(", "));
            self.refuse(expr, &format!("function {name}"), &help);
        }
        match expr {
            Expr::Cast { kind, data_type, .. } if *kind != CastKind::Cast || !is_common(data_type) => {
                let help =
                    "write CAST(… AS type) with VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE or DECIMAL(p, s)";
                self.refuse(expr, &format!("{expr}"), help);
            }
            Expr::Interval(Interval {
                leading_field: None, ..
            }) => self.refuse(expr, &format!("{expr}"), "write INTERVAL '60' DAY"),
            Expr::ILike { .. } | Expr::SimilarTo { .. } | Expr::RLike { .. } | Expr::AtTimeZone { .. } => {
                self.refuse(expr, &format!("{expr}"), "");
            }
            Expr::CompoundIdentifier(parts) if parts.len() > 2 => {
                self.refuse(
                    expr,
                    &format!("{expr}"),
                    "give the table an alias, its name is another one there",
                );
            }
            Expr::Identifier(ident) if has_backquotes(ident) => {
                self.refuse(expr, &format!("{expr}"), "use \"")
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn has_backquotes(ident: &Ident) -> bool {
    ident.quote_style == Some('`') || name_of(ident).contains('`')
}

fn is_common(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Varchar(None)
            | DataType::BigInt(None)
            | DataType::Double(_)
            | DataType::Boolean
            | DataType::Date
            | DataType::Decimal(_)
    )
}
