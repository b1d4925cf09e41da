#!/usr/bin/env python3
"""Writes src/avx2/routines/*.s: the field's operations on two vectors as straight-line AVX2/FMA code.

Usage: scripts/generate-avx2.py [--check]
With --check it writes nothing and fails if a file is not what it would write.

The operations are those of src/avx2/product.rs and field.rs, which have the proofs; what is chosen
here is their order and their registers, on which the time depends and the result does not:

* Columns are computed in groups, link by link side by side, in an order in which the limbs of the
  result can be folded early. The second vector's operations follow the first one's at a distance,
  so that its columns fill the pipes while the first one's folds, which are one long chain, wait.
* A list scheduler then issues the operations to two multipliers and two adders, as soon as what they
  need is there, but no further ahead than a window and with a limit to the values that are alive.
* Registers are given by Belady's rule: what is needed last is evicted, for nothing if memory holds
  it already (an operand, a constant), else into a slot of `Work`. An operand that is needed again
  soon is loaded once; one that is not is read from memory by the instruction that needs it.

The plans at the end were found by measuring some thousands of them.
"""
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "src" / "avx2" / "routines"

# The layout that routines.rs declares: pointers are to the middle of objects, a limb of a pair is two
# vectors of 32 bytes, and the work space has the constants and then the slots.
MIDDLE = 128
CONSTANTS = [
    "START", "START_4", "START_5", "START_8", "19", "DOWN", "DOWN_19", "START_8_DOWN", "A24",
]
SLOTS = 24
REGISTERS = 16
STARTS = ["START"] * 3 + ["START_4", "START_5", "START_4"] + ["START"] * 2 + ["START_8"]
NEVER = 10**9


def place(register, offset):
    offset -= MIDDLE
    return f"ymmword ptr [{register} {'-' if offset < 0 else '+'} {abs(offset)}]"


class Op:
    """An operation on values, which are numbers; a store's source is a value and its place."""

    def __init__(self, kind, result, sources, target=None):
        self.kind, self.result, self.sources, self.target = kind, result, sources, target


class Code:
    """The operations of one vector, in order, and the places of values that memory holds."""

    def __init__(self, values, work):
        self.values, self.work, self.ops = values, work, []

    def memory(self, register, offset):
        """The value at a place; the same number each time."""
        return self.values.setdefault(place(register, offset), len(self.values))

    def constant(self, name):
        return self.memory(self.work, 32 * CONSTANTS.index(name))

    def emit(self, kind, *sources):
        result = len(self.values)
        self.values[("result", result)] = result
        self.ops.append(Op(kind, result, sources))
        return result

    def fma(self, x, y, z):
        return self.emit("fma", x, y, z)

    def fms(self, x, y, z):
        return self.emit("fms", x, y, z)

    def add(self, x, y):
        return self.emit("add", x, y)

    def sub(self, x, y):
        return self.emit("sub", x, y)

    def store(self, value, target):
        self.ops.append(Op("store", None, (value,), target))


