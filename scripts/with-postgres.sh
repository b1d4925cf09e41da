#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, in a temporary folder and on a free loopback
# port, which is stopped in the end. The tests of the identity service find it by the environment, and
# run on both databases then:
#
#     scripts/with-postgres.sh cargo test --workspace --locked
#
# Debian's postgresql is installed if there is none. Run as root it starts the server as the user
# `nobody`, since PostgreSQL refuses to run as root.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { echo "usage: scripts/with-postgres.sh COMMAND [ARGUMENT…]" >&2; exit 2; }

find_programs() {
    if ! command -v initdb >/dev/null; then
        local folder
        folder=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
        [ -n "$folder" ] && PATH="$folder:$PATH"
    fi
    command -v initdb >/dev/null && command -v pg_ctl >/dev/null || find_beside_initdb
}

# Where `initdb` is a link the other programs are beside what it links to.
find_beside_initdb() {
    command -v initdb >/dev/null || return 1
    PATH="$(dirname "$(readlink -f "$(command -v initdb)")"):$PATH"
    command -v pg_ctl >/dev/null
}

if ! find_programs; then
    echo "installing Debian's postgresql" >&2
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -qq -y --no-install-recommends postgresql >/dev/null
    find_programs || { echo "error: there is no initdb even now: install PostgreSQL" >&2; exit 1; }
fi

folder=$(mktemp -d)
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
    chown nobody "$folder"
    as_owner=(setpriv --reuid=nobody --clear-groups --)
fi
owner() { (cd "$folder" && HOME="$folder" "${as_owner[@]}" "$@"); }

stop() {
    owner "$(command -v pg_ctl)" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
owner "$(command -v initdb)" -D "$folder/data" -U talaria -A trust -E UTF8 --no-sync >/dev/null
owner "$(command -v pg_ctl)" -D "$folder/data" -w -l "$folder/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off" start >/dev/null

export TALARIA_TEST_POSTGRES="postgres://talaria@127.0.0.1:$port/postgres"
export TALARIA_REQUIRE_POSTGRES=1
"$@"
