# What CONTRIBUTING.md describes, by name: `just test`, `just ci`, …

# Everything that has to hold before a change lands.
ci:
    .ci/run

test *ARGS:
    cargo test --workspace --locked {{ARGS}}

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# A scenario alone, with the seed that a failure has printed.
seed SEED TEST:
    TALARIA_SEED={{SEED}} cargo test -p talaria-sim --locked --test sim {{TEST}}

# Test vectors anew, after a conscious change of the protocol.
vectors:
    cargo test -p talaria-tests --locked --test suite -- --ignored regenerate

bench *ARGS:
    cargo bench -p talaria-benches --locked {{ARGS}}

# Fuzzing needs a nightly toolchain and cargo-fuzz.
fuzz TARGET:
    cd tests/fuzz && cargo +nightly fuzz run {{TARGET}}

# Which changes of the code no test notices; by hand, for what decides most.
mutants FILE:
    cargo mutants --no-shuffle -f {{FILE}}
