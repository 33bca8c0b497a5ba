#!/usr/bin/env bash
# A PostgreSQL and a RabbitMQ for the tests, on ports of their own, in a folder that can be thrown away.
#
#   scripts/servers.sh start FOLDER   installs what is missing, starts both, writes FOLDER/env
#   scripts/servers.sh stop FOLDER    stops only what start began there
#
# Durability stays at its defaults: a test of what survives would prove nothing without it.
set -euo pipefail

say() { echo "servers: $*" >&2; }
fail() { say "$*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else
    command -v sudo >/dev/null || fail "'$*' needs root: run it once by hand, then start again"
    sudo "$@"
  fi
}

# The servers refuse to run as root, or should: step down to their own users.
as_user() {
  local user=$1; shift
  if [ "$(id -u)" = 0 ]; then setpriv --reuid "$user" --regid "$user" --init-groups "$@"; else "$@"; fi
}

owned() { if [ "$(id -u)" = 0 ]; then chown -R "$1:" "$2"; fi; }

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }
rabbit_sbin() { ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin 2>/dev/null | sort -V | tail -n 1; }

install_missing() {
  local missing=()
  [ -n "$(postgres_bin)" ] || missing+=(postgresql)
  [ -n "$(rabbit_sbin)" ] || missing+=(rabbitmq-server)
  command -v python3 >/dev/null || missing+=(python3)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "install ${missing[*]} with your package manager"
  say "installing ${missing[*]}"
  # Debian starts a server when it installs one; ours run elsewhere, so that one is not wanted.
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e $policy ]; then ours=1; printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null; as_root chmod +x $policy; fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  [ -z "$ours" ] || as_root rm -f $policy
}

start_postgres() {
  local folder=$1 bin port; bin=$(postgres_bin); port=$(free_port)
  mkdir -p "$folder/postgres"; chmod 700 "$folder/postgres"; owned postgres "$folder/postgres"
  as_user postgres "$bin/initdb" -D "$folder/postgres" -A trust -U masar -E UTF8 --locale=C >"$folder/initdb.log" 2>&1 ||
    { cat "$folder/initdb.log" >&2; fail "PostgreSQL could not make its folder"; }
  as_user postgres "$bin/pg_ctl" -D "$folder/postgres" -w -l "$folder/postgres/server.log" start \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300" >/dev/null ||
    { cat "$folder/postgres/server.log" >&2; fail "PostgreSQL did not start"; }
  echo "export MASAR_TEST_POSTGRES=postgres://masar@127.0.0.1:$port/postgres" >>"$folder/env"
}

start_rabbit() {
  local folder=$1 sbin home; sbin=$(rabbit_sbin); home=$folder/rabbit
  mkdir -p "$home"
  cat >"$home/settings" <<SETTINGS
export HOME=$home
export RABBITMQ_NODENAME=masar-test-$$@localhost
export RABBITMQ_NODE_PORT=$(free_port)
export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_DIST_PORT=$(free_port)
export ERL_EPMD_PORT=$(free_port)
export ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
export RABBITMQ_CONFIG_FILE=$home/rabbitmq
export RABBITMQ_CONF_ENV_FILE=$home/rabbitmq-env.conf
export RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins
export RABBITMQ_MNESIA_BASE=$home/mnesia
export RABBITMQ_LOG_BASE=$home/log
export RABBITMQ_PID_FILE=$home/pid
SETTINGS
  echo '[].' >"$home/enabled_plugins"; : >"$home/rabbitmq-env.conf"
  printf 'loopback_users = none\ndisk_free_limit.absolute = 50MB\n' >"$home/rabbitmq.conf"
  printf '#!/usr/bin/env bash\nset -euo pipefail\n. %q\ncd %q\nexec %q/rabbitmqctl "$@"\n' "$home/settings" "$home" "$sbin" >"$home/ctl.inner"
  { echo '#!/usr/bin/env bash'
    if [ "$(id -u)" = 0 ]; then echo "exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups '$home/ctl.inner' \"\$@\""
    else echo "exec '$home/ctl.inner' \"\$@\""; fi; } >"$home/ctl"
  chmod 755 "$home/ctl" "$home/ctl.inner"; chmod 755 "$folder"; owned rabbitmq "$home"
  (
    . "$home/settings"; cd "$home"
    as_user rabbitmq "$sbin/rabbitmq-server" >"$folder/rabbit.log" 2>&1 &
    echo $! >"$folder/rabbit.started"
  )
  for _ in $(seq 60); do [ -s "$home/pid" ] && break; sleep 0.5; done
  "$home/ctl" await_startup --timeout 60 >/dev/null 2>>"$folder/rabbit.log" ||
    { cat "$folder/rabbit.log" >&2; fail "RabbitMQ did not start"; }
  local port; port=$(. "$home/settings"; echo "$RABBITMQ_NODE_PORT")
  { echo "export MASAR_TEST_AMQP=amqp://guest:guest@127.0.0.1:$port"
    echo "export MASAR_TEST_RABBITMQCTL=$home/ctl"; } >>"$folder/env"
}

stop() {
  local folder=$1
  [ -s "$folder/rabbit/pid" ] && "$folder/rabbit/ctl" stop "$folder/rabbit/pid" >/dev/null 2>&1 || true
  if [ -s "$folder/rabbit/settings" ]; then
    # The name service of Erlang stays behind otherwise; it listens on a port that is ours alone.
    (. "$folder/rabbit/settings"; epmd -kill >/dev/null 2>&1 || true)
  fi
  [ -s "$folder/postgres/postmaster.pid" ] &&
    as_user postgres "$(postgres_bin)/pg_ctl" -D "$folder/postgres" -m fast stop >/dev/null || true
}

case "${1:-}" in
  start)
    folder=${2:?which folder?}; mkdir -p "$folder"; folder=$(cd "$folder" && pwd); chmod 755 "$folder"; : >"$folder/env"
    install_missing
    start_postgres "$folder"; start_rabbit "$folder"
    say "PostgreSQL and RabbitMQ are ready; their addresses are in $folder/env" ;;
  stop) folder=$(cd "${2:?which folder?}" && pwd); stop "$folder" ;;
  *) fail "use: scripts/servers.sh start|stop FOLDER" ;;
esac
