//! SQL for people: what the program does for a table, as one statement.
use crate::contract::Contract;
/// x
pub(crate) fn generated_sql(_contract: &Contract) -> String { String::new() }
