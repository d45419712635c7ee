# What a person does with this repository; `just` lists it.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", env("HOME") / ".cache/marketlake-target")

_list:
    @just --list

# Calls the program: `just run status`
run *arguments:
    cargo run --quiet --package marketlake -- {{ arguments }}

# Everything that has to pass
test:
    ./.ci/run

# Rewrites the wanted results of the golden cases, to be read before they are committed
bless:
    MARKETLAKE_BLESS=1 cargo test --workspace --test golden

# Formatting, lints, licences and advisories of dependencies
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    cargo deny --locked check

# The documentation of the crates
docs:
    cargo doc --workspace --no-deps --document-private-items --open
