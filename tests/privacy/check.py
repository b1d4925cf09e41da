#!/usr/bin/env python3
"""A second accountant, to check what `talariad plan` says: python3 check.py target/debug/talariad

Written from mixnet/PRIVACY.md, not from the Rust code, and by another method: where that one cuts
the loss into a grid and bounds every error, this one has no grid. It takes the characteristic
function of one round's loss exactly, raises it to the number of rounds, and integrates the Fourier
series of the composed loss against 1 - e^(eps - x) term by term. It estimates, so it may be a
little above or below the truth; the bound must agree to three digits and not be below it.
"""

import json
import math
import subprocess
import sys

import numpy as np

# Agreement to three digits.
DIGITS = 5e-4
# How far below the estimate a bound may be before it is no bound: the estimate's own error.
ESTIMATE = 2e-6
# Frequencies of the composed loss, at most, and sines computed at once.
FREQUENCIES, AT_ONCE = 60_000, 1_000_000
LN2, LN3 = math.log(2), math.log(3)

# epsilon as an argument and a number, delta, charged rounds, and the noise that was expected.
GOALS = [
    ("ln2", LN2, 1e-4, 100, 628),
    ("ln2", LN2, 1e-4, 1_000, 1_846),
    ("ln2", LN2, 1e-4, 10_000, 5_680),
    ("ln2", LN2, 1e-4, 250_000, 27_954),
    ("ln3", LN3, 1e-4, 1_000, 1_238),
    ("ln3", LN3, 1e-4, 250_000, 18_704),
    ("0.5", 0.5, 1e-5, 2_000, None),
]

# Noise for 10,000 rounds and more by Vuvuzela's mechanism and bound.
VUVUZELA = {10_000: 101_496, 250_000: 592_971}

# mu, b, rounds, and what section 6 of the paper makes of them with d = 1e-5.
PAPER = [
    (150_000, 7_300, 70_000, 0.7167, 9.34e-5),
    (300_000, 13_800, 250_000, 0.7164, 1.005e-4),
    (450_000, 20_000, 500_000, 0.6986, 9.46e-5),
]


# Pairs moved by so many, rounds, and delta with the noise for 10,000 moved by one (section 10).
MOVED = [(2, 2_500, 1.17e-4), (2, 5_000, 2.3e-3)]
WITHIN = [(1, 10_000), (2, 2_420), (3, 1_030)]


