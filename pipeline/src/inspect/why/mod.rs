//! Where an object went, and why a row is as it is.

mod documents;
mod matched;
mod names;
mod object;
mod observed;
mod order;
mod reach;
mod rows;
mod winner;
