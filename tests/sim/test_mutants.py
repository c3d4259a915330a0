#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: the simulator finds defects of the library: each one below, planted, makes a seed fail.

Method: for each, a copy of one source file with one change is compiled as the build compiles it and
linked before the library, and the program runs seeds until one fails.  Arguments: the source tree,
the build folder, and names of defects (none: all; --few: some that are soon built).
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = (os.path.abspath(path) for path in sys.argv[1:3])
FEW = ["loop_does_not_look_twice", "edge_of_an_old_registration", "timer_is_rounded_down",
       "order_changes_and_a_job_is_lost", "timeout_outlives_its_wait"]
CHOSEN = FEW if sys.argv[3:] == ["--few"] else sys.argv[3:]
SEEDS_MAX = 20000

# name: (file, what it says, what it says instead)
DEFECTS = {
    "loop_sleeps_in_secret": (
        "eventer/loop.c", "atomic_store(&loop->is_asleep, true);", ";"),
    "loop_does_not_look_twice": (
        "eventer/loop.c", "if (mailbox_has_mail(&loop->mail) || atomic_load(&loop->must_stop))",
        "if (atomic_load(&loop->must_stop))"),
    "mail_wakes_nobody": (
        "eventer/loop.c", "if (loop != loop_self) /*", "if (loop == NULL) /*"),
    "edge_of_an_old_registration": (
        "eventer/edge.c",
        "if (slot == NULL || atomic_load_explicit(&slot->generation, memory_order_relaxed) != "
        "generation)\n        return; /*", "if (slot == NULL || slot->event == NULL)\n return; /*"),
    "level_of_an_old_registration": (
        "eventer/fd.c",
        "if (atomic_load_explicit(&slot->generation, memory_order_relaxed) == generation)",
        "if (slot->generation != generation + 1000000)"),
    "wait_ends_twice": (
        "coro/coro.h", "if (co->co.generation_ != generation || co->co.state_ != CORO_PARKED)",
        "if (co->co.state_ != CORO_PARKED && co->co.state_ != CORO_READY)"),
    "timeout_outlives_its_wait": (
        "coro/io.c", "wheel_cancel(&self->timer);", ";"),
    "close_wakes_nobody": (
        "coro/io.c", "    coro_cancel_waits(e);\n    edge_unregister(e);",
        "    edge_unregister(e);"),
    "close_forgets_who_is_ready": (
        "coro/io.c", "waiter->result = -ECANCELED; /*", "; /*"),
    "writer_is_not_woken": (
        "coro/io.c", "if (writer != NULL && (poll_bits", "if (writer == NULL && (poll_bits"),
    "end_is_taken_for_a_short_read": (
        "eventer/event.h", "edge->is_stream && edge->sticky == 0", "edge->is_stream"),
    "timer_is_rounded_down": (
        "eventer/wheel.c", "+ ((due_ns & part) != 0)", "+ 0 * part"),
    "timer_is_a_tick_late": (
        "eventer/wheel.c", "+ ((due_ns & part) != 0)", "+ 2"),
    "removed_timer_fires": (
        "eventer/schedule.c", "if (!take_state(e, SCHEDULE_ARMED, SCHEDULE_FIRING))",
        "if (take_state(e, SCHEDULE_ARMED, SCHEDULE_FIRING), false)"),
    "timer_does_not_follow_the_wall_clock": (
        "eventer/schedule.c", "    wheel_each(&loop->wheel, take_by_wall_clock, &moved);", ""),
    "moved_timer_keeps_its_time": (
        "eventer/schedule.c", "arm(loop, e); /* its whence changed */", ";"),
    "event_does_not_move": (
        "eventer/fd.c", "if (owner != slot->loop) {", "if (owner == NULL) {"),
    "trigger_runs_where_it_arrives": (
        "eventer/register.c", "if (owner != loop) { /*", "if (owner == NULL) { /*"),
    "called_thread_says_nothing": (
        "jobq/jobq.c", "    pthread_mutex_lock(&q->lock);\n    q->help_is_coming = false;\n"
        "    return true;", "    pthread_mutex_lock(&q->lock);\n    return true;"),
    "thread_ends_with_a_call": (
        "jobq/jobq.c", "if (ring_is_linked(&worker->idle) && may_end(q)) {", "if (may_end(q)) {"),
    "thread_that_cannot_be_made_is_awaited": (
        "jobq/jobq.c", "q->help_is_coming = worker != NULL;\n    say_changed",
        "say_changed"),
    "order_changes_and_a_job_is_lost": (
        "jobq/fair.c", "ring_add_tail(is_first ? subqueue->pending.next : &subqueue->pending, "
        "&job->node);",
        "if (is_first && subqueue->inflight > 0) ring_init(&job->node);\n"
        "else ring_add_tail(&subqueue->pending, &job->node);"),
    "withdrawn_job_still_counts": (
        "jobq/jobq.c", "fair_remove(&q->pending, job);\n        q->counts.backlog--;",
        "fair_remove(&q->pending, job);"),
    "job_completes_before_its_timer_is_set": (
        "eventer/asynch.c", "is_timed ? 2 : 1", "1 + 0 * is_timed"),
    "parent_waits_for_no_child": (
        "eventer/asynch.c",
        "        atomic_fetch_add_explicit(&parent->unfinished, 1, memory_order_relaxed);",
        "        parent = job->parent = NULL;"),
    "child_does_not_tell": (
        "eventer/asynch.c", "    if (parent != NULL)\n        release(parent);\n}",
        "    (void)parent;\n}"),
    "lent_stack_is_moved": (
        "coro/asynch.c", "    stacks_pin(stack);\n    return stack;", "    return NULL;"),
    "gate_opens_early": (
        "coro/gate.c", "while (gate->outstanding > 0) { /*", "if (gate->outstanding > 1) { /*"),
}


