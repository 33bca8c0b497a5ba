#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lint, documents, tests.
set -euo pipefail
cd "$(dirname "$0")/.."

# Outside the checkout, so that a fresh clone builds quickly the second time.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/masar/target}"

cargo fmt --all -- --check
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# Licences and advisories, where the tool is installed.
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --locked check
fi

# What Prometheus and Grafana are given.
./scripts/promtool.sh check

# Stores and transports are tested on real servers: those that the caller names, or ones of our own for as long as the
# tests run.
if [ -z "${MASAR_TEST_POSTGRES:-}" ] || [ -z "${MASAR_TEST_AMQP:-}" ]; then
  servers=$(mktemp -d)
  trap './scripts/servers.sh stop "$servers" || true; rm -rf "$servers"' EXIT
  ./scripts/servers.sh start "$servers" >/dev/null
  . "$servers/env"
fi

# nextest where it is installed: one process per test, and a summary at the end.
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --locked --no-fail-fast
else
  cargo test --workspace --locked --no-fail-fast
fi
