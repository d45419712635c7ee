//! Golden cases: raw objects, and the rows and rejects that a table must make of them.
//!
//! `<source>/<table>/<case>/` holds `raw/…` with keys as in the real raw zone, `case.toml` (see [`Description`]),
//! `rows.csv` and `quarantine.csv`. What is in `raw@2/…` is delivered after a run over `raw/…`: so a file can be
//! rewritten. Every [`Way`] in which the objects can arrive must give the same rows.
//!
//! The program is treated as a black box: it is started as a process, and what it says and what it leaves in the lake
//! is looked at. Only the names and types of columns come from the contracts. Whoever brings [`Lakes`] of their own runs the
//! cases on those.

mod case;
mod case_lake;
mod compare;
mod delivery;
mod difference;
mod lake;
mod rows;
mod run;
mod way;

pub use case::{Case, Description, folders};
pub use case_lake::{CaseLake, Death, Lakes};
pub use delivery::Delivery;
pub use lake::{LakeUnderTest, contracts};
pub use rows::{Rows, csv_line, select};
pub use run::{Rejected, Run};
pub use way::{Blessed, Way, bless};

use std::path::PathBuf;

/// What cases are run with.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The `marketlake` binary.
    pub program: PathBuf,
    /// A folder of contracts beside those built in, as an absolute path.
    pub contracts: Option<PathBuf>,
}
