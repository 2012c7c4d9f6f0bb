#!/bin/sh
# Makes sure that PostgreSQL's server binaries (15 or newer) are here: looks where they usually are, else installs the
# distribution's package when it may, else says what to type. Nothing is started and no cluster is made.
set -eu

found() {
    for dir in "${SYNCD_PG_BIN:-}" $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) $(dirname "$(command -v postgres 2>/dev/null || echo /nowhere/x)") \
        "$(pg_config --bindir 2>/dev/null || true)"; do
        [ -n "$dir" ] && [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ] || continue
        major=$("$dir/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
        [ "$major" -ge 15 ] && return 0
    done
    return 1
}

found && exit 0

say() {
    echo "syncd needs PostgreSQL 15 or newer on this machine (server binaries only; it starts a private one)." >&2
    echo "Type:  $1" >&2
    echo "or set SYNCD_PG_BIN to the folder that holds postgres and initdb." >&2
    exit 1
}

if ! command -v apt-get >/dev/null 2>&1; then
    command -v dnf >/dev/null 2>&1 && say "sudo dnf install postgresql-server"
    command -v brew >/dev/null 2>&1 && say "brew install postgresql@16"
    say "your system's command to install the PostgreSQL server"
fi

install="apt-get install -y --no-install-recommends postgresql"
if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    say "sudo $install"
fi
echo "installing PostgreSQL from this distribution's packages ..." >&2
# No cluster of the distribution's is wanted: a private one is made when needed.
$sudo mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
log=$(mktemp)
if ! { $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo $install -qq; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    say "sudo apt-get update && sudo $install"
fi
rm -f "$log"
found || say "sudo apt-get install -y postgresql   # this distribution's version is older than 15"
