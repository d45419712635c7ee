//! Where a value comes from.

use std::fmt;
use std::path::PathBuf;

use crate::units::Size;

/// Where the value of a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said anything.
    Default,
    /// Nobody said anything, and it follows from another key.
    Below(&'static str),
    /// Nobody said anything, and it follows from what the container may take.
    Container(Size),
    /// A line of the file.
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Below(key) => write!(f, "default, below {key}"),
            Self::Container(limit) => write!(f, "default, half of the container's {limit}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}
