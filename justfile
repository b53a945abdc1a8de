# Short names for the commands of the project; each is one line, and works without just.

# everything that must hold before a change is accepted
ci:
    .ci/run

# all tests on every server
test *ARGS:
    cargo xtask test {{ARGS}}

# what must survive, in its long form
soak *ARGS:
    cargo xtask soak {{ARGS}}

# the main job, shown on an example
demo *ARGS:
    cargo run --release -- demo --once {{ARGS}}

# the private test servers: start, stop or status
servers WHAT="start":
    cargo xtask servers {{WHAT}}

# format everything
fmt:
    cargo fmt --all

# lints, as errors
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# the house rules that a program can check
tidy:
    cargo xtask tidy

# what the dependencies may be
deny:
    cargo deny check

# the documentation of the crates
doc:
    cargo doc --no-deps --workspace
