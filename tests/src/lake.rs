//! Lakes whose program is the binary under test.

use std::path::PathBuf;

use anyhow::Result;
use cases::{Bench, LakeUnderTest};

use crate::program;

/// An empty lake; `configuration` is the text of its `marketlake.toml`.
///
/// # Errors
///
/// When the program cannot be built, or what the file system refuses.
pub fn new_lake(configuration: &str) -> Result<LakeUnderTest> {
    LakeUnderTest::new(bench(None)?, configuration)
}

/// A folder for a lake with nothing in it.
///
/// # Errors
///
/// When the program cannot be built, or what the file system refuses.
pub fn empty_lake() -> Result<LakeUnderTest> {
    LakeUnderTest::empty(bench(None)?)
}

/// The binary under test, with a folder of contracts beside those built in.
///
/// # Errors
///
/// When the program cannot be built.
pub fn bench(contracts: Option<PathBuf>) -> Result<Bench> {
    Ok(Bench {
        program: program()?,
        contracts,
    })
}