class Loss:
    """The loss of one round whose pairs move by some; T = 2R onions with exponent alpha."""

    def __init__(self, onions, alpha, moved=1):
        most = onions // 2
        j = np.arange(most + 1)
        p = np.sin(np.pi * (j + 1) / (most + 2)) ** alpha
        p /= p.sum()
        self.spectra = {}
        self.infinite = p[:moved].sum()
        self.mass = p[moved:]
        self.loss = alpha * np.log(
            np.sin(np.pi * (j[moved:] + 1) / (most + 2))
            / np.sin(np.pi * (j[:-moved] + 1) / (most + 2))
        )

    def log_moment(self, tilt):
        exponent = tilt * self.loss
        top = exponent.max()
        return math.log(np.dot(self.mass, np.exp(exponent - top))) + top

    def window(self, rounds):
        """Outside of it the composed loss has less than 1e-14 at either end (Chernoff)."""
        mean = np.dot(self.mass, self.loss)
        deviation = math.sqrt(rounds * (np.dot(self.mass, self.loss**2) - mean**2))
        tilts = np.geomspace(0.5, 20, 20) / deviation
        room = math.log(1e14)
        high = min((rounds * self.log_moment(t) + room) / t for t in tilts)
        low = max(-(rounds * self.log_moment(-t) + room) / t for t in tilts)
        return low, high

    def spectrum(self, rounds):
        """Fourier coefficients of the composed loss on its window, until they vanish."""
        if rounds not in self.spectra:
            low, high = self.window(rounds)
            values, frequencies = [], []
            step = max(1, AT_ONCE // len(self.loss))
            for begin in range(0, FREQUENCIES, step):
                omega = 2 * np.pi * np.arange(begin, begin + step) / (high - low)
                phi = np.exp(1j * np.outer(omega, self.loss)) @ self.mass
                values.append(np.exp(rounds * np.log(phi)))
                frequencies.append(omega)
                if np.abs(values[-1]).max() < 1e-14:
                    break
            self.spectra[rounds] = np.concatenate(frequencies), np.concatenate(values), low, high
        return self.spectra[rounds]

    def deltas(self, rounds, epsilons):
        """delta at each epsilon."""
        omega, phi, low, high = self.spectrum(rounds)
        certain = -math.expm1(rounds * math.log1p(-self.infinite))
        finite = (above(omega, phi, max(epsilon, low), high, epsilon) for epsilon in epsilons)
        return [certain + part for part in finite]


def above(omega, phi, begin, end, epsilon):
    """The integral of 1 - e^(epsilon - x) over the composed loss from begin to end."""

    def integral(power):
        rate = power + 1j * omega
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.exp(power * epsilon) * (np.exp(-rate * begin) - np.exp(-rate * end)) / rate
        return np.where(rate == 0, end - begin, value)

    terms = (phi * (integral(0) - integral(1))).real
    # The window is one period, and negative frequencies double all terms but the first.
    return (2 * terms.sum() - terms[0]) * omega[1] / (2 * np.pi)


def epsilon_at(loss, rounds, delta, near):
    """The epsilon at which delta is reached, by secants on its logarithm."""
    points = [near, near * 1.001]
    for _ in range(6):
        one, two = points[-2:]
        at_one, at_two = (math.log(value / delta) for value in loss.deltas(rounds, (one, two)))
        if abs(at_two) < 1e-9 or at_one == at_two:
            break
        points.append(two - at_two * (two - one) / (at_two - at_one))
    return points[-1]


def paper_bound(b, mu, rounds, d):
    """Epsilon and delta of the paper's section 6."""
    per_round = 4 / b
    epsilon = math.sqrt(2 * rounds * math.log(1 / d)) * per_round
    epsilon += rounds * per_round * math.expm1(per_round)
    return epsilon, rounds * math.exp((2 - mu) / b) + d


def paper_noise(epsilon, delta, rounds):
    """The least 2 mu for which the paper's bound holds, over b and d."""
    d = delta * np.linspace(1e-3, 1 - 1e-3, 20_000)
    root = np.sqrt(2 * rounds * np.log(1 / d))
    low, high = np.zeros_like(d), np.full_like(d, 10.0)
    for _ in range(100):
        middle = (low + high) / 2
        over = root * middle + rounds * middle * np.expm1(middle) > epsilon
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    b = 4 / low
    return 2 * (2 + b * np.log(rounds / (delta - d))).min()


class Report:
    """Counts what does not agree."""

    def __init__(self):
        self.wrong = 0

    def close(self, what, found, expected, tolerance):
        self.true(
            f"{what}: {found:.8g} against {expected:.8g}",
            abs(found - expected) <= tolerance * abs(expected),
        )

    def true(self, what, holds):
        self.wrong += not holds
        print(f"  {'ok   ' if holds else 'WRONG'} {what}")


def plan(program, *arguments):
    command = [program, "plan", "--json", "--no-measurement", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def check_goal(report, program, name, epsilon, delta, rounds, expected):
    print(f"epsilon {name}, delta {delta}, {rounds} charged rounds")
    found = plan(program, "--epsilon", name, "--delta", delta, "--charged-rounds", rounds)
    onions, alpha = found["noise_onions"], found["alpha"]
    loss = Loss(onions, alpha)
    at_goal, advantage = loss.deltas(rounds, (epsilon, 0.0))
    report.close("delta", found["accounted_delta"], at_goal, DIGITS)
    report.true("delta is a bound", found["accounted_delta"] >= at_goal * (1 - ESTIMATE))
    report.true("and within the goal", found["accounted_delta"] <= delta)
    own = epsilon_at(loss, rounds, delta, epsilon)
    report.close("epsilon", found["accounted_epsilon"], own, DIGITS)
    report.true("epsilon is a bound", found["accounted_epsilon"] >= own * (1 - ESTIMATE))
    report.close("advantage", found["attacker_advantage"], advantage, DIGITS)
    less = round(onions * 0.999) // 2 * 2 - 2
    best = min(Loss(less, alpha + d).deltas(rounds, (epsilon,))[0] for d in (-0.2, 0, 0.2))
    report.true(f"{less} onions are too few: {best:.6g}", best > delta)
    if expected:
        report.close("noise", onions, expected, 0.01)
    report.close(
        "Vuvuzela's", found["vuvuzela_noise_onions"], paper_noise(epsilon, delta, rounds), DIGITS
    )
    if rounds in VUVUZELA and name == "ln2":
        report.close("expected", found["vuvuzela_noise_onions"], VUVUZELA[rounds], DIGITS)
    back = plan(program, "--epsilon", name, "--delta", delta, "--noise-onions", onions)
    report.true(
        f"{onions} onions last {back['charged_rounds']} rounds",
        rounds <= back["charged_rounds"] <= rounds * 1.02 + 1,
    )


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} TALARIAD")
    report = Report()
    print("Vuvuzela's own parameters and bound")
    for mu, b, rounds, epsilon, delta in PAPER:
        found = paper_bound(b, mu, rounds, 1e-5)
        report.close("epsilon", found[0], epsilon, DIGITS)
        report.close("delta", found[1], delta, DIGITS)
    print("pairs that move by more than one, with the noise for 10,000 rounds")
    for moved, rounds, delta in MOVED:
        (found,) = Loss(5_668, 2.4, moved).deltas(rounds, [LN2])
        report.close(f"{rounds} moved by {moved}: delta", found, delta, 0.03)
    for moved, rounds in WITHIN:
        (found,) = Loss(5_668, 2.4, moved).deltas(rounds, [LN2])
        report.true(f"{rounds} moved by {moved} keep delta: {found:.4g}", 9e-5 < found <= 1e-4)
    for goal in GOALS:
        check_goal(report, sys.argv[1], *goal)
    if report.wrong:
        sys.exit(f"{report.wrong} results do not agree")


if __name__ == "__main__":
    main()
