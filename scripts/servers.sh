#!/usr/bin/env bash
# A PostgreSQL and a RabbitMQ for the tests, on ports of their own, in a folder that can be thrown away.
#
#   scripts/servers.sh start FOLDER [SETTING=VALUE ...]   installs what is missing, starts what the environment does not name
#                                     already, PostgreSQL with these settings of its own, and says where it is: in
#                                     FOLDER/env and on standard output
#   scripts/servers.sh env FOLDER     says again where it is
#   scripts/servers.sh restart FOLDER postgres|rabbit   ends one of them in order, and starts it again as it was
#   scripts/servers.sh kill FOLDER postgres|rabbit      the same without a word: kill -9
#   scripts/servers.sh stop FOLDER    ends what start began there, and nothing else
#
# Durability stays at its defaults unless a setting says otherwise: a test of what survives would prove nothing without it.
set -euo pipefail

say() { echo "servers: $*" >&2; }
fail() { say "$*"; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }

as_root() {
  if is_root; then "$@"; else
    command -v sudo >/dev/null || fail "'$*' needs root: run it once by hand, then start again"
    sudo "$@"
  fi
}

# The servers refuse to run as root, or should: step down to their own users. Words to put before a command.
stepping_down() { if is_root; then echo "setpriv --reuid $1 --regid $1 --init-groups"; fi; }

# Makes a folder for one server; all folders above it must be open to that server's user.
room() {
  local user=$1 folder=$2
  mkdir -p "$folder"; chmod 700 "$folder"
  if is_root; then chown "$user:" "$folder"; fi
  $(stepping_down "$user") test -w "$folder" || fail "the user $user cannot reach $folder: name a folder under /tmp"
}

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The first of so many free ports in a row, below those that the system gives to outgoing connections.
free_ports() {
  local first port
  while :; do
    first=$((20000 + RANDOM % 12000))
    for ((port = first; port < first + $1; port++)); do is_free "$port" || continue 2; done
    echo "$first"; return
  done
}

postgres_bin() {
  local initdb
  initdb=$({ ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null || command -v initdb || true; } | sort -V | tail -n 1)
  [ -z "$initdb" ] || dirname "$initdb"
}

# Debian's wrapper in the path insists on its own user and folders; this one does as it is told.
rabbit_sbin() { { ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin 2>/dev/null || true; } | sort -V | tail -n 1; }

# In a shell of its own, so that whatever ends it, the policy goes with it.
install_packages() (
  command -v apt-get >/dev/null || fail "please install $*: this script knows only apt-get"
  say "installing $*"
  # Debian starts a server when it installs one. Ours run elsewhere, so unless the machine has a policy, say no.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
    fail "apt-get could not install $*"
)

start_postgres() {
  local folder=$1 bin port home=$1/postgres; shift; bin=$(postgres_bin); port=$(free_ports 1)
  local version; version=$("$bin/postgres" --version | awk '{ print int($3) }')
  [ "$version" -ge 14 ] || fail "PostgreSQL $version in $bin is too old: install 14 or newer"
  room postgres "$home"
  cd "$home"
  $(stepping_down postgres) "$bin/initdb" -D "$home" -A trust -U masar -E UTF8 --locale=C >"$folder/postgres.log" 2>&1 ||
    { cat "$folder/postgres.log" >&2; fail "PostgreSQL could not make its folder"; }
  # Many tests at once, each with a pool for every service that takes part.
  cat >>"$home/postgresql.conf" <<SETTINGS
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 1000
SETTINGS
  printf '%s\n' "$@" >>"$home/postgresql.conf"
  run_postgres "$folder"
  echo "export MASAR_TEST_POSTGRES=postgres://masar@127.0.0.1:$port/postgres" >>"$folder/env"
}

run_postgres() {
  local home=$1/postgres; cd "$home"
  $(stepping_down postgres) "$(postgres_bin)/pg_ctl" -D "$home" -w -l "$home/server.log" start >/dev/null ||
    { cat "$home/server.log" >&2; fail "PostgreSQL did not start"; }
}

end_postgres() {
  local home=$1/postgres run; run=$(stepping_down postgres)
  [ -s "$home/postmaster.pid" ] || return 0
  cd "$home"
  $run "$(postgres_bin)/pg_ctl" -D "$home" -m fast -w stop >/dev/null ||
    $run "$(postgres_bin)/pg_ctl" -D "$home" -m immediate -w stop >/dev/null ||
    say "PostgreSQL in $1 does not stop"
}

# All its processes at once, as when the machine goes down.
kill_postgres() {
  local pid; pid=$(head -n 1 "$1/postgres/postmaster.pid")
  # shellcheck disable=SC2046
  kill -9 "$pid" $(pgrep -P "$pid") 2>/dev/null || true
  while [ -e "/proc/$pid" ]; do sleep 0.1; done
}

# Everything that a node would otherwise share with another one on this machine.
rabbit_settings() {
  local home=$1 port=$2
  cat <<SETTINGS
export HOME="$home"
export RABBITMQ_NODENAME=masar-test-$port@localhost
export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
export RABBITMQ_NODE_PORT=$port
export RABBITMQ_DIST_PORT=$((port + 1))
export ERL_EPMD_PORT=$((port + 2))
export ERL_EPMD_ADDRESS=127.0.0.1
# Its schedulers sleep when they have nothing to do: the machine is not theirs alone.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
export RABBITMQ_CONFIG_FILE="$home/rabbitmq"
export RABBITMQ_CONF_ENV_FILE="$home/rabbitmq-env.conf"
export RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
export RABBITMQ_MNESIA_BASE="$home/mnesia"
export RABBITMQ_LOG_BASE="$home/log"
export RABBITMQ_PID_FILE="$home/pid"
SETTINGS
}

