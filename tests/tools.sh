# Sourced by ./run, ./compose.sh and ./supply-chain: programs that PyPI has ready-made, in a folder of
# their own beside what cargo builds. They come last in PATH: what the machine has of them goes first.

tools_folder=$(cd "${CARGO_TARGET_DIR:-target}" 2>/dev/null && pwd || echo "$PWD/target")/tools

# NAME==VERSION …; says in a line what is missing, and is false then.
need_tools() {
    local wanted=() package
    for package in "$@"; do
        if [ ! -e "$tools_folder/.${package//==/-}" ]; then wanted+=("$package"); fi
    done
    PATH=$PATH:$tools_folder/bin
    if [ ${#wanted[@]} = 0 ]; then return; fi
    if ! command -v python3 >/dev/null; then
        echo "skipped: Python 3 is not here to fetch ${wanted[*]}" >&2
        return 1
    fi
    echo "fetching ${wanted[*]} …" >&2
    mkdir -p "$tools_folder"
    if ! { python3 -m venv "$tools_folder" >/dev/null 2>&1 || debian_venv; } ||
        ! timeout 300 "$tools_folder/bin/pip" install -q --disable-pip-version-check --only-binary :all: \
            "${wanted[@]}" >"$tools_folder/pip.log" 2>&1; then
        echo "skipped: not to be had from PyPI: ${wanted[*]}" >&2
        return 1
    fi
    for package in "${wanted[@]}"; do : >"$tools_folder/.${package//==/-}"; done
}

debian_venv() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends python3-venv >/dev/null || return 1
    python3 -m venv "$tools_folder"
}

# The library that puts another clock under a program, from Debian; prints where it is.
faketime_library() { find /usr/lib -path '*/faketime/libfaketimeMT.so.1' 2>/dev/null | head -1; }

need_faketime() {
    if [ -n "$(faketime_library)" ]; then return; fi
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends libfaketime >/dev/null
}
