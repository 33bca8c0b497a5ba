#!/usr/bin/env bash
# Masar as a set of processes on this machine: PostgreSQL, RabbitMQ and two replicas of each service, in a folder that can
# be thrown away. Each start begins anew.
#
#   scripts/distributed.sh start FOLDER    starts all, says a first command, and ends all at Ctrl-C
#   scripts/distributed.sh status FOLDER   says what `masar doctor` finds there
#   scripts/distributed.sh stop FOLDER     ends from elsewhere what start began, and nothing else
#
# MASAR names the binary, FIRST_PORT the first of the fourteen ports in a row.
set -euo pipefail

services=(registry intake cases routing sla escalation notify)
masar=${MASAR:-masar}
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "distributed: $*" >&2; }
fail() { say "$*"; exit 1; }

# True while the process is one that start began here: its number may have been given to another since.
is_ours() { [ -n "$1" ] && { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null | grep -qxF "DISTRIBUTED=$folder"; }

# Asks processes to end, all at once, waits, and insists.
end() {
  local name pid
  for name in "$@"; do
    pid=$(cat "$name" 2>/dev/null || true)
    if is_ours "$pid"; then kill "$pid" 2>/dev/null || true; fi
  done
  for name in "$@"; do
    pid=$(cat "$name" 2>/dev/null || true)
    for _ in $(seq 150); do is_ours "$pid" || break; sleep 0.2; done
    if is_ours "$pid"; then
      say "process $pid does not end by itself: killed"
      kill -9 "$pid" 2>/dev/null || true
    fi
    rm -f "$name"
  done
}

end_all() {
  trap '' INT TERM
  say "going down"
  end "$folder"/run/*.pid
  if [ -s "$folder/servers/env" ]; then "$here/servers.sh" stop "$folder/servers"; fi
  rm -f "$folder/start.pid"
}

# The address of a replica: both of a service stand beside each other.
address() { echo "127.0.0.1:$((${FIRST_PORT:-7430} + 2 * $1 + $2))"; }

# Writes what the processes and those who ask them share.
configure() {
  local number peers=()
  for number in "${!services[@]}"; do
    peers+=(--peer "${services[number]}=http://$(address "$number" 0),http://$(address "$number" 1)")
  done
  "$masar" config demo --data "$folder/data" --postgres "$MASAR_TEST_POSTGRES" --amqp "$MASAR_TEST_AMQP" \
    "${peers[@]}" | (umask 077; cat >"$file")
}

serve() {
  local number replica name
  for number in "${!services[@]}"; do
    for replica in 0 1; do
      name="$folder/run/${services[number]}-$replica"
      "$masar" serve "${services[number]}" --config "$file" --listen "$(address "$number" "$replica")" \
        >"$name.log" 2>&1 </dev/null &
      echo $! >"$name.pid"
      # Whoever kills one knows it.
      disown
    done
  done
}

# Waits until every replica answers; what else doctor finds is told afterwards.
ready() {
  local name
  for _ in $(seq 240); do
    if "$masar" doctor --config "$file" --as lab-admin >"$folder/doctor" 2>&1; then return; fi
    for name in "$folder"/run/*.pid; do
      is_ours "$(cat "$name")" || { tail -n 5 "${name%.pid}.log" >&2; fail "$(basename "${name%.pid}") has ended"; }
    done
    sleep 0.5
  done
  cat "$folder/doctor" >&2
  fail "not all is well after two minutes"
}

start() {
  [ ! -e "$folder/start.pid" ] || ! is_ours "$(cat "$folder/start.pid")" || fail "$folder is in use: stop it first"
  # Only what an earlier start made is removed.
  if [ -e "$file" ]; then rm -rf "$folder/servers" "$folder/data" "$folder/run" "$file"; fi
  mkdir -p "$folder/run"
  chmod 755 "$folder"
  echo $$ >"$folder/start.pid"
  trap 'exit 130' INT TERM
  trap end_all EXIT
  # Servers of its own, whatever the environment names.
  env -u MASAR_TEST_POSTGRES -u MASAR_TEST_AMQP "$here/servers.sh" start "$folder/servers" >/dev/null
  . "$folder/servers/env"
  configure
  serve
  ready
  cat "$folder/doctor"
  cat <<HELLO

Two replicas of each service are ready; their logs are in $folder/run. A first case, in another terminal:
  export MASAR_CONFIG=$file
  $masar submit --tenant DEMO-LAB --service LAB-S01 --subject "Renewal takes too long" --description "Three weeks"
  $masar case list --as lab-triage-1
Kill a replica and go on; \`$masar doctor --as lab-admin\` says which one is missing. Stop with Ctrl-C.
HELLO
  # Waits so that a signal is heard at once.
  sleep infinity &
  echo $! >"$folder/run/waiting.pid"
  wait $! || true
}

action=${1:-} folder=${2:-}
[ -n "$folder" ] || fail "use: scripts/distributed.sh start|status|stop FOLDER"
[ "$action" != start ] || mkdir -p "$folder"
folder=$(cd "$folder" && pwd) || fail "there is no folder $folder"
file="$folder/masar.toml"
# Everything that start begins can be told by this.
if [ "$action" = start ] && [ "${DISTRIBUTED:-}" != "$folder" ]; then DISTRIBUTED=$folder exec "$0" start "$folder"; fi
case $action in
  start) start ;;
  status) "$masar" doctor --config "$file" --as lab-admin ;;
  stop) end "$folder/start.pid"; end_all ;;
  *) fail "use: scripts/distributed.sh start|status|stop FOLDER" ;;
esac
