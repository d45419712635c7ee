//! Whatever lies in the raw zone, and whatever the machine refuses: what is wrong is told, and all else goes in.

mod machine;
mod objects;
mod places;
mod refused;