def read(path):
    """Return a file as text."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def change(name):
    """Return the path of the changed file in the source tree, and its new text."""
    file, old, new = DEFECTS[name]
    path = os.path.join(SOURCE, "src", file)
    text = read(path)
    words = re.findall(r"\S+", old)
    pattern = re.compile(r"\s*".join(re.escape(word) for word in words))
    found = pattern.findall(text)
    if len(found) != 1:
        raise ValueError(f"{name}: {len(found)} places in {file} read so")
    return path, pattern.sub(lambda _: new, text)


def users_of(path, compiled):
    """Return the sources of the library that are to be compiled again for a changed file."""
    if path.endswith(".c"):
        return [path]
    header = os.path.relpath(path, os.path.join(SOURCE, "src"))
    folder = os.path.join(SOURCE, "src")
    layers = [os.path.join(folder, layer) for layer in ("eventer", "coro")]
    files = [os.path.join(layer, file) for layer in layers for file in sorted(os.listdir(layer))]
    return [file for file in files if file in compiled and uses(file, header)]


def uses(file, header):
    """Tell whether a source of the coroutine layer or the eventer may include the header."""
    text = read(file)
    return f'"{header}"' in text or "_impl.h" in text


def compile_commands():
    """Return the command that compiles each source of the library."""
    commands = {}
    for entry in json.loads(read(os.path.join(BUILD, "compile_commands.json"))):
        path = os.path.abspath(os.path.join(entry["directory"], entry["file"]))
        if entry["output"].startswith("src/libeventer_"):  # tests compile some of them otherwise
            commands[path] = shlex.split(entry["command"])
    return commands


def link_command():
    """Return the command that links the program."""
    said = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "tests/sim/sim"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    line = [line for line in said.splitlines() if " -o tests/sim/sim " in line][-1]
    return shlex.split(line)


def build(name, folder):
    """Build the program with the defect; return its path."""
    path, text = change(name)
    mutated = os.path.join(folder, os.path.relpath(path, os.path.join(SOURCE, "src")))
    os.makedirs(os.path.dirname(mutated), exist_ok=True)
    with open(mutated, "w", encoding="utf-8") as file:
        file.write(text)
    objects = []
    commands = compile_commands()
    for source in users_of(path, commands):
        command = commands[source][:]
        output = os.path.join(folder, os.path.relpath(source, SOURCE).replace("/", "_") + ".o")
        command[command.index("-o") + 1] = output
        if "-MF" in command:
            command[command.index("-MF") + 1] = output + ".d"
        command[-1] = mutated if source == path else source
        options = next(i for i, word in enumerate(command) if word.startswith("-"))  # behind ccache
        subprocess.run(command[:options] + ["-I" + folder] + command[options:-1] +
                       ["-w", "-O1", "-g0"] + command[-1:], cwd=BUILD, check=True)
        objects.append(output)
    program = os.path.join(folder, "sim")
    link = link_command()
    link[link.index("-o") + 1] = program
    first = next(i for i, word in enumerate(link) if word.endswith(".a"))
    subprocess.run(link[:first] + objects + link[first:], cwd=BUILD, check=True)
    return program


class Mutants(unittest.TestCase):
    """Each planted defect is found."""


def make_test(name):
    """Return the test of one defect."""
    def test(self):
        with tempfile.TemporaryDirectory() as folder:
            program = build(name, folder)
            run = subprocess.run([program, "--seeds", str(SEEDS_MAX), "--failures", "1"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 check=False, errors="replace")
            self.assertEqual(run.returncode, 1, f"no seed of {SEEDS_MAX} fails")
            print(f"{name}: {run.stdout.splitlines()[0]}", flush=True)
    return test


for defect in CHOSEN or DEFECTS:
    setattr(Mutants, "test_" + defect + "_is_found", make_test(defect))

unittest.main(argv=sys.argv[:1])
