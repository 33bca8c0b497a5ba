#!/usr/bin/env bash
# The long run of faults: a distributed set under load, on a PostgreSQL and a RabbitMQ of its own, and every fault for
# minutes. Prints a table of faults and one of findings, and fails on any finding.
#
#   scripts/faults.sh [SEED=N] [MINUTES=N] [FAULT="NAME ..."] [BEFORE=COMMIT|BINARY]
#
# SEED repeats a run; MINUTES is how long each fault strikes (3); FAULT names some of roll, kill, stop, cut, freeze, slow,
# clock, poison, repeat, broker, full and database; BEFORE is the binary from which the set goes over to this one,
# or the commit that it is built from: unless said otherwise the last one before the newest change of code.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "faults: $*" >&2; }

for setting in "$@"; do
  case $setting in
    SEED=*|MINUTES=*|FAULT=*|BEFORE=*) declare "$setting" ;;
    *) say "\`$setting\` is not known: use SEED=N, MINUTES=N, FAULT=\"NAME ...\", BEFORE=COMMIT"; exit 2 ;;
  esac
done

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/masar/target}"
export MASAR_TEST_SEED=${SEED:-$(date +%s)} MASAR_TEST_MINUTES=${MINUTES:-3} MASAR_TEST_FAULT=${FAULT:-}

folder=$(mktemp -d)
chmod 755 "$folder"
end_all() {
  trap '' INT TERM
  if [ -s "$folder/servers/env" ]; then ./scripts/servers.sh stop "$folder/servers" || true; fi
  git worktree remove --force "$folder/before" 2>/dev/null || true
  rm -rf "$folder"
}
trap end_all EXIT
trap 'exit 130' INT TERM

# The binary that was in use before. Built in a folder of its own: cargo would take one checkout's work for the other's.
if [[ " ${MASAR_TEST_FAULT:-roll} " == *" roll "* ]]; then
  if [ -f "${BEFORE:-}" ] && [ -x "$BEFORE" ]; then
    MASAR_TEST_BEFORE=$(realpath "$BEFORE")
  else
    changed=$(git log -1 --format=%H -- '*.rs' '*.toml' Cargo.lock '*.proto')
    before=$(git rev-parse --verify "${BEFORE:-$changed~1}^{commit}")
    say "the set goes over from $(git log -1 --format='%h %s' "$before")"
    git worktree add --quiet --detach "$folder/before" "$before"
    (cd "$folder/before" && CARGO_TARGET_DIR="$CARGO_TARGET_DIR/before" cargo build --locked --package masar)
    MASAR_TEST_BEFORE="$CARGO_TARGET_DIR/before/debug/masar"
  fi
  export MASAR_TEST_BEFORE
fi
cargo test --locked --package masar --test faults --no-run

env -u MASAR_TEST_POSTGRES -u MASAR_TEST_AMQP ./scripts/servers.sh start "$folder/servers" >/dev/null
. "$folder/servers/env"
export MASAR_TEST_SERVERS="$folder/servers"
say "seed $MASAR_TEST_SEED; the same again: make faults SEED=$MASAR_TEST_SEED MINUTES=$MASAR_TEST_MINUTES${FAULT:+ FAULT=\"$FAULT\"}"
cargo test --locked --package masar --test faults -- --exact nothing_is_lost_whatever_goes_wrong --nocapture
