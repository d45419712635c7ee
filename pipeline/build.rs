//! Lists the folder `sql` for the program to compile it in, so that a new table is a file and nothing else.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default())
        .join("../sql")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut entries = String::new();
    for source in sorted(&folder)?.iter().filter(|path| path.is_dir()) {
        for file in sorted(source)? {
            if file
                .extension()
                .is_some_and(|extension| extension == "toml" || extension == "sql")
            {
                let name = file
                    .strip_prefix(&folder)
                    .map_err(io::Error::other)?
                    .to_string_lossy()
                    .replace('\\', "/");
                entries.push_str(&format!(
                    "    ({name:?}, include_str!({:?})),\n",
                    file.display().to_string()
                ));
            }
        }
    }
    let text = format!("static FILES: &[(&str, &str)] = &[\n{entries}];\n");
    fs::write(
        Path::new(&env::var("OUT_DIR").unwrap_or_default()).join("builtin_sql.rs"),
        text,
    )
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
