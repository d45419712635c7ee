//! What the SQL of a contract may say, as far as its text and its plan tell.

mod checks;
mod functions;
mod inputs;
pub(crate) mod names;
mod planned;
mod raw;
mod select_list;
mod view;

use datafusion::sql::sqlparser::ast::Spanned;

use names::{Unparsed, parse};

use crate::contract::Feed;
use crate::contract::diagnostic::{Code, Findings};
use crate::contract::read::draft::Draft;
use crate::contract::read::draft::Drafts;

pub(crate) use planned::Planner;

/// Reports what is wrong with the SQL and the checks of a table. Without a planner SQL over inputs is not planned.
pub(crate) fn check(draft: &Draft, drafts: &Drafts, planner: Option<&Planner>, found: &mut Findings) {
    if let (true, Feed::Inputs(feed)) = (draft.is_view, &draft.contract.feed) {
        return view::check(draft, feed, drafts, planner, found);
    }
    checks::check(draft, found);
    let Some(sql) = &draft.sql else {
        if let Feed::Inputs(_) = draft.contract.feed {
            let name = &draft.contract.name;
            let message = format!(
                "the table has inputs, but there is no {}/{}.sql",
                name.source, name.table
            );
            found.add(Code::SqlMissing, &draft.at("inputs"), message);
        }
        return;
    };
    let query = match parse(&sql.text) {
        Ok(query) => query,
        Err(Unparsed { line, message }) => return found.add(Code::SqlSyntax, &draft.at_sql(line), message),
    };
    let mut problems = Problems { draft, found };
    match &draft.contract.feed {
        Feed::Raw(_) => raw::check(&query, &mut problems),
        Feed::Inputs(feed) => inputs::check(&query, &sql.text, feed, drafts, planner, &mut problems),
    }
}

/// Findings in one SQL file.
struct Problems<'a> {
    draft: &'a Draft,
    found: &'a mut Findings,
}

impl Problems<'_> {
    fn add(&mut self, code: Code, part: &impl Spanned, message: impl Into<String>, help: &str) {
        self.add_at(code, part.span().start.line as usize, message, help);
    }

    fn add_at(&mut self, code: Code, line: usize, message: impl Into<String>, help: &str) {
        let place = self.draft.at_sql(line);
        if help.is_empty() {
            self.found.add(code, &place, message);
        } else {
            self.found.add_with_help(code, &place, message, help);
        }
    }
}
