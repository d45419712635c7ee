//! Names in SQL text.

use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// The name as SQL has to have it: in quotes where it would otherwise mean something else.
pub(super) fn name(name: &str) -> String {
    if is_plain(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Names with commas between them.
pub(super) fn list(names: &[String]) -> String {
    names.iter().map(|each| name(each)).collect::<Vec<_>>().join(", ")
}

/// Whether the parser takes the bare word for a column, in every place where one can stand.
fn is_plain(name: &str) -> bool {
    let is_word = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_word || name.is_empty() {
        return false;
    }
    let text = format!(
        "SELECT {name} AS {name}, CAST(coalesce({name}, {name}) AS INT) AS {name}, {name} FROM raw \
         WHERE {name} IS NOT NULL AND ({name} IS NULL OR {name} = 1) GROUP BY {name}, {name}"
    );
    let Ok(statements) = Parser::parse_sql(&GenericDialect {}, &text) else {
        return false;
    };
    let [Statement::Query(query)] = statements.as_slice() else {
        return false;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    matches!(
        select.projection.as_slice(),
        [_, _, SelectItem::UnnamedExpr(Expr::Identifier(word))] if word.value == name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        for plain in ["order_id", "_row", "name", "version", "a1"] {
            assert_eq!(name(plain), plain);
        }
        for (given, expected) in [
            ("orderId", "\"orderId\""),
            ("budget.amount", "\"budget.amount\""),
            ("order", "\"order\""),
            ("from", "\"from\""),
            ("null", "\"null\""),
            ("current_date", "\"current_date\""),
            ("1st", "\"1st\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(name(given), expected);
        }
    }
}
