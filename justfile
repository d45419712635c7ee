# What a person does with this repository; `just` lists it.

export CARGO_TARGET_DIR := env("CARGO_TARGET_DIR", env("HOME") / ".cache/marketlake-target")

_list:
    @just --list

# Calls the program: `just run status`
run *arguments:
    cargo run --quiet --package marketlake -- {{ arguments }}

# Everything that has to pass; the CI runs this and nothing else
check: lint docs deploy-check test

# Every test
test:
    cargo test --workspace --locked

# Formatting, lints, licences and advisories of dependencies, dependencies that nothing uses, spelling
lint: _tools
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- --deny warnings
    cargo deny --locked check
    cargo machete
    typos

# The documentation of the crates, without a link that leads nowhere: `just docs --open`
docs *arguments:
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items --locked {{ arguments }}

# Looks at deploy/ as CloudFormation, a security review and Docker would, and whether its parts agree
deploy-check:
    #!/usr/bin/env bash
    set -euo pipefail
    python={{ CARGO_TARGET_DIR }}/deploy-python
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet --disable-pip-version-check -r deploy/check/requirements.txt
    "$python/bin/cfn-lint" deploy/*.yaml
    "$python/bin/python" deploy/check/rules.py
    expanded=$(mktemp -d)
    trap 'rm -r "$expanded"' EXIT
    "$python/bin/python" deploy/check/expand.py "$expanded"
    LOG_LEVEL=CRITICAL "$python/bin/checkov" --config-file deploy/check/checkov.yaml --directory "$expanded"
    "$python/bin/hadolint" deploy/Dockerfile

# Says how to get what `lint` calls and Rust does not bring
_tools:
    #!/usr/bin/env bash
    missing=()
    for tool in cargo-deny cargo-machete typos; do
        command -v "$tool" > /dev/null || missing+=("${tool/#typos/typos-cli}")
    done
    if (( ${#missing[@]} )); then
        echo "missing: cargo install --locked ${missing[*]}" >&2
        exit 1
    fi

# Rewrites the wanted results of the golden cases and the schemas in docs, to be read before they are committed
bless:
    MARKETLAKE_BLESS=1 cargo test --workspace --test command_line the_schemas
    MARKETLAKE_BLESS=1 cargo test --workspace --test golden

# Kills runs and maintenance of one lake so many times, at random moments, and compares what is left with one run
soak kills="10000":
    MARKETLAKE_KILLS={{ kills }} cargo test --release --workspace --locked --test end_to_end kill::

# As bench, of upserts and beside all peers: Spark with Delta (needs Java 17), dlt and polars, too
bench-peers *arguments:
    python3 -m venv {{ CARGO_TARGET_DIR }}/bench-python
    {{ CARGO_TARGET_DIR }}/bench-python/bin/pip install --quiet --disable-pip-version-check -r tests/bench/requirements-peers.txt
    just bench --only upserts --peers duckdb,deltalake,polars,dlt,spark {{ arguments }}

# Compares speed and results with DuckDB and deltalake on the same files; docs/performance.md explains the figures
bench *arguments:
    cargo build --release --workspace --locked
    python3 -m venv {{ CARGO_TARGET_DIR }}/bench-python
    {{ CARGO_TARGET_DIR }}/bench-python/bin/pip install --quiet --disable-pip-version-check -r tests/bench/requirements.txt -r tests/s3/requirements.txt
    {{ CARGO_TARGET_DIR }}/bench-python/bin/python tests/bench/bench.py --marketlake {{ CARGO_TARGET_DIR }}/release/marketlake --work {{ CARGO_TARGET_DIR }}/bench {{ arguments }}
