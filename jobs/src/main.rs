//! marketlake
fn main() {}