class Product:
    """One vector's product or square, `column` and `finish` of product.rs."""

    def __init__(self, code, vector, square, plan):
        self.code, self.vector, self.square, self.plan = code, vector, square, plan
        self.high, self.rest, self.limb, self.carry, self.stored = {}, {}, {}, {}, set()
        self.joined, self.twice = {}, {}
        for group in plan["groups"]:
            self.columns(group)
            self.folds()
        assert len(self.stored) == 5

    def factor(self, register, i):
        return self.code.memory(register, 64 * i + 32 * self.vector)

    def doubled(self, i):
        if i not in self.twice:
            self.twice[i] = self.code.add(self.factor("rsi", i), self.factor("rsi", i))
        return self.twice[i]

    def products(self, c):
        """The pairs of factors of column c, as functions, since doubling is an operation."""
        low, high = max(0, c - 4), min(4, c)
        if not self.square:
            return [(lambda i=i: self.factor("rsi", i), self.factor("rdx", c - i))
                    for i in range(low, high + 1)]
        return [(lambda i=i: self.doubled(i) if 2 * i < c else self.factor("rsi", i),
                 self.factor("rsi", c - i)) for i in range(low, c // 2 + 1)]

    def columns(self, group):
        """Columns side by side; all end together if the plan says so, else all start together."""
        code = self.code
        chain = {c: code.constant(STARTS[c]) for c in group}
        rest = {}
        products = {c: self.products(c) for c in group}
        rows = max(map(len, products.values()))
        for row in range(rows):
            late = {c: rows - len(products[c]) if self.plan["end_together"] else 0 for c in group}
            now = [c for c in group if 0 <= row - late[c] < len(products[c])]
            factors = {c: products[c][row - late[c]] for c in now}
            factors = {c: (x(), y) for c, (x, y) in factors.items()}
            new = {c: code.fma(*factors[c], chain[c]) for c in now}
            took = {c: code.sub(chain[c], new[c]) for c in now}
            left = {c: code.fma(*factors[c], took[c]) for c in now}
            for c in now:
                chain[c] = new[c]
                rest[c] = code.add(rest[c], left[c]) if c in rest else left[c]
        for c in group:
            if c == 8:
                self.high[c] = code.fms(chain[c], code.constant("DOWN"), code.constant("START_8_DOWN"))
            else:
                self.high[c] = code.sub(chain[c], code.constant(STARTS[c]))
            self.rest[c] = rest[c]

    def t(self, c):
        if c == 9:
            return self.high[8]
        if c == 0:
            return self.rest[0]
        if c not in self.joined:
            down = self.code.constant("DOWN")
            self.joined[c] = self.code.fma(self.high[c - 1], down, self.rest[c])
        return self.joined[c]

    def round(self, x):
        start = self.code.constant("START")
        return self.code.sub(self.code.add(x, start), start)

    def fold(self, k):
        code, n19, u = self.code, self.code.constant("19"), self.t(k + 5)
        if k == 4:
            # t(4) may be inexact: the rest takes its parts one by one.
            self.carry[k] = self.round(code.fma(u, n19, self.t(4)))
            part = code.add(code.fms(u, n19, self.carry[k]), self.rest[4])
            self.limb[k] = code.fma(self.high[3], code.constant("DOWN"), part)
        else:
            t = self.t(k)
            self.carry[k] = self.round(code.fma(u, n19, t))
            self.limb[k] = code.add(code.fms(u, n19, self.carry[k]), t)

    def folds(self):
        """Whatever can be folded and stored by now."""
        for k in range(4, -1, -1):
            if k not in self.limb and {k, k + 4, min(k + 5, 8), max(k - 1, 0)} <= self.high.keys():
                self.fold(k)
        for k in range(4, -1, -1):
            before = (k - 1) % 5
            if k not in self.stored and k in self.limb and before in self.carry:
                down = self.code.constant("DOWN" if k else "DOWN_19")
                limb = self.code.fma(self.carry[before], down, self.limb[k])
                self.code.store(limb, place("rdi", 64 * k + 32 * self.vector))
                self.stored.add(k)


def carry(code, vector, out, limbs, carries):
    """`carry` of field.rs, stored."""
    for k in range(5):
        down = code.constant("DOWN" if k else "DOWN_19")
        limb = code.fma(carries[k - 1], down, limbs[k])
        code.store(limb, place(out, 64 * k + 32 * vector))


def sums(code, vector, outputs):
    """`Element::add` and `Element::sub`, one for each (operation, register of the result)."""
    start = code.constant("START")
    for operation, out in outputs:
        limbs, carries = [], []
        for k in range(5):
            offset = 64 * k + 32 * vector
            x = code.emit(operation, code.memory("rsi", offset), code.memory("rdx", offset))
            carries.append(code.sub(code.add(x, start), start))
            limbs.append(code.sub(x, carries[k]))
        carry(code, vector, out, limbs, carries)


def scaled_sum(code, vector):
    """`Element::mul_a24`."""
    start, a24 = code.constant("START"), code.constant("A24")
    limbs, carries = [], []
    for k in range(5):
        offset = 64 * k + 32 * vector
        a, b = code.memory("rsi", offset), code.memory("rdx", offset)
        carries.append(code.sub(code.add(code.fma(a, a24, b), start), start))
        limbs.append(code.add(code.fms(a, a24, carries[k]), b))
    carry(code, vector, "rdi", limbs, carries)


LATENCY = {"fma": 4, "fms": 4, "add": 3, "sub": 3, "store": 1}
PIPE = {"fma": "multiply", "fms": "multiply", "add": "add", "sub": "add", "store": "store"}


def schedule(ops, window, limit):
    """The operations in the order in which a machine would start them that looks `window` operations
    ahead of the first that waits, and starts one only if no more than `limit` values are alive then,
    or if it is the first."""
    results = {op.result for op in ops if op.result is not None}
    inputs = {op: results & set(op.sources) for op in ops}
    users = {value: sum(value in i for i in inputs.values()) for value in results}
    ready, alive, order, waiting, cycle = {}, 0, [], list(ops), 0

    def growth(op):
        return (op.result is not None) - sum(users[value] == 1 for value in inputs[op])

    while waiting:
        pipes = {"multiply": 2, "add": 2, "store": 1}
        first, visible = waiting[0], waiting[:window]
        for op in visible:
            if not pipes[PIPE[op.kind]] or any(ready.get(v, NEVER) > cycle for v in inputs[op]):
                continue
            if op is not first and growth(op) > max(0, limit - alive):
                continue
            pipes[PIPE[op.kind]] -= 1
            alive += growth(op)
            for value in inputs[op]:
                users[value] -= 1
            ready[op.result] = cycle + LATENCY[op.kind]
            order.append(op)
            waiting.remove(op)
        cycle += 1
    return order


class Allocator:
    """Turns operations into instructions."""

    def __init__(self, ops, memory, pinned, work, soon):
        self.ops, self.home, self.pinned, self.work, self.soon = ops, memory, pinned, work, soon
        self.lines, self.register, self.free = [], {}, list(range(REGISTERS))
        self.slots, self.slot = list(range(SLOTS)), {}
        self.uses = {}
        for i, op in enumerate(ops):
            for value in op.sources:
                self.uses.setdefault(value, []).append(i)
        for value in pinned:
            self.load(value)
        for self.now, op in enumerate(ops):
            self.instruction(op)
        # At the end, as it raises the alignment of the whole section, which starts with the routine.
        self.lines += ["ret", ".p2align 6"]

    def next_use(self, value, after):
        return next((i for i in self.uses.get(value, []) if i > after), NEVER)

    def last(self, value):
        return value not in self.pinned and self.next_use(value, self.now) == NEVER

    def held(self, value):
        return value in self.register

    def name(self, value):
        return f"ymm{self.register[value]}" if self.held(value) else self.home[value]

    def take(self, busy=()):
        """A free register; if there is none, that of the value that is needed last."""
        if self.free:
            return self.free.pop(0)
        # Dropping what memory holds costs no store: worth three operations.
        victim = max((v for v in self.register if v not in busy and v not in self.pinned),
                     key=lambda v: self.next_use(v, self.now - 1) + (3 if v in self.home else 0))
        if victim not in self.home:
            slot = self.slots.pop(0)
            self.slot[victim] = slot
            self.home[victim] = place(self.work, 32 * (len(CONSTANTS) + slot))
            self.lines.append(f"vmovapd {self.home[victim]}, {self.name(victim)}")
        return self.register.pop(victim)

    def load(self, value, busy=()):
        if not self.held(value):
            register = self.take(busy)
            self.lines.append(f"vmovapd ymm{register}, {self.home[value]}")
            self.register[value] = register

    def release(self, values):
        for value in sorted(set(values)):
            if self.last(value):
                if self.held(value):
                    self.free.append(self.register.pop(value))
                if value in self.slot:
                    self.slots.insert(0, self.slot.pop(value))

    def instruction(self, op):
        if op.kind == "store":
            self.load(op.sources[0], op.sources)
            self.lines.append(f"vmovapd {op.target}, {self.name(op.sources[0])}")
            self.release(op.sources)
        elif op.kind in ("fma", "fms"):
            self.multiply(op)
        else:
            self.combine(op)

    def combine(self, op):
        """A sum or a difference: three operands, the last may be in memory."""
        a, b = op.sources
        if op.kind == "add" and not self.held(a) and self.held(b):
            a, b = b, a
        self.load(a, op.sources)
        operands = f"{self.name(a)}, {self.name(b)}"
        self.release(op.sources)
        self.register[op.result] = self.take()
        self.lines.append(f"v{op.kind}pd {self.name(op.result)}, {operands}")

    def multiply(self, op):
        """A fused multiply-add overwrites one of its operands, and may have one in memory."""
        x, y, z = op.sources
        instruction = "vfmadd" if op.kind == "fma" else "vfmsub"
        for factor in (x, y):
            again = self.next_use(factor, self.now) - self.now
            if not self.held(factor) and again < self.soon:
                self.load(factor, op.sources)
        if op.kind == "fma" and self.held(z) and self.last(z):
            if not self.held(x) and not self.held(y):
                self.load(x, op.sources)
            if not self.held(x):
                x, y = y, x
            self.lines.append(f"{instruction}231pd {self.name(z)}, {self.name(x)}, {self.name(y)}")
            register = self.register.pop(z)
        else:
            register, y, own = self.overwritten(op.sources)
            if not self.held(y) and not self.held(z):
                self.load(z, op.sources)
            form, a, b = ("132", z, y) if self.held(z) else ("213", y, z)
            self.lines.append(f"{instruction}{form}pd ymm{register}, {self.name(a)}, {self.name(b)}")
            if own is not None:
                self.register.pop(own)
        self.release(op.sources)
        self.register[op.result] = register

    def overwritten(self, sources):
        """A register with one factor that may be overwritten, the other factor, and the value that
        loses its register, if one does."""
        x, y, z = sources
        for own, other in ((x, y), (y, x)):
            if x != y and self.held(own) and self.last(own):
                return self.register[own], other, own
        # A copy: rather of what memory holds, which is a load and no move, if the rest is held.
        if self.held(x) and not self.held(y) and self.held(z):
            x, y = y, x
        if not self.held(y) and not self.held(z):
            self.load(z, sources)
        register = self.take(sources)
        self.lines.append(f"vmovapd ymm{register}, {self.name(x)}")
        return register, y, None


def routine(operations, plan):
    work = plan["work"]
    values, streams = {}, []
    for vector in range(2):
        code = Code(values, work)
        operations(code, vector, plan)
        streams.append(code.ops)
    merged = sorted((i + vector * plan["distance"], vector, i)
                    for vector, ops in enumerate(streams) for i in range(len(ops)))
    ops = [streams[vector][i] for _, vector, i in merged]
    if "window" in plan:
        ops = schedule(ops, plan["window"], plan["limit"])
    memory = {value: key for key, value in values.items() if isinstance(key, str)}
    pinned = {code.constant("START")}
    return Allocator(ops, memory, pinned, work, plan["soon"]).lines


PLANS = {
    "product.s": (lambda code, vector, plan: Product(code, vector, False, plan), {
        "work": "rcx", "groups": [[2], [7, 6, 5], [1, 3, 4], [0], [8]],
        "end_together": True, "distance": 122, "soon": 48,
    }),
    "square.s": (lambda code, vector, plan: Product(code, vector, True, plan), {
        "work": "rdx", "groups": [[4, 2], [3, 6], [5, 7], [1, 8, 0]],
        "end_together": False, "distance": 159, "soon": 8, "window": 40, "limit": 15,
    }),
    "sum_and_difference.s": (
        lambda code, vector, plan: sums(code, vector, [("add", "rdi"), ("sub", "r8")]),
        {"work": "rcx", "distance": 50, "soon": 12, "window": 60, "limit": 13},
    ),
    "difference.s": (
        lambda code, vector, plan: sums(code, vector, [("sub", "rdi")]),
        {"work": "rcx", "distance": 50, "soon": 12, "window": 60, "limit": 13},
    ),
    "scaled_sum.s": (
        lambda code, vector, plan: scaled_sum(code, vector),
        {"work": "rcx", "distance": 50, "soon": 12, "window": 60, "limit": 13},
    ),
}


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    stale = []
    for name, (operations, plan) in PLANS.items():
        path = FOLDER / name
        text = "# Written by scripts/generate-avx2.py.\n" + "\n".join(routine(operations, plan)) + "\n"
        if not check:
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit(f"not what scripts/generate-avx2.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
