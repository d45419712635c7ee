//! The contracts that come with the program: the folder `sql`, compiled in.

use crate::contract::SourceFile;

include!(concat!(env!("OUT_DIR"), "/builtin_sql.rs"));

/// Every file of the folder `sql` as it was at build time.
pub fn builtin() -> Vec<SourceFile> {
    FILES
        .iter()
        .map(|(path, text)| SourceFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        })
        .collect()
}
