//! Fills the raw zone: asks Amazon for what it keeps, and lays it down as it was delivered.
