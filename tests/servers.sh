# Sourced by ./run, ./prepare and ./bench: private PostgreSQL and Redis on free ports, stopped on exit.
# Installs them with apt-get when they are missing and this is Debian's root.

servers_folder=$(mktemp -d)
redis_pid=

need_servers() {
    local initdb; initdb=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -1)
    postgres_bin=$(dirname "$(readlink -f "$initdb")")
    if [ -x "$postgres_bin/postgres" ] && command -v redis-server >/dev/null; then return; fi
    if [ "${1-}" = installed ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "install PostgreSQL (15 or newer) and Redis first, on Debian: apt-get install postgresql redis-server" >&2
        exit 1
    fi
    echo "installing PostgreSQL and Redis …" >&2
    apt-get update -qq
    # Runlevel 1: nothing is started by the installation; the tests start their own.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends postgresql redis-server >/dev/null
    need_servers installed
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u "$postgres_user" -- "$@"; else "$@"; fi
}

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
    done
}

# Arguments are more settings of PostgreSQL, which win over those below: `-c fsync=on`.
start_servers() {
    need_servers
    postgres_user=$(id -un)
    if [ "$(id -u)" = 0 ]; then
        postgres_user=$(id -un postgres 2>/dev/null || echo nobody)
        chown "$postgres_user" "$servers_folder"
    fi
    trap stop_servers EXIT
    trap 'exit 130' INT TERM
    # Run from a folder that the other user may read.
    pushd "$servers_folder" >/dev/null
    as_postgres "$postgres_bin/initdb" -D "$servers_folder/pg" -U postgres -A trust -E UTF8 \
        --locale=C --no-sync >"$servers_folder/initdb.log"
    # Everybody is trusted but one role, whose password tests get wrong.
    sed -i '1i host all checked_by_password 127.0.0.1/32 scram-sha-256' "$servers_folder/pg/pg_hba.conf"
    local port; port=$(free_port)
    # Nothing here outlives the run: no need to survive a crash of the machine.
    as_postgres "$postgres_bin/pg_ctl" -D "$servers_folder/pg" -w -s -l "$servers_folder/pg.log" start -o \
        "-p $port -k $servers_folder -c listen_addresses=127.0.0.1 -c max_connections=400 -c fsync=off -c synchronous_commit=off -c full_page_writes=off $*"
    popd >/dev/null
    # For tests that start, lose and restore a server of their own.
    export BACKSTOP_TEST_POSTGRES_BIN=$postgres_bin
    if [ "$(id -u)" = 0 ]; then export BACKSTOP_TEST_POSTGRES_USER=$postgres_user; fi
    export BACKSTOP_TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save "" --dir "$servers_folder" \
        >"$servers_folder/redis.log" &
    redis_pid=$!
    until redis-cli -p "$port" ping >/dev/null 2>&1; do kill -0 "$redis_pid"; sleep 0.05; done
    export BACKSTOP_TEST_REDIS_URL="redis://127.0.0.1:$port"
    # Settings of the caller's own databases must not reach a test.
    unset DATABASE_URL REDIS_URL ${!PG@}
}

stop_servers() {
    if [ -f "$servers_folder/pg/postmaster.pid" ]; then
        cd / && as_postgres "$postgres_bin/pg_ctl" -D "$servers_folder/pg" -s -m immediate stop || true
    fi
    if [ -n "$redis_pid" ]; then kill "$redis_pid" 2>/dev/null || true; fi
    rm -rf "$servers_folder"
}