# Starts a program of RabbitMQ in the background, in its own surroundings, and keeps its number for stop.
begin() {
  local name=$1 folder=$2; shift 2
  (
    . "$folder/rabbit.settings"
    cd "$HOME"
    exec $(stepping_down rabbitmq) "$@" >"$folder/$name.log" 2>&1 </dev/null
  ) &
  echo $! >"$folder/$name.pid"
}

start_rabbit() {
  local folder=$1 home=$1/rabbit sbin port; sbin=$(rabbit_sbin); port=$(free_ports 3)
  room rabbitmq "$home"
  rabbit_settings "$home" "$port" >"$folder/rabbit.settings"
  echo '[].' >"$home/enabled_plugins"
  : >"$home/rabbitmq-env.conf"
  printf 'loopback_users = none\ndisk_free_limit.absolute = 50MB\n' >"$home/rabbitmq.conf"
  if is_root; then chown -R rabbitmq: "$home"; fi
  cat >"$folder/rabbitmqctl" <<CONTROL
#!/usr/bin/env bash
# The control program of the node in this folder.
. "$folder/rabbit.settings"
cd "\$HOME"
exec $(stepping_down rabbitmq) "$sbin/rabbitmqctl" "\$@"
CONTROL
  chmod 755 "$folder/rabbitmqctl"

  # A name service of its own, or the node would start one that outlives it.
  begin epmd "$folder" epmd
  for _ in $(seq 100); do is_free $((port + 2)) || break; sleep 0.1; done
  run_rabbit "$folder"
  { echo "export MASAR_TEST_AMQP=amqp://guest:guest@127.0.0.1:$port"
    echo "export MASAR_TEST_RABBITMQCTL=$folder/rabbitmqctl"; } >>"$folder/env"
}

run_rabbit() {
  local folder=$1 home=$1/rabbit
  rm -f "$home/pid"
  begin rabbit "$folder" "$(rabbit_sbin)/rabbitmq-server"
  # The node writes its number before anybody can wait for it.
  for _ in $(seq 120); do
    if [ -s "$home/pid" ] || ! kill -0 "$(cat "$folder/rabbit.pid")" 2>/dev/null; then break; fi
    sleep 0.5
  done
  [ -s "$home/pid" ] && "$folder/rabbitmqctl" await_startup --timeout 120 >>"$folder/rabbit.log" 2>&1 ||
    { cat "$folder/rabbit.log" >&2; fail "RabbitMQ did not start"; }
}

end_rabbit() {
  end "$1/rabbit/pid" "$1/rabbit"
  end "$1/rabbit.pid" "$1/rabbit"
}

kill_rabbit() {
  local pid; pid=$(cat "$1/rabbit/pid")
  is_ours "$pid" "$1/rabbit" || fail "RabbitMQ does not run"
  kill -9 "$pid"
  while is_ours "$pid" "$1/rabbit"; do sleep 0.1; done
  # What started it goes with it.
  end "$1/rabbit.pid" "$1/rabbit"
}

# True while the process is one that start began here: its number may have been given to another since.
is_ours() { [ -n "$1" ] && { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null | grep -qxF "HOME=$2"; }

# Asks a process to end, waits, and insists.
end() {
  local pid home=$2; pid=$(cat "$1" 2>/dev/null || true)
  is_ours "$pid" "$home" || return 0
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 150); do is_ours "$pid" "$home" || return 0; sleep 0.2; done
  say "process $pid does not end by itself: killed"
  kill -9 "$pid" 2>/dev/null || true
}

stop() {
  end_rabbit "$1"
  end "$1/epmd.pid" "$1/rabbit"
  end_postgres "$1"
}

start() {
  local folder=$1 missing=(); shift
  [ ! -s "$folder/env" ] || fail "$folder is in use: stop it first, or name another"
  case $folder in *[[:space:]]*) fail "RabbitMQ takes no folder with blanks: $folder" ;; esac
  trap '[ $? = 0 ] || { stop "'"$folder"'"; rm -f "'"$folder/env"'"; }' EXIT
  chmod 755 "$folder"
  : >"$folder/env"
  [ -n "${MASAR_TEST_POSTGRES:-}" ] || [ -n "$(postgres_bin)" ] || missing+=(postgresql)
  [ -n "${MASAR_TEST_AMQP:-}" ] || [ -n "$(rabbit_sbin)" ] || missing+=(rabbitmq-server)
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
  [ -n "${MASAR_TEST_POSTGRES:-}" ] || start_postgres "$folder" "$@"
  [ -n "${MASAR_TEST_AMQP:-}" ] || start_rabbit "$folder"
  say "ready in $folder"
  cat "$folder/env"
}

action=${1:-} folder=${2:-} server=${3:-}
use="use: scripts/servers.sh start FOLDER [SETTING=VALUE ...], env|stop FOLDER, or restart|kill FOLDER postgres|rabbit"
[ -n "$folder" ] || fail "$use"
[ "$action" != start ] || mkdir -p "$folder"
folder=$(cd "$folder" && pwd) || fail "there is no folder $folder"
case $action-$server in
  start-|start-*=*) start "$folder" "${@:3}" ;;
  env-) cat "$folder/env" ;;
  stop-) stop "$folder"; rm -f "$folder/env" ;;
  restart-postgres) end_postgres "$folder"; run_postgres "$folder" ;;
  kill-postgres) kill_postgres "$folder"; run_postgres "$folder" ;;
  restart-rabbit) end_rabbit "$folder"; run_rabbit "$folder" ;;
  kill-rabbit) kill_rabbit "$folder"; run_rabbit "$folder" ;;
  *) fail "$use" ;;
esac
