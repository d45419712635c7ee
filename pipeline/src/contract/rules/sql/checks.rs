//! Checks: boolean expressions over the columns of one row.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, visit_expressions};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::functions;
use super::names::{column_of, is_subquery};
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::read::draft::Draft;
use crate::contract::{Feed, Otherwise};

/// Reports checks that do not parse, name unknown columns, or look at more than one row.
pub(super) fn check(draft: &Draft, found: &mut Findings) {
    for check in draft.contract.checks.iter().filter(|check| !check.sql.is_empty()) {
        let place = draft.at(&format!("checks.{}", check.name));
        let mut say =
            |code, message: String| found.add(code, &place, format!("check {:?}: {message}", check.name));
        if matches!(draft.contract.feed, Feed::Inputs(_)) && check.otherwise == Otherwise::Quarantine {
            let message =
                "a computed row cannot be quarantined; say \"warn\" or \"hold\", or check the input";
            say(Code::BadCheck, message.to_owned());
        }
        let expression = match parse(&check.sql) {
            Ok(expression) => expression,
            Err(error) => {
                say(Code::BadCheck, format!("not a SQL expression: {error}"));
                continue;
            }
        };
        let _ = visit_expressions(&expression, |expr| {
            if let Some(name) = column_of(expr).filter(|name| draft.contract.column(name).is_none()) {
                say(Code::BadCheck, format!("{name:?} is not a column"));
            }
            if is_subquery(expr) {
                say(
                    Code::BadCheck,
                    "a check looks at one row, so it has no subquery".to_owned(),
                );
            }
            match functions::called(expr) {
                Some((_, name)) if functions::is_volatile(&name) => {
                    say(Code::SqlVolatile, format!("{name} gives another value each time"));
                }
                Some((function, name)) if functions::is_aggregate(&name) || function.over.is_some() => {
                    say(
                        Code::BadCheck,
                        format!("a check looks at one row, so it cannot use {name}"),
                    );
                }
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }
}

fn parse(sql: &str) -> Result<Expr, ParserError> {
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(sql)?;
    let expression = parser.parse_expr()?;
    parser.expect_token(&Token::EOF)?;
    Ok(expression)
}
