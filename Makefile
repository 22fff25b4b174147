# What people run. Each target says what it needs when that is missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Progress bars are for one program at a time; plain lines suit both people and logs.
export CARGO_TERM_PROGRESS_WHEN ?= never

.PHONY: help
help: ## Show this list
	@printf 'make <target>\n\n'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

.PHONY: build
build: ## Build the optimised binary, target/release/latchkey
	cargo build --release --locked --bin latchkey

.PHONY: fmt
fmt: ## Format the code
	cargo fmt

.PHONY: test
test: ## Check and test everything, a real control plane included
	@tests/run.sh

.PHONY: demo
demo: ## Show the article's scenario; NODE=1 (root) runs the pod too; DEMO_KUBECONFIG=file uses that cluster
	@echo "== Building latchkey"
	@cargo build --locked --bin latchkey --example demo
	@if [[ -z "$${DEMO_KUBECONFIG:-}" ]]; then tests/controlplane/build.sh >/dev/null; fi
	@cargo run --quiet --locked --example demo -- $(if $(filter-out 0,$(NODE)),--node)

.PHONY: clean
clean: ## Remove what was built; the control plane stays in ~/.cache/latchkey
	cargo clean
