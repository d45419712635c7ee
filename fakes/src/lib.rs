//! Servers for tests: they behave as Amazon documents its own, and are strict.

pub mod ads;
pub mod http;
pub mod lwa;
pub mod partner;
pub mod sp_api;
pub mod stream;
pub mod yojaka;
