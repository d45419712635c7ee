//! One column chunk of the file that comes out: copied, edited by its dictionary, or encoded anew.

pub(crate) mod dictionary;
pub(crate) mod dictionary_chunk;
pub(crate) mod encode;
pub(crate) mod patch;
pub(crate) mod plain;
pub(crate) mod ready;
pub(crate) mod rle;
pub(crate) mod source;
pub(crate) mod stored;
