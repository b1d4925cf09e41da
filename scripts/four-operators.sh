#!/usr/bin/env bash
# Four operators, one machine: an entry and three hops, each with a folder, a key and a process of
# its own. They make a network file, sign it, start, and two people chat; then a hop is replaced in
# the next version, and the same conversation goes on. docs/operators.md explains the steps.
#
# Usage: scripts/four-operators.sh [FOLDER WITH talariad AND talaria]
# Without one they are built. Everything is in a temporary folder and on loopback ports; ends with
# 0 only if every line arrived, within 90 seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    cargo build --quiet --locked --workspace --bins
    set -- "${CARGO_TARGET_DIR:-target}/debug"
fi
if [ -z "${FOUR_OPERATORS:-}" ]; then
    FOUR_OPERATORS=1 exec timeout 90 "$0" "$@"
fi
programs=$(cd "$1" && pwd)
PATH=$programs:$PATH
unset TALARIA_HOME TALARIA_LOG

work=$(mktemp -d)
declare -A pid=()
finish() {
    code=$?
    for process in "${pid[@]}"; do kill "$process" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [ "$code" -ne 0 ]; then tail -n 5 "$work"/*.log 2>/dev/null || true; fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work"

say() { printf '\n--- %s\n' "$*"; }
fail() { echo "error: $*" >&2; exit 1; }

# Ports in a row that nobody listens on, below those that the system gives to connections.
free_ports() {
    local first port
    for _ in $(seq 100); do
        first=$((12000 + RANDOM % 18000))
        for port in $(seq "$first" $((first + 5))); do
            if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue 2; fi
        done
        echo "$first"
        return
    done
    fail "no free ports"
}
port=$(free_ports)

start() {
    # Without the pipes of the chats, which would not end otherwise.
    talariad run --json --config "$1/$2.toml" >"$1.log" 2>&1 3>&- 4>&- &
    pid[$1]=$!
}
stop() {
    kill -TERM "${pid[$1]}"
    wait "${pid[$1]}" || fail "$1 did not end in order"
    unset "pid[$1]"
}
# Waits until FILE has PATTERN; `timeout` ends what never comes.
await() {
    until grep -q -- "$2" "$1" 2>/dev/null; do sleep 0.1; done
}
# Every operator installs the network file and starts the server with it.
install_and_start() {
    for who in "$@"; do
        cp network.toml "$who/network.toml"
        talariad check-config "$who/$(role "$who").toml" >/dev/null
    done
    for who in "$@"; do start "$who" "$(role "$who")"; done
    for who in "$@"; do await "$who.log" '"event":"ready"'; done
}
role() { if [ "$1" = eve ]; then echo entry; else echo hop; fi; }

say "each operator makes keys, and hands out the public part"
talariad entry init --data eve --operator Eve --listen "127.0.0.1:$port" >/dev/null
i=1
for who in bob carol dave erin; do
    i=$((i + 1))
    talariad hop init --data "$who" --operator "$who" --listen "127.0.0.1:$((port + i))" >/dev/null
done

say "one of them makes the network file, and all sign it"
talariad network new --name "four operators" --period 200ms --epoch-rounds 10 --noise-onions 100 --valid-for 30d \
    --entry eve/entry-public.toml --hop bob/hop-public.toml --hop carol/hop-public.toml \
    --hop dave/hop-public.toml --out network.toml >/dev/null
for who in eve bob carol; do
    talariad network sign network.toml --key "$who/identity.key" --yes >/dev/null
done
if talariad network verify network.toml 2>/dev/null; then fail "a hop has not signed"; fi
talariad network sign network.toml --key dave/identity.key --yes | tail -n 1
talariad network verify network.toml
cp network.toml version-1.toml

say "they start their servers"
install_and_start bob carol dave eve

say "two people meet"
echo "correct horse battery staple orbit" >password
export TALARIA_PASSWORD_FILE=$PWD/password
for person in ann zoe; do
    talaria --home "home-$person" register "$person" --network network.toml >/dev/null
done
mkfifo to-ann to-zoe
talaria --home home-ann chat zoe <to-ann >ann.log 2>ann-errors.log &
pid[ann]=$!
talaria --home home-zoe chat ann <to-zoe >zoe.log 2>zoe-errors.log &
pid[zoe]=$!
exec 3>to-ann 4>to-zoe
for line in 1 2 3; do
    echo "line $line of ann" >&3
    echo "line $line of zoe" >&4
done
await ann.log "zoe: line 3 of zoe"
await zoe.log "ann: line 3 of ann"
cat ann.log

say "two epochs pass, and with them all onion keys"
rounds() { grep -c '"event":"round"' eve.log; }
until=$(($(rounds) + 25))
until [ "$(rounds)" -ge "$until" ]; do sleep 0.1; done
echo "line 4 of ann" >&3
echo "line 4 of zoe" >&4
await ann.log "zoe: line 4 of zoe"
await zoe.log "ann: line 4 of ann"

say "Carol's hop is replaced by Erin's in version 2; all sign, Carol too"
talariad network next network.toml --replace 2 erin/hop-public.toml --out next.toml >/dev/null
for who in eve bob dave erin; do
    talariad network sign next.toml --previous version-1.toml --key "$who/identity.key" --yes >/dev/null
done
if talariad network verify next.toml --previous version-1.toml 2>/dev/null; then
    fail "Carol has not signed"
fi
talariad network sign next.toml --previous version-1.toml --key carol/identity.key --yes | tail -n 1
talariad network verify next.toml --previous version-1.toml
for who in eve bob carol dave; do stop "$who"; done
mv next.toml network.toml
install_and_start bob erin dave eve

say "an old network file is refused"
cp version-1.toml bob/network.toml
if talariad check-config bob/hop.toml 2>refused.log; then fail "version 1 was taken again"; fi
cat refused.log
cp network.toml bob/network.toml

say "the same conversation goes on; nobody had to do anything"
for line in 5 6 7; do
    echo "line $line of ann" >&3
    echo "line $line of zoe" >&4
done
exec 3>&- 4>&-
wait "${pid[ann]}" || fail "ann's chat ended with an error"
wait "${pid[zoe]}" || fail "zoe's chat ended with an error"
unset "pid[ann]" "pid[zoe]"
for pair in ann:zoe zoe:ann; do
    of=${pair#*:}
    expected=$(for line in 1 2 3 4 5 6 7; do echo "$of: line $line of $of"; done)
    [ "$(cat "${pair%:*}.log")" = "$expected" ] || fail "${pair%:*} has not read what $of wrote"
done
cat ann.log
talaria --home home-ann network
if talaria --home home-zoe network version-1.toml 2>refused.log; then
    fail "version 1 was taken again"
fi
cat refused.log
for who in eve bob erin dave; do stop "$who"; done

say "done after $SECONDS s"
