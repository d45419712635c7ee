//! The rules by which tables, ledger and objects are guarded, as far as they show from outside.

mod foreign;
mod objects;
mod quiet;
