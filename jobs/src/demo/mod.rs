//! The demo: a raw zone of our own making.

pub(crate) mod generate;
