//! What the text of a SELECT names: parsed, in one spelling, with its fields.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SelectItem, SetExpr, Statement, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Text that is not one query.
#[derive(Clone)]
pub(crate) struct Unparsed {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Statements of which it is known how they parse, since it is asked again and again: no more than so many.
const KNOWN: usize = 256;

thread_local! {
    static PARSED: RefCell<HashMap<String, Result<Arc<Query>, Unparsed>>> = RefCell::default();
}

/// A text as one query. The text decides, so each is parsed once.
pub(crate) fn parse(text: &str) -> Result<Arc<Query>, Unparsed> {
    PARSED.with_borrow_mut(|known| {
        if let Some(parsed) = known.get(text) {
            return parsed.clone();
        }
        if known.len() >= KNOWN {
            known.clear();
        }
        let parsed = parse_anew(text).map(Arc::from);
        known.insert(text.to_owned(), parsed.clone());
        parsed
    })
}

fn parse_anew(text: &str) -> Result<Box<Query>, Unparsed> {
    let statements = Parser::parse_sql(&GenericDialect {}, text).map_err(|error| {
        let message = error.to_string();
        let line = message
            .rsplit_once("at Line: ")
            .and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
        Unparsed {
            line: line.unwrap_or(1),
            message: format!("the SQL does not parse: {message}"),
        }
    })?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([Statement::Query(query)]) => Ok(query),
        _ => Err(Unparsed {
            line: 1,
            message: "the SQL is not one SELECT".to_owned(),
        }),
    }
}

/// The SQL as the parser writes it, without comments and with one kind of white space; as it is if it does not parse.
pub(crate) fn canonical(text: &str) -> String {
    parse(text).map_or_else(|_| text.to_owned(), |query| query.to_string())
}

/// Columns of `raw` that a SELECT deals with.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// Those that it reads.
    pub(crate) read: BTreeSet<String>,
    /// Those that it names in its result.
    pub(crate) made: BTreeSet<String>,
}

/// The columns that a SELECT over `raw` reads and makes; none if it does not parse.
pub(crate) fn fields(text: &str) -> Fields {
    let Ok(query) = parse(text) else {
        return Fields::default();
    };
    let mut fields = Fields::default();
    let _ = visit_expressions(query.as_ref(), |expr| {
        fields.read.extend(column_of(expr));
        ControlFlow::<()>::Continue(())
    });
    if let SetExpr::Select(select) = query.body.as_ref() {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                fields.made.insert(name_of(alias));
            }
        }
    }
    fields
}

/// What a SELECT over `raw` makes under another name than that of a field, each with the fields that it is made of; none
/// if it does not parse.
pub(crate) fn sources(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let Ok(query) = parse(text) else {
        return BTreeMap::new();
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return BTreeMap::new();
    };
    let mut sources = BTreeMap::new();
    let mut add = |name: String, expr: &Expr| {
        let mut fields = BTreeSet::new();
        let _ = visit_expressions(expr, |part| {
            fields.extend(column_of(part));
            ControlFlow::<()>::Continue(())
        });
        sources.insert(name, fields);
    };
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } => add(name_of(alias), expr),
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                let replaced = options.opt_replace.iter().flat_map(|replace| &replace.items);
                for item in replaced {
                    add(name_of(&item.column_name), &item.expr);
                }
            }
            _ => {}
        }
    }
    sources
}

/// Name of an identifier: lower case unless it is quoted.
pub(crate) fn name_of(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The column that an expression is, without the name of its table.
pub(crate) fn column_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(name_of(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(name_of),
        Expr::Nested(inner) => column_of(inner),
        _ => None,
    }
}

/// Parts of the name of a table.
pub(crate) fn table_of(name: &ObjectName) -> Vec<String> {
    name.0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(name_of)
        .collect()
}

/// Whether a subquery stands where a value could.
pub(crate) fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. }
    )
}
