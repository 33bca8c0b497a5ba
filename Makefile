# Masar: what can be made. `make` alone says so.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/masar/target

.PHONY: help run distributed build test simulate faults bench fmt

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## Build and run the whole platform with the demo set, ready for a first case
	cargo build --profile quick --locked --package masar
	@echo "the command line is $(CARGO_TARGET_DIR)/quick/masar: put that folder into your PATH"
	$(CARGO_TARGET_DIR)/quick/masar up

DISTRIBUTED_FOLDER ?= /tmp/masar-distributed

distributed: ## Build and run it as a set: PostgreSQL, RabbitMQ, two replicas of each service
	cargo build --profile quick --locked --package masar
	MASAR=$(CARGO_TARGET_DIR)/quick/masar ./scripts/distributed.sh start $(DISTRIBUTED_FOLDER)

# The cache is ours unless the caller names a folder; then the binary is also where one looks for it first.
build: ## Build the release binary and say where it is
	cargo build --release --locked --package masar
ifeq ($(origin CARGO_TARGET_DIR),file)
	install -D $(CARGO_TARGET_DIR)/release/masar target/release/masar
	@echo target/release/masar
else
	@echo $(CARGO_TARGET_DIR)/release/masar
endif

test: ## Format check, lint, documents and every test
	./scripts/test.sh

simulate: ## Explore the simulation, or one seed of it (SEED=n), or more seeds of each scenario (SEEDS=n)
	$(if $(SEED),MASAR_SEED=$(SEED)) $(if $(SEEDS),MASAR_SEEDS=$(SEEDS)) cargo test --locked --package masar --test simulation -- \
		--exact relays::relays_and_consumers batches::group_commit leases::leases timers::timers

faults: ## Let everything fail under load, for minutes each, and count what is lost ([SEED=n] [MINUTES=n] [FAULT=name])
	./scripts/faults.sh $(foreach setting,SEED MINUTES FAULT BEFORE,$(if $($(setting)),$(setting)="$($(setting))"))

bench: ## Measure the platform against the limits of this machine (QUICK=1: only see that it works)
	./scripts/bench.sh $(if $(QUICK),--quick)

fmt: ## Format the code
	cargo fmt --all
