//! The contracts in force: those built in, extended or overridden by the user's own folder.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::Result;
use pipeline::contract::{Contracts, Diagnostic, SourceFile, builtin, load as check, load_planned, read_dir};

use crate::exit::usage;

/// Reads and checks all contracts; the inner error lists every mistake.
///
/// # Errors
///
/// A usage error when the folder cannot be read.
pub(crate) fn read(folder: Option<&Path>) -> Result<Result<Contracts, Vec<Diagnostic>>> {
    Ok(check(&builtin(), &files(folder)?))
}

fn files(folder: Option<&Path>) -> Result<Vec<SourceFile>> {
    let Some(folder) = folder else {
        return Ok(Vec::new());
    };
    read_dir(folder).map_err(|error| {
        usage(format!(
            "contracts in {} cannot be read: {error}",
            folder.display()
        ))
    })
}

/// All contracts, or a usage error with the first mistake.
pub(crate) fn load(folder: Option<&Path>) -> Result<Contracts> {
    in_order(read(folder)?)
}

/// As [`load`]; planning a user's SQL takes longer than most runs that find nothing, so a file of the lake remembers of which
/// contracts nothing was found. Without it nothing but time is lost.
pub(crate) fn load_remembering(folder: Option<&Path>, memory: &Path) -> Result<Contracts> {
    let user = files(folder)?;
    if user.is_empty() {
        return in_order(check(&builtin(), &user));
    }
    let version = version_of(&user);
    if std::fs::read_to_string(memory).is_ok_and(|known| known == version) {
        return in_order(load_planned(&builtin(), &user));
    }
    let contracts = in_order(check(&builtin(), &user))?;
    // In a lake that has none of the program's own folders yet nothing is made.
    if let Some(folder) = memory.parent()
        && folder.parent().is_some_and(Path::is_dir)
        && let Err(error) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(memory, version))
    {
        tracing::debug!(%error, "what was found of contracts is not remembered");
    }
    Ok(contracts)
}

/// Another one for each program and each text of the files.
fn version_of(user: &[SourceFile]) -> String {
    let mut hash = DefaultHasher::new();
    let program = std::env::current_exe().and_then(std::fs::metadata);
    if let Ok(program) = program {
        (program.len(), program.modified().ok()).hash(&mut hash);
    }
    for file in user {
        (&file.path, &file.text).hash(&mut hash);
    }
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), hash.finish())
}

fn in_order(read: Result<Contracts, Vec<Diagnostic>>) -> Result<Contracts> {
    read.map_err(|diagnostics| {
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
    fn contracts_are_planned_again_when_a_text_of_them_changes() {
        let lake = tempfile::tempdir().unwrap();
        let memory = lake.path().join("marketlake/remembered/contracts");
        let folder = lake.path().join("sql");
        std::fs::create_dir_all(folder.join("x")).unwrap();
        let write = |sql: &str| {
            let raw = "description = 't'\npath = 'x/{date}/{name}'\nformat = 'csv'\nkeep = 'every_row'\nkey = ['id']\n\
                       [columns]\nid = 'int'\nn = 'int'\n";
            let computed = "description = 't'\ninputs = ['x.raw']\nkey = ['id']\nrecompute = ['id']\n\
                            [columns]\nid = 'int'\nn = 'int'\n";
            for (file, text) in [("raw.toml", raw), ("sum.toml", computed), ("sum.sql", sql)] {
                std::fs::write(folder.join("x").join(file), text).unwrap();
            }
        };
        let load = || load_remembering(Some(&folder), &memory);
        write("SELECT id, sum(n) AS n FROM x.raw GROUP BY id");
        load().unwrap();
        assert!(!memory.exists(), "nothing is made in a lake that is not there");
        std::fs::create_dir_all(lake.path().join("marketlake")).unwrap();
        load().unwrap();
        assert!(memory.exists());
        load().unwrap();
        write("SELECT n AS id, sum(n) AS n FROM x.raw GROUP BY n");
        assert!(load().is_err());
    }

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
