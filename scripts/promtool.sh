#!/usr/bin/env bash
# Checks what Prometheus reads of deploy/: the rules, what fires and what does not, and the queries of the dashboards.
#
#   scripts/promtool.sh where    says where promtool is; takes it out of Debian's package `prometheus` where it is missing,
#                                without installing a server
#   scripts/promtool.sh check    checks everything
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "promtool: $*" >&2; }

where() {
  if command -v promtool; then return; fi
  local folder="${XDG_CACHE_HOME:-$HOME/.cache}/masar/promtool"
  if [ ! -x "$folder/usr/bin/promtool" ]; then
    command -v apt-get >/dev/null || { say "please install promtool, a part of Prometheus: this script knows only apt-get"; exit 1; }
    say "taking it out of Debian's package"
    mkdir -p "$folder"
    (
      cd "$folder"
      apt-get download -qq prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus 2>/dev/null; } ||
        { say "apt-get knows no package prometheus"; exit 1; }
      dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
      rm -f prometheus_*.deb
    ) || exit 1
  fi
  echo "$folder/usr/bin/promtool"
}

# The queries of the dashboards as rules, which promtool can read: what Grafana fills in stands there as an example.
queries() {
  echo "groups: [{name: dashboards, rules: ["
  local separator=""
  grep -ho '"expr": "[^\\"]*\(\\.[^\\"]*\)*"' deploy/grafana/*.json | while IFS= read -r line; do
    local query=${line#\"expr\": }
    query=${query//\$__rate_interval/5m}
    echo "$separator{record: \"masar:dashboard\", expr: $query}"
    separator=","
  done
  echo "]}]"
}

check() {
  local promtool folder
  promtool=$(where)
  "$promtool" check config deploy/prometheus/prometheus.yml
  (cd deploy/prometheus && "$promtool" test rules masar.rules.test.yml)
  folder=$(mktemp -d)
  queries >"$folder/dashboards.yml"
  "$promtool" check rules --lint=none "$folder/dashboards.yml" || { say "a query of deploy/grafana is wrong"; exit 1; }
  rm -rf "$folder"
}

case "${1:-}" in
  where) where ;;
  check) check ;;
  *) say "say where or check"; exit 2 ;;
esac
