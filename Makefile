# Two commands are enough to begin: `make demo` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help demo test lint vendor manifests bench fuzz dist screenshots advice types web-test setup-tests setup-bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: vendor ## the server and a simulated tenant, on this machine, ready to click
	cargo run --locked -- demo

test: setup-tests vendor manifests types web-test ## every test; installs what they need, or says what to install
	cargo test --locked --doc
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --locked; \
	else \
		set -x; cargo test --locked --no-fail-fast --lib --bins --tests; \
	fi

lint: vendor types ## format, lints, documentation, types of the browser code, licences and crates
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	scripts/check-crates

vendor: ## the front-end code that is not ours, into static/vendor
	@scripts/vendor

bench: setup-bench vendor ## what a start, tokens, imports and proxied requests cost (see docs/performance.md)
	cargo bench --locked --bench token
	cargo bench --locked --bench import
	cargo bench --locked --bench start
	cargo bench --locked --bench sessions
	cargo bench --locked --bench proxy

manifests: ## the checker of Kubernetes manifests, into target/manifests
	@scripts/manifests

FUZZ_SECONDS ?= 60

fuzz: vendor ## FUZZ_SECONDS (60) of random input for each reader of what strangers send; takes cargo-fuzz
	@cargo fuzz --version >/dev/null 2>&1 || { echo "fuzz: run cargo install --locked cargo-fuzz first"; exit 1; }
	@for target in $$(cargo fuzz list); do \
		echo "fuzz: $$target for $(FUZZ_SECONDS) s"; \
		cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=9000 || exit 1; \
	done

dist: vendor ## the binary for production: target/dist/qlik-embed-bff
	cargo build --locked --profile dist

screenshots: ## the pictures of the README, from the last `make test`
	@scripts/screenshots

advice: ## docs/troubleshooting.md and static/js/catalogue.js, from src/advice
	cargo test --locked --lib -- --ignored what_is_made_of_the_catalogue_is_written

types: vendor
	node web/node_modules/typescript/bin/tsc --checkJs --noEmit -p static/js/jsconfig.json

web-test: vendor
	cd web && node --test

setup-tests:
	@scripts/setup-tests

setup-bench:
	@scripts/setup-bench
