//! What the tests of the whole program share: the binary under test, and lakes that are worked on by it.
//!
//! How a lake is looked at, and what a golden case is, is in the crate `cases`.

pub mod fuzz;
mod lake;
mod program;
mod zone;

pub use cases::{Delivery, Rejected, Rows, Run, csv_line};
pub use lake::{Lake, bench};
pub use program::program;
pub use zone::{gzip, instant};
