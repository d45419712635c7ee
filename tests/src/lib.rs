//! What the tests of the whole program share: the binary, lakes in folders of their own, and rows as text.
//!
//! Everything here treats the program as a black box: it is started as a process, and what it says and what it
//! leaves in the lake is looked at. Only the names and types of columns come from the contracts.

pub mod fuzz;
mod lake;
mod program;
mod rows;
mod run;
mod zone;

pub use lake::Lake;
pub use program::program;
pub use rows::{Rows, csv_line};
pub use run::{Rejected, Run};
pub use zone::{Delivery, gzip, instant};
