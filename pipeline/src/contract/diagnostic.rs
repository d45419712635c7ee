//! Mistakes in contracts: each with a stable code, a file and a line.

use std::fmt;
use std::sync::Arc;

/// One mistake, where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Path of the file relative to its `sql` folder, such as `jwo/orders.toml`.
    pub file: String,
    /// Line in that file, from 1.
    pub line: usize,
    /// What kind of mistake.
    pub code: Code,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} {}", self.file, self.line, self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Declares the codes, so that each number and meaning is written once.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $number:literal $name:ident,)+) => {
        /// Kind of a mistake. Numbers keep their meaning for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The stable text, such as `C001`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $number,)+ }
            }

            /// What the code means, one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_start(),)+ }
            }
        }
    };
}

codes! {
    /// A key that no contract has.
    "C001" UnknownKey,
    /// A value of another TOML type than the key takes.
    "C002" WrongType,
    /// Text that is not TOML.
    "C003" Syntax,
    /// A key that every such table needs is missing.
    "C004" MissingKey,
    /// A word, number or duration that the key does not take.
    "C005" BadValue,
    /// A name that is not `[a-z][a-z0-9_]*`.
    "C006" BadName,
    /// A column name that the program keeps for itself.
    "C007" ReservedName,
    /// A key or column that is written twice.
    "C008" Duplicate,
    /// A column type that not every reader of the tables understands.
    "C009" UnknownType,
    /// A `from` that names no field, or one that cannot be.
    "C010" BadFrom,
    /// A path pattern that says too little or is malformed.
    "C011" BadPath,
    /// A CSV dialect that cannot be.
    "C012" BadCsv,
    /// A table without a key.
    "C013" NoKey,
    /// A key column that is missing, or can be null, or has no exact equality.
    "C014" KeyColumn,
    /// A `newest_by` that names no column or lineage field that orders rows.
    "C015" NewestByColumn,
    /// A `newest_by` that is missing, or stands where nothing supersedes anything.
    "C016" NewestBy,
    /// A partition column that is missing or has an unfit type.
    "C017" PartitionColumn,
    /// A partition that can move for a key, without `key_window`.
    "C018" KeyWindowNeeded,
    /// A `key_window` that bounds nothing.
    "C019" KeyWindowUseless,
    /// A `pick` where no column keeps a value of its own.
    "C020" PickNotHere,
    /// A key for raw objects in a table with inputs, or the other way round.
    "C022" WrongFeed,
    /// A table that does not exist.
    "C023" UnknownTable,
    /// Tables that feed or extend each other in a circle.
    "C024" Cycle,
    /// A `recompute` column that is not in the key or in an input.
    "C025" RecomputeColumn,
    /// A table with inputs but without SQL.
    "C026" SqlMissing,
    /// SQL that does not parse, or is not one SELECT.
    "C027" SqlSyntax,
    /// SQL that reads other tables than the contract says.
    "C028" SqlTables,
    /// SQL over `raw` that does not work row by row.
    "C029" SqlNotRowwise,
    /// SQL whose result depends on the clock or on chance.
    "C030" SqlVolatile,
    /// SQL over inputs that mixes rows of different `recompute` values.
    "C031" SqlNotLocal,
    /// A SELECT list that is not what the columns say.
    "C032" SqlColumns,
    /// SQL whose result depends on the order of rows.
    "C033" SqlUnordered,
    /// A check that is not a boolean expression over the columns.
    "C034" BadCheck,
    /// A file that belongs to no table.
    "C035" StrayFile,
    /// Personal data where it would be written or compared as it is.
    "C036" PersonalColumn,
    /// A `sort` column that is missing or has no order.
    "C037" SortColumn,
    /// What is said of documents where rows are kept, or what cannot be covered.
    "C038" Documents,
    /// A layout of JSON documents that cannot be.
    "C039" BadJson,
    /// SQL or a check that cannot be planned.
    "C040" SqlPlan,
    /// A view that not every engine computes alike.
    "C041" ViewSql,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) file: Arc<str>,
    pub(super) line: usize,
}

impl Position {
    /// Whether it is among what all tables of a folder share: what fits only some of them is no mistake there.
    pub(super) fn is_shared(&self) -> bool {
        self.file.ends_with("/_defaults.toml")
    }
}

/// Collects mistakes, so that all are reported and not the first alone.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Diagnostic>,
}

impl Findings {
    /// Adds a mistake that needs no advice.
    pub(super) fn add(&mut self, code: Code, position: &Position, message: impl Into<String>) {
        self.push(code, position, message.into(), None);
    }

    /// Adds a mistake and what to do about it.
    pub(super) fn add_with_help(
        &mut self,
        code: Code,
        position: &Position,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, position, message.into(), Some(help.into()));
    }

    fn push(&mut self, code: Code, position: &Position, message: String, help: Option<String>) {
        self.list.push(Diagnostic {
            file: position.file.to_string(),
            line: position.line,
            code,
            message,
            help,
        });
    }

    /// All mistakes by file and line, each once.
    pub(super) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort();
        self.list.dedup();
        self.list
    }
}
