#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: a seed's world is the same each time, each seed has its own, a failure says how to see it
again, and what is planted in the world itself is found.

Method: run the program (its path is the argument) and compare what it prints.
"""
import re
import subprocess
import sys
import unittest

SIM = sys.argv[1]


def run(*arguments):
    """Run the program; return its status and all it says."""
    done = subprocess.run([SIM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return done.returncode, done.stdout


def trace_of(seed):
    """Return the hash of a seed's trace."""
    status, said = run("--seed", str(seed))
    found = re.search(rf"^seed {seed}: trace ([0-9a-f]{{16}})$", said, re.M)
    assert status == 0 and found, said
    return found[1]


class Worlds(unittest.TestCase):
    """What holds of every world."""

    def test_a_seed_has_the_same_trace_in_two_processes(self):
        for seed in range(1, 9):
            self.assertEqual(trace_of(seed), trace_of(seed))

    def test_two_seeds_have_different_traces(self):
        self.assertEqual(len({trace_of(seed) for seed in range(1, 9)}), 8)

    def test_a_seed_is_the_same_among_others(self):
        one_by_one = [run("--seed", str(seed))[1].splitlines()[1].split()[-1]
                      for seed in range(1, 6)]
        together = run("--seeds", "5")[1].splitlines()[0].split()[-1]
        by_two = run("--seeds", "5", "--jobs", "2")[1].splitlines()[0].split()[-1]
        total = sum(int(number, 16) for number in one_by_one) % 2**64
        self.assertEqual(f"{total:016x}", together)
        self.assertEqual(together, by_two)

    def test_a_whole_trace_can_be_had(self):
        said = run("--seed", "1", "--trace")[1].splitlines()
        self.assertGreater(len(said), 50)
        self.assertRegex(said[0], r"^ *[0-9.]+ us  thread 0 ")


class Plants(unittest.TestCase):
    """A world that breaks what the library may rely on is found out, and can be seen again."""

    def assert_found(self, plant):
        status, said = run("--plant", plant, "--failures", "1")
        self.assertEqual(status, 1, said)
        seed = re.search(r"^to see it again: \S+ --seed (\d+) --trace --plant " + plant, said, re.M)
        self.assertIsNotNone(seed, said)
        status, again = run("--seed", seed[1], "--trace", "--plant", plant)
        self.assertEqual(status, 1)
        reason = next(line for line in said.splitlines() if line.startswith("seed "))
        self.assertIn(reason, again.splitlines())

    def test_a_lost_wake_is_found(self):
        self.assert_found("wake")

    def test_a_clock_that_runs_ahead_is_found(self):
        self.assert_found("clock")

    def test_a_lost_edge_is_found(self):
        self.assert_found("edge")

    def test_a_lost_byte_is_found(self):
        self.assert_found("byte")

    def test_a_thread_that_is_not_woken_is_found(self):
        self.assert_found("futex")


unittest.main(argv=sys.argv[:1])
