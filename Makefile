# Masar: what can be made. `make` alone says so.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/masar/target

.PHONY: help build test fmt

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## Build the release binary and say where it is
	cargo build --release --locked --package masar
	@echo "$(CARGO_TARGET_DIR)/release/masar"

test: ## Format check, lint, documents and every test
	./scripts/test.sh

fmt: ## Format the code
	cargo fmt --all
