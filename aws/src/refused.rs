//! Variables that other writers of Delta tables obey, and that would cost commits here.

use crate::error::{Error, Result};

/// A variable, what it would do, and whether a value asks for that.
type Rule = (&'static str, &'static str, fn(&str) -> bool);

const RULES: [Rule; 3] = [
    (
        "AWS_S3_ALLOW_UNSAFE_RENAME",
        "it has commits written without looking whether there is one already",
        |value| !matches!(value, "" | "0" | "false" | "no" | "off" | "n" | "f"),
    ),
    (
        "AWS_CONDITIONAL_PUT",
        "it switches off that an object is only made where there is none",
        |value| matches!(value, "disabled" | "dynamo") || value.starts_with("dynamo:"),
    ),
    (
        "AWS_S3_LOCKING_PROVIDER",
        "writers that lock by a table of DynamoDB do not see those that put objects on condition",
        |value| !matches!(value, "" | "none"),
    ),
];

/// Refuses an environment that asks for unsafe commits, by name.
pub(crate) fn check(variables: impl Iterator<Item = (String, String)>) -> Result<()> {
    for (name, value) in variables {
        // Other programs read them in any case.
        let (name, value) = (name.to_uppercase(), value.to_lowercase());
        let broken = RULES
            .iter()
            .find(|(variable, _, asks)| *variable == name && asks(value.trim()));
        if let Some(&(variable, why, _)) = broken {
            return Err(Error::Refused { variable, why });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: &str) -> Result<()> {
        check([(name.to_owned(), value.to_owned())].into_iter())
    }

    #[test]
    fn what_would_cost_commits_is_refused_by_name() {
        for (name, value) in [
            ("AWS_S3_ALLOW_UNSAFE_RENAME", "true"),
            ("aws_s3_allow_unsafe_rename", "1"),
            ("AWS_CONDITIONAL_PUT", "Disabled"),
            ("AWS_CONDITIONAL_PUT", "dynamo:locks"),
            ("AWS_S3_LOCKING_PROVIDER", "dynamodb"),
        ] {
            let said = checked(name, value).unwrap_err().to_string();
            assert!(said.starts_with(&name.to_uppercase()), "{said}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_let_be() {
        for (name, value) in [
            ("AWS_S3_ALLOW_UNSAFE_RENAME", "false"),
            ("AWS_CONDITIONAL_PUT", "etag"),
            ("CONDITIONAL_PUT", "disabled"),
            ("TOKEN", "x"),
            ("AWS_S3_LOCKING_PROVIDER", "none"),
        ] {
            assert!(checked(name, value).is_ok(), "{name}={value}");
        }
    }
}
