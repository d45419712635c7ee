//! The text of a contract to a draft of it.

pub(crate) mod columns;
pub(crate) mod draft;
pub(crate) mod feed;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod keep;
pub(crate) mod section;
