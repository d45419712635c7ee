//! Truth values.

use super::Fault;

/// `true`, `t`, `1`, `yes` and `false`, `f`, `0`, `no`, in any letter case.
pub(super) fn parse(text: &str) -> Result<bool, Fault> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "1", "yes"]) {
        Ok(true)
    } else if is(["false", "f", "0", "no"]) {
        Ok(false)
    } else {
        Err(Fault::IsNot)
    }
}
