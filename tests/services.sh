#!/usr/bin/env bash
# Checks that nginx and a browser are installed and that PostgreSQL and RabbitMQ answer where the tests expect
# them. Installs and starts what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

responds() { # postgresql | rabbitmq
    .venv/bin/python - "$1" >/dev/null 2>&1 <<'PYTHON'
import os, sys
from tests import environment
if sys.argv[1] == "postgresql":
    import psycopg
    psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=3).close()
else:
    import kombu
    broker = kombu.Connection(os.environ["EVENTS_BROKER_URL"], connect_timeout=3)
    broker.connect()
    broker.close()
PYTHON
}

wait_for() {
    local server tries=60
    for server; do
        until responds "$server"; do
            ((tries--)) || return 1
            sleep 1
        done
    done
}

with_docker() {
    docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 &&
        docker compose -f tests/compose.yaml up --detach --wait --quiet-pull "$@" </dev/null
}

on_debian_as_root() {
    [ -f /etc/debian_version ] && [ "$(id -u)" -eq 0 ]
}

with_debian() {
    on_debian_as_root || return 1
    local server
    for server; do
        "start_$server" || return 1
    done
}

install() {
    dpkg -s "$1" >/dev/null 2>&1 && return 1
    echo "Installing $1 …"
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" \
        </dev/null >/dev/null
}

# Creates a cluster for the tests that trusts local connections. An existing one is not changed.
start_postgresql() {
    local data=/var/lib/postgresql/order-service-tests bin
    install postgresql && service postgresql stop >/dev/null # it would use the same port
    bin=$(find /usr/lib/postgresql/*/bin -maxdepth 0 | sort -V | tail -1)
    [ -d "$data" ] || su postgres -c "$bin/initdb --auth=trust -D $data" >/dev/null
    su postgres -c "$bin/pg_ctl -s -w -D $data -l $data/log \
        -o '-p 5432 -h 127.0.0.1 -c fsync=off -c unix_socket_directories=' start"
}

start_rabbitmq() {
    install rabbitmq-server || true
    service rabbitmq-server start >/dev/null 2>&1 || rabbitmq-server -detached >/dev/null 2>&1
}

command -v nginx /usr/sbin/nginx >/dev/null ||
    { on_debian_as_root && install nginx-light && { service nginx stop >/dev/null || true; }; } ||
    { echo "Install nginx (Debian: apt-get install nginx-light; macOS: brew install nginx)." >&2; exit 1; }

# Use an installed browser, else install Debian's, else Playwright's.
command -v chromium chromium-browser google-chrome >/dev/null ||
    { on_debian_as_root && install chromium; } ||
    .venv/bin/playwright install chromium

missing=()
for server in postgresql rabbitmq; do
    responds "$server" || missing+=("$server")
done
[ ${#missing[@]} -eq 0 ] && exit

if [ -z "${TEST_DATABASE_URL:-}${TEST_BROKER_URL:-}" ]; then
    echo "Starting ${missing[*]} …"
    { with_docker "${missing[@]}" || with_debian "${missing[@]}"; } && wait_for "${missing[@]}" && exit
fi
cat >&2 <<'EOT'
Start PostgreSQL on 127.0.0.1:5432 (role postgres, no password) and RabbitMQ on 127.0.0.1:5672
(guest/guest), or set TEST_DATABASE_URL and TEST_BROKER_URL.
EOT
exit 1
