//! Reads the contracts of a user's own folder.

use std::io;
use std::path::Path;

use crate::contract::SourceFile;

/// Every `<source>/<file>.toml` and `.sql` below a folder, in the order of their paths; other files are left out.
pub fn read_dir(folder: &Path) -> io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for source in std::fs::read_dir(folder)? {
        let source = source?;
        if !source.file_type()?.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(source.path())? {
            let path = file?.path();
            let wanted = path
                .extension()
                .is_some_and(|extension| extension == "toml" || extension == "sql");
            if wanted && path.is_file() {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                files.push(SourceFile {
                    path: format!("{}/{name}", source.file_name().to_string_lossy()),
                    text: std::fs::read_to_string(&path)?,
                });
            }
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_and_sql_one_level_down_are_read_and_the_rest_is_not() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("shop"))?;
        for (path, text) in [
            ("shop/b.toml", "b"),
            ("shop/b.sql", "s"),
            ("shop/notes.md", "n"),
            ("top.toml", "t"),
        ] {
            std::fs::write(folder.path().join(path), text)?;
        }
        let files = read_dir(folder.path())?;
        let read: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.text.as_str()))
            .collect();
        assert_eq!(read, [("shop/b.sql", "s"), ("shop/b.toml", "b")]);
        assert!(read_dir(&folder.path().join("none")).is_err());
        Ok(())
    }
}
