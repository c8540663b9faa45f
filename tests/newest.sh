#!/usr/bin/env bash
# Runs pytest with these arguments on the newest supported RabbitMQ and PostgreSQL, which it starts on free ports
# and stops: with Docker, or on Debian as root with the packages of Debian 13, which it keeps below var/.
set -euo pipefail
cd "$(dirname "$0")/.."
debian=var/debian-13

not_tested() {
    echo "NOT TESTED on RabbitMQ 4 and PostgreSQL 17: $1"
    exit 0
}

with_docker() {
    compose=(docker compose -p order-service-tests-newest -f tests/compose.yaml)
    trap '"${compose[@]}" down </dev/null' EXIT
    "${compose[@]}" up --detach --wait --quiet-pull </dev/null
}

# The packages are unpacked only, so that nothing is configured and no service starts.
unpack() {
    echo "Unpacking Debian 13's RabbitMQ and PostgreSQL …"
    { command -v mmdebstrap || { apt-get update -qq && apt-get install -y -qq --no-install-recommends \
        mmdebstrap; }; } </dev/null >/dev/null || return 1
    rm -rf $debian.new && mkdir -p var
    mmdebstrap --quiet --variant=extract trixie $debian.new </dev/null \
        --include=base-files,coreutils,dash,grep,sed,postgresql,rabbitmq-server || return 1
    echo "127.0.0.1 localhost" >$debian.new/etc/hosts
    echo "nobody:x:65534:65534::/:/bin/sh" >$debian.new/etc/passwd
    mv $debian.new $debian
}

inside() { # as nobody, because PostgreSQL refuses to run as root
    exec chroot --userspec=65534:65534 $debian env HOME="/$home" ERL_EPMD_PORT="$epmd_port" \
        RABBITMQ_NODENAME=newest@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
        RABBITMQ_NODE_PORT="$RABBITMQ_PORT" RABBITMQ_DIST_PORT="$distribution_port" \
        RABBITMQ_MNESIA_BASE="/$home/rabbitmq" RABBITMQ_LOG_BASE="/$home/log" "$@" </dev/null
}

with_debian() {
    home=$(cd $debian && mktemp --directory tmp/XXXXXX)
    trap stop_debian EXIT
    chown 65534:65534 "$debian/$home"
    local bin data="/$home/postgresql"
    bin=/$(cd $debian && echo usr/lib/postgresql/*/bin)
    (inside "$bin/initdb" --auth=trust --no-sync -U postgres -D "$data" >/dev/null) || return 1
    inside "$bin/postgres" -D "$data" -p "$POSTGRESQL_PORT" -h 127.0.0.1 -c fsync=off \
        -c unix_socket_directories= -c dynamic_shared_memory_type=mmap 2>"$debian/$home/postgresql.log" &
    inside epmd -address 127.0.0.1 -port "$epmd_port" &
    inside /usr/lib/rabbitmq/bin/rabbitmq-server >"$debian/$home/rabbitmq.log" &
    wait_for "$POSTGRESQL_PORT" && wait_for "$RABBITMQ_PORT"
}

wait_for() { # a port
    for _ in {1..120}; do
        (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        [ "$(jobs -pr | wc -l)" -eq 3 ] || break
        sleep 0.5
    done
    tail -n 5 "$debian/$home"/*.log
    return 1
}

stop_debian() {
    jobs -pr | xargs --no-run-if-empty kill || true
    wait
    rm -rf "${debian:?}/${home:?}"
}

read -r POSTGRESQL_PORT RABBITMQ_PORT distribution_port epmd_port < <(python3 -c '
import socket
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(each.getsockname()[1] for each in free))')
export POSTGRESQL_PORT RABBITMQ_PORT

if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
    with_docker || not_tested "Docker's images cannot be had, or do not start."
elif [ -f /etc/debian_version ] && [ "$(id -u)" -eq 0 ]; then
    [ -d $debian ] || unpack || not_tested "the packages of Debian 13 cannot be had."
    with_debian || not_tested "Debian 13's servers do not start here."
else
    not_tested "this needs Docker, or root on Debian."
fi
TEST_DATABASE_URL=postgres://postgres@127.0.0.1:$POSTGRESQL_PORT/postgres \
    TEST_BROKER_URL=amqp://guest:guest@127.0.0.1:$RABBITMQ_PORT// .venv/bin/python -m pytest "$@"
