#!/usr/bin/env bash
# Measures the embedded platform: start-up, memory at rest, and the import of a file until every service has heard of
# every case.
#
#   scripts/measure.sh MAPPING INPUT      with the binary of the profile `fast`, or that MASAR names
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,5p' "$0"; exit 2; }
cd "$(dirname "$0")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/masar/target"
masar="${MASAR:-${CARGO_TARGET_DIR:-$cache}/fast/masar}"
address=127.0.0.1:7499
data=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$data"' EXIT

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }
memory() { awk -v key="$1:" '$1 == key { printf "%d MiB", $2 / 1024 }' "/proc/$server/status"; }
# How many events were published, and the age of the oldest that waits, in seconds.
bus() {
  curl -sf "http://$address/metrics" | awk '
    /^masar_bus_events_published_total/ { published += $NF }
    /^masar_bus_outbox_age_seconds/ && $NF > oldest { oldest = $NF }
    END { print published + 0, oldest + 0 }'
}

began=$(now)
"$masar" up --no-cases --listen "$address" --data "$data" >"$data/up.log" 2>&1 &
server=$!
until curl -sf -o /dev/null "http://$address/readyz"; do sleep 0.01; done
echo "ready after $(since "$began") s"
sleep 5
echo "at rest $(memory VmRSS)"

began=$(now)
"$masar" import --server "http://$address" --data "$data" --mapping "$1" "$2" --output json
echo "submitted after $(since "$began") s"
# Settled: nothing waits, and a second later nothing new has come.
before=""
until [ "$before" = "$(bus)" ] && [ "${before#* }" = 0 ]; do before=$(bus); sleep 1; done
echo "settled after $(since "$began") s, with $(bus | cut -d' ' -f1) events"
awk -v ticks="$(getconf CLK_TCK)" '{ printf "CPU of the server %.0f s\n", ($14 + $15) / ticks }' "/proc/$server/stat"
echo "memory at most $(memory VmHWM), now $(memory VmRSS)"
kill "$server"
wait "$server"
echo "on disk $(du -sm "$data/db" | cut -f1) MiB"
for file in "$data"/db/*.db; do echo "  $(basename "$file" .db) $(($(stat -c %s "$file") >> 20)) MiB"; done
