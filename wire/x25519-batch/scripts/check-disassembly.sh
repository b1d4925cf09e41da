#!/usr/bin/env bash
# Reads the compiled inner loops and fails if their time could depend on a secret: on a conditional
# jump but a fixed-count loop's, an indirect jump, a division, a masked or indexed memory access, or
# any instruction that is not on the list of those whose time does not depend on their operands (the
# heads of src/avx512/ladder.rs and src/avx2/ladder.rs say why, class by class).
#
# Usage: scripts/check-disassembly.sh [BINARY]
# Without an argument it builds the example `quickest` in release mode and reads that.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-}
if [ -z "$binary" ]; then
    binary=$(cargo build --release --example quickest --message-format=json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\/examples\/quickest\)".*/\1/p' | tail -n 1)
fi
if [ ! -f "$binary" ]; then
    echo "no binary to read" >&2
    exit 2
fi

failed=0
listing=$(mktemp)
trap 'rm -f "$listing"' EXIT
objdump --disassemble --demangle --no-show-raw-insn -M intel "$binary" >"$listing"

# check FUNCTION JUMPS CALLS: JUMPS conditional jumps are allowed, and, if CALLS is 1, calls of
# functions of this crate and of memcpy, whose lengths are constant; if it is 2, by a register too.
# With a fourth argument the function may also be missing, inlined where it is called.
check() {
    awk -v name="x25519_batch::$1" -v allowed="$2" -v calls="$3" -v inlined="${4:-}" '
        BEGIN {
            constant = "^(vpmadd52[lh]uq|vpmullq|vp(add|sub)q|vp(and|or|xor)[dq]?|vps[rl]lv?q|" \
                "vfm(add|sub)(132|213|231)pd|v(add|sub|and|or|xor)p[sd]|vblendvpd|vperm(ps|d)|" \
                "v?p?broadcast(q|sd|f128|i128)|vpmovq2m|vptestn?mq|vpcmp(gt|eq)q|vpblendm[dq]|vpternlog[dq]|vperm[it]2q|" \
                "v?movu?p[sd]|vmov([au]p[sd]|dqa|dqu|q|d)(32|64)?|vxorps|kmov[bwdq]|knot[bwdq]|" \
                "vzeroupper|vinserti.*|vpunpck.*|" \
                "mov|movzx|lea|add|sub|and|or|xor|shl|shr|neg|dec|inc|cmp|test|push|pop|ret|" \
                "nop|data16|cs|xchg|int3|leave)$"
        }
        /^[0-9a-f]+ <.*>:$/ { inside = index($0, "<" name ">:") > 0; found += inside; next }
        !inside || !/^ *[0-9a-f]+:/ { next }
        {
            line = $0; sub(/^ *[0-9a-f]+:[ \t]*/, "", line); sub(/ *#.*/, "", line)
            op = line; sub(/ .*/, "", op)
            count++
            if (op == "jmp") { if (line !~ /^jmp +[0-9a-f]+ /) bad("indirect jump") }
            else if (op ~ /^j/) jumps++
            else if (op == "call") {
                known = line ~ /<x25519_batch::/ || $0 ~ /# .*<mem(cpy|set)@/
                if (!calls || calls < 2 && !known) bad("call")
            }
            else if (op !~ constant) bad("instruction not on the list")
            if (line ~ /\[/ && line !~ /\[rip/ && line ~ /\{k[1-7]\}/) bad("masked memory access")
            if (op !~ /^(nop|lea|data16|cs)/ && line ~ /\[[^]]*(\*|[a-z0-9]\+r)[^]]*\]/)
                bad("indexed address")
        }
        function bad(what) { printf "%s: %s: %s\n", name, what, line; failed = 1 }
        END {
            if (!count && inlined) exit
            if (count < 50) { printf "%s: not found\n", name; exit 1 }
            if (jumps > allowed) { printf "%s: %d jumps too many\n", name, jumps - allowed; failed = 1 }
            if (!failed) printf "%s: %d instructions, %d conditional jumps\n", name, count, jumps
            exit failed
        }' "$listing" || failed=1
}

check avx512::ladder::ladder_steps 1 0
check avx512::ladder::double 0 0
check avx512::ladder::eightfold 1 2
check avx512::comb::add_window 0 1
check avx512::edwards::Extended::add 0 0 inlined
check avx512::group::power_of_two 1 0
check avx2::routines::product 0 0
check avx2::routines::square 0 0
check avx2::routines::sum_and_difference 0 0
check avx2::routines::difference 0 0
check avx2::routines::scaled_sum 0 0
check avx2::ladder::ladder_steps 2 1
check avx2::comb::add_window 0 1
check avx2::edwards::Extended::add 0 1 inlined
check avx2::group::power_of_two 2 0
exit "$failed"
