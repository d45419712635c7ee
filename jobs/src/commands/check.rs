//! `check`: are the contracts and the configuration right, without reading any data.

use anyhow::Result;
use pipeline::contract::{Code, Diagnostic};
use pipeline::lake::Lake;
use pipeline::report::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

use crate::contracts;
use crate::exit::{DONE, USAGE};
use crate::session::Session;

/// Whether contracts and configuration are right.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document {
    /// Version of this document's shape.
    schema: u32,
    /// Contracts in force; 0 where one has a mistake.
    tables: usize,
    /// Accounts of the configuration.
    accounts: usize,
    /// By file and line; empty where all is in order.
    mistakes: Vec<Mistake>,
    /// Tables of the lake that a run will hold, because rules that decide about their rows changed since they were made.
    held: Vec<Held>,
}

/// A table that waits for a person.
#[derive(Serialize, JsonSchema)]
struct Held {
    /// `source.table`.
    table: String,
    /// What changed, one sentence each, and the way out.
    reasons: Vec<String>,
}

/// One mistake in a contract.
#[derive(Serialize, JsonSchema)]
struct Mistake {
    /// Path of the file below the folder of contracts.
    file: String,
    /// Line in that file, from 1.
    line: usize,
    /// Stable code of the kind of mistake, such as `C001`.
    code: String,
    /// What is wrong.
    message: String,
    /// What to do.
    help: Option<String>,
}

/// Reports every mistake; [`USAGE`] where there is one. The configuration itself was read before. A change that holds
/// tables of the lake is no mistake: it is told.
pub(super) async fn check(session: &Session) -> Result<u8> {
    let mut held = Vec::new();
    let (tables, diagnostics) = match contracts::read(session.config.contracts.as_deref())? {
        Ok(contracts) => {
            let tables = contracts.len();
            let lake = session.lake_with(contracts).await?;
            session.warn_of_lost_accounts(&lake);
            let diagnostics = unplanned(&lake).await;
            if diagnostics.is_empty() {
                held = will_be_held(session, &lake).await;
            }
            (tables, diagnostics)
        }
        Err(diagnostics) => (0, diagnostics),
    };
    let code = if diagnostics.is_empty() { DONE } else { USAGE };
    let accounts = session.config.accounts.len();
    let text: String = diagnostics
        .iter()
        .map(|diagnostic| format!("{diagnostic}\n"))
        .collect();
    let mistakes = diagnostics.into_iter().map(|diagnostic| Mistake {
        file: diagnostic.file,
        line: diagnostic.line,
        code: diagnostic.code.to_string(),
        message: diagnostic.message,
        help: diagnostic.help,
    });
    let document = Document {
        schema: SCHEMA,
        tables,
        accounts,
        mistakes: mistakes.collect(),
        held,
    };
    let waits = |held: &Held| format!("{} will be held: {}\n", held.table, held.reasons.join("; "));
    session.output.show(&document, || match document.mistakes.len() {
        0 => format!(
            "{tables} tables and {accounts} accounts are in order\n{}",
            document.held.iter().map(waits).collect::<String>()
        ),
        1 => format!("{text}1 mistake\n"),
        several => format!("{text}{several} mistakes\n"),
    })?;
    Ok(code)
}

/// Tables that the rules in force would hold. A lake that cannot be read is no mistake of contracts: a run says more.
async fn will_be_held(session: &Session, lake: &Lake) -> Vec<Held> {
    match lake.held().await {
        Ok(held) => held
            .into_iter()
            .map(|(table, reasons)| Held {
                table: table.to_string(),
                reasons,
            })
            .collect(),
        Err(error) => {
            session.output.warning(&format!(
                "whether a change holds tables is not known: {}",
                error.chain()
            ));
            Vec::new()
        }
    }
}

/// Contracts whose SQL or checks cannot be planned.
async fn unplanned(lake: &Lake) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, contract) in lake.contracts() {
        if let Err(error) = lake.verify(name).await {
            found.push(Diagnostic {
                code: Code::SqlPlan,
                file: format!(
                    "{}/{}.{}",
                    name.source,
                    name.table,
                    contract.sql.as_ref().map_or("toml", |_| "sql")
                ),
                line: 1,
                message: error.reason(),
                help: None,
            });
        }
    }
    for name in lake.contracts().views().keys() {
        if let Err(error) = lake.verify_view(name).await {
            found.push(Diagnostic {
                code: Code::SqlPlan,
                file: format!("{}/{}.sql", name.source, name.table),
                line: 1,
                message: error.reason(),
                help: None,
            });
        }
    }
    found
}
