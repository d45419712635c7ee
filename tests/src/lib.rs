//! What the tests of the whole program share: the binary under test, and lakes that are worked on by it.
//!
//! How a lake is looked at, and what a golden case is, is in the crate `cases`.

pub mod bucket;
pub mod demo;
pub mod fuzz;
pub mod jwo;
mod lake;
mod program;
pub mod reports;
pub mod s3;
pub mod shop;
pub mod tree;
mod zone;

pub use cases::{Delivery, LakeUnderTest, Rejected, Rows, Run, csv_line};
pub use lake::{bench, empty_lake, new_lake};
pub use program::program;
pub use zone::{gzip, instant};
