//! Tables with inputs: the SQL of the contract over the touched part of its inputs.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Ident, Spanned, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Location;

use crate::contract::{Contract, InputFeed, TableName};

use super::names::list;
use super::values::from_column;
use super::{Item, comment, indented, items, remarks_on_checks};

/// The statement over the inputs, with what becomes of its rows.
pub(super) fn statement(contract: &Contract, feed: &InputFeed) -> String {
    let values = list(&feed.recompute);
    let mut text = comment(&format!(
        "touched has the values of {values} in rows that came to or went from an input since this table last took \
         the input in; the inputs' Delta logs say which. Where a log does not reach back so far, it has all values."
    ));
    text.push_str(&comment(&format!(
        "In one commit, the rows of {} with these values are replaced by the rows that the statement gives:",
        contract.name
    )));
    text.push_str(&format!(
        "--     DELETE FROM {} WHERE {};\n",
        contract.name,
        is_touched(feed)
    ));
    text.push_str(&format!(
        "--     INSERT INTO {} followed by the statement\n",
        contract.name
    ));
    text.push_str(&remarks_on_checks(contract));
    text.push_str("\nWITH ");
    for input in &feed.inputs {
        let cut = format!("    SELECT * FROM {input} WHERE {}\n", is_touched(feed));
        text.push_str(&format!("{} AS (\n{cut}),\n", name_of_cut(input)));
    }
    let sql = contract.sql.as_deref().unwrap_or_default();
    text.push_str(&format!(
        "computed AS (\n{})\n",
        indented(&over_cuts(sql, &feed.inputs), "    ")
    ));
    let columns: Vec<Item> = contract.columns.iter().map(from_column).collect();
    text.push_str(&format!("SELECT\n{}FROM computed;\n", items(&columns, "    ")));
    text
}

fn is_touched(feed: &InputFeed) -> String {
    let values = list(&feed.recompute);
    let row = if feed.recompute.len() == 1 {
        values.clone()
    } else {
        format!("({values})")
    };
    format!("{row} IN (SELECT {values} FROM touched)")
}

fn name_of_cut(input: &TableName) -> String {
    format!("{}_{}", input.source, input.table)
}

/// The SQL with the names of inputs replaced by those of their touched parts; comments and layout stay. An input
/// that has no alias keeps its own name as one.
fn over_cuts(sql: &str, inputs: &[TableName]) -> String {
    let Ok(statements) = Parser::parse_sql(&GenericDialect {}, sql) else {
        return sql.to_owned();
    };
    let mut mentions = Mentions {
        sql,
        inputs,
        edits: Vec::new(),
    };
    let _ = statements.visit(&mut mentions);
    let mut edits = mentions.edits;
    edits.sort_by_key(|edit| edit.start);
    edits.dedup_by_key(|edit| edit.start);
    let mut text = sql.to_owned();
    for edit in edits.into_iter().rev() {
        text.replace_range(edit.start..edit.end, &edit.text);
    }
    text
}

/// Bytes of a text and what is to stand there.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

struct Mentions<'a> {
    sql: &'a str,
    inputs: &'a [TableName],
    edits: Vec<Edit>,
}

impl Visitor for Mentions<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let is_input = |input: &&TableName| match parts.as_slice() {
            [source, table] => means(source, &input.source) && means(table, &input.table),
            _ => false,
        };
        if let Some(input) = self.inputs.iter().find(is_input) {
            let span = name.span();
            if let (Some(start), Some(end)) = (offset(self.sql, span.start), offset(self.sql, span.end)) {
                let alias = if alias.is_none() {
                    format!(" AS {}", input.table)
                } else {
                    String::new()
                };
                self.edits.push(Edit {
                    start,
                    end,
                    text: name_of_cut(input) + &alias,
                });
            }
        }
        ControlFlow::Continue(())
    }
}

fn means(word: &Ident, name: &str) -> bool {
    if word.quote_style.is_some() {
        word.value == name
    } else {
        word.value.to_lowercase() == name
    }
}

/// Byte offset of a line and column, both from 1.
fn offset(text: &str, place: Location) -> Option<usize> {
    let before: usize = text
        .split_inclusive('\n')
        .take(place.line.checked_sub(1)? as usize)
        .map(str::len)
        .sum();
    let line = text.get(before..)?;
    let column = place.column.checked_sub(1)? as usize;
    let within = line
        .char_indices()
        .map(|(index, _)| index)
        .chain([line.len()])
        .nth(column)?;
    Some(before + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_renamed_where_they_are_tables_and_nowhere_else() {
        let inputs = ["shop.orders".parse().unwrap(), "shop.lines".parse().unwrap()];
        let sql = "-- shop.orders é\nWITH o AS (SELECT 'shop.orders' AS t, orders.id FROM Shop.Orders)\n\
                   SELECT é.id FROM shop.lines AS é, o, (SELECT 1 FROM shop.orders) AS x, shop.other";
        let expected = "-- shop.orders é\nWITH o AS (SELECT 'shop.orders' AS t, orders.id FROM shop_orders AS orders)\n\
                        SELECT é.id FROM shop_lines AS é, o, (SELECT 1 FROM shop_orders AS orders) AS x, shop.other";
        assert_eq!(over_cuts(sql, &inputs), expected);
    }
}
