# Every target first installs what is missing (.ci/setup). Everything is built with the one
# release profile: RocksDB takes minutes to compile, and so it is compiled once.

SHELL := /bin/bash
export PATH := $(HOME)/.cargo/bin:$(PATH)
CARGO := cargo
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo run test fuzz loom contract bench micro lint

help: ## Show the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ## Install what is missing: compiler, libclang, Rust
	@./.ci/setup

build: setup ## Build the relay and its command line: target/release/axon
	$(CARGO) build --release --locked

demo: setup ## See it work: a relay, two agents and their first events
	$(CARGO) run --release --locked --bin axon -- demo $(ARGS)

run: setup ## Run a relay on 127.0.0.1:7447 (ARGS="--config axon.toml")
	$(CARGO) run --release --locked --bin axon -- serve $(ARGS)

test: setup ## Run all tests, the doc examples and the loom model (installs Chromium if it is missing)
	@./.ci/setup test
	$(CARGO) test --release --locked --all-targets
	$(CARGO) test --release --locked --doc
	$(MAKE) loom

loom: setup ## Check the interest table's memory order in every interleaving
	$(CARGO) test --release --locked --manifest-path tests/loom/Cargo.toml

fuzz: setup ## Run the fuzz targets, SECONDS_EACH=60 (ARGS=session: only that one)
	CARGO=$(CARGO) ./tests/fuzz/run $(ARGS)

contract: setup ## Send what the OpenAPI document allows and forbids to a running relay
	./.ci/setup contract
	$(CARGO) build --release --locked --bin axon
	./tests/contract/run $(ARGS)

bench: setup ## Measure the canonical set over real sockets; compares with and adds to perf/results
	$(CARGO) build --release --locked --bins
	$(CARGO) run --release --locked --bin axon-perf -- all $(ARGS)

micro: setup ## Measure single rooms (ARGS=verify: only benches/verify.rs), keep perf/results/micro.json
	$(CARGO) bench --locked $(if $(ARGS),--bench $(ARGS),--benches)
	$(CARGO) run --release --locked --bin axon-perf -- micro

lint: setup ## Check formatting, lints, the systemd unit and the documentation's links
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	./.ci/lint-unit
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps --lib
