#!/usr/bin/env bash
# Measures the platform against the physical limits of this machine, embedded and on PostgreSQL and RabbitMQ, prints what
# came of it and writes it into docs/performance.md.
#
#   scripts/bench.sh           takes twenty minutes; nothing else should run
#   scripts/bench.sh --quick   takes three minutes, to see that it works: nothing is written
#
# It builds the release binary, unless MASAR names one, and starts servers of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
quick=(); [ "${1:-}" != --quick ] || quick=(--quick)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/masar/target}"
if [ -z "${MASAR:-}" ]; then
  cargo build --release --locked --package masar
  MASAR=$CARGO_TARGET_DIR/release/masar
fi

unset MASAR_TEST_POSTGRES MASAR_TEST_AMQP MASAR_TEST_RABBITMQCTL
servers=$(mktemp -d)
trap './scripts/servers.sh stop "$servers" || true; rm -rf "$servers"' EXIT
results=$servers/results.jsonl

# Runs one bench, and keeps its last line. One that fails says why, and the others go on.
failed=0
measure() {
  echo "== $*" >&2
  "$MASAR" bench "$@" ${quick[@]+"${quick[@]}"} --output json | tail -n 1 | tee -a "$results" || failed=1
}

# A database and a virtual host that a bench has to itself: nothing is left over from the one before.
number=0
measure_on_servers() {
  number=$((number + 1))
  local name=bench$number server=${MASAR_TEST_POSTGRES%/*}
  psql -q "$MASAR_TEST_POSTGRES" -c "CREATE DATABASE $name" >&2
  "$MASAR_TEST_RABBITMQCTL" -q add_vhost "$name" >&2
  "$MASAR_TEST_RABBITMQCTL" -q set_permissions -p "$name" guest '.*' '.*' '.*' >&2
  measure "$@" --postgres "$server/$name" --amqp "$MASAR_TEST_AMQP/$name"
  "$MASAR_TEST_RABBITMQCTL" -q delete_vhost "$name" >&2
  psql -q "$MASAR_TEST_POSTGRES" -c "DROP DATABASE $name WITH (FORCE)" >&2
}

benches=("intake" "import" "transitions" "pipeline" "timers" "clocks --open 10000" "queue --cases 10000")
[ ${#quick[@]} -gt 0 ] || benches+=("clocks --open 1000000" "queue --cases 1000000")
# Embedded first, before the servers take their share of the machine.
for bench in "${benches[@]}"; do measure $bench; done
# As one would size it for such a machine; durability stays as it is.
./scripts/servers.sh start "$servers" shared_buffers=2GB max_wal_size=8GB checkpoint_timeout=15min >/dev/null
. "$servers/env"
for bench in "${benches[@]}"; do measure_on_servers $bench; done

# A field of a result, or nothing.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,}\"]*\).*/\1/p" <<<"$2" | sed 's/^null$//'; }

table() {
  echo "| | on | limit/s | share of it | p50 ms | p99 ms | besides |"
  echo "|---|---|---|---|---|---|---|"
  local line besides key value
  while read -r line; do
    besides=
    for key in kept_up alone_p50_ms bulk_ratio quarter_p50_ms at_once at_once_ms few_ms steady_per_second steady_p50_ms steady_p99_ms open armed_ratio paused_ratio resumed_ratio calendar_clocks calendar_seconds idle_transactions_per_second memory_mib streams cases claim_p50_ms claim_p99_ms; do
      value=$(field "$key" "$line")
      [ -z "$value" ] || besides+="${besides:+, }${key//_/ } $value"
    done
    echo "| $(field bench "$line") | $(field mode "$line") | $(field limit_per_second "$line") | $(field ratio "$line") |" \
      "$(field p50_ms "$line") | $(field p99_ms "$line") | $besides |"
  done <"$results"
}

machine() {
  local model memory
  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  memory=$(awk '/^MemTotal/ { printf "%d GiB", $2 / 1048576 + 0.5 }' /proc/meminfo)
  echo "$(nproc) processors ($model), $memory, $(stat -f -c %T "$servers")"
}

echo
table
[ $failed = 0 ] || { echo "bench: not all could be measured, so nothing is written" >&2; exit 1; }
[ ${#quick[@]} = 0 ] || exit 0
section=$servers/section
{ echo "Machine: $(machine)."; echo; table; } >"$section"
sed -i -e "/<!-- bench:begin -->/,/<!-- bench:end -->/ { /<!-- bench:begin -->/ r $section
  /<!-- bench:\(begin\|end\) -->/ !d }" docs/performance.md
