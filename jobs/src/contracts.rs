//! The contracts in force: those built in, extended or overridden by the user's own folder.

use std::path::Path;

use anyhow::Result;
use pipeline::contract::{Contracts, Diagnostic, builtin, load as check, read_dir};

use crate::exit::usage;

/// Reads and checks all contracts; the inner error lists every mistake.
///
/// # Errors
///
/// A usage error when the folder cannot be read.
pub(crate) fn read(folder: Option<&Path>) -> Result<Result<Contracts, Vec<Diagnostic>>> {
    let user = match folder {
        Some(folder) => read_dir(folder).map_err(|error| {
            usage(format!(
                "contracts in {} cannot be read: {error}",
                folder.display()
            ))
        })?,
        None => Vec::new(),
    };
    Ok(check(&builtin(), &user))
}

/// All contracts, or a usage error with the first mistake.
pub(crate) fn load(folder: Option<&Path>) -> Result<Contracts> {
    read(folder)?.map_err(|diagnostics| {
        let first = diagnostics.first().map(ToString::to_string).unwrap_or_default();
        match diagnostics.len() {
            0 | 1 => usage(first),
            several => usage(format!(
                "{first} (and {} more: `marketlake check` lists them)",
                several - 1
            )),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::{USAGE, code_of};

    #[test]
    fn the_contracts_built_in_are_in_order() {
        assert!(!load(None).unwrap().is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let refused = load(Some(Path::new("/no/such/folder"))).unwrap_err();
        assert!(refused.to_string().contains("/no/such/folder"), "{refused}");
        assert_eq!(code_of(&refused), Some(USAGE));
    }

    #[test]
    fn a_mistake_in_a_contract_is_a_usage_error_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("shop")).unwrap();
        std::fs::write(
            folder.path().join("shop/till.toml"),
            "description = \"x\"\nnonsense = 1\n",
        )
        .unwrap();
        let refused = load(Some(folder.path())).unwrap_err();
        assert!(refused.to_string().contains("shop/till.toml:"), "{refused}");
        assert_eq!(code_of(&refused), Some(USAGE));
    }
}
