# SPDX-License-Identifier: MIT
"""Coroutines of libeventer in gdb, of a live process or of a core file.  In gdb:

    source PATH/eventer.py
    info coroutines [FIRST]       list them, by number
    coroutine N COMMAND...        do COMMAND as if N were what runs here: coroutine 3 bt

The program's libeventer needs debug information (-g).

A coroutine that waits has its frames on its stack, or in its save area while others use the stack.
In a live process they are put where they belong for as long as COMMAND takes, with the registers of
its loop's thread; everything is put back then, also after an error.  A core file cannot be written
to: a copy is made in which the coroutine is what thread 1 does, and COMMAND is done there.
"""
import os
import re
import struct
import subprocess
import tempfile

import gdb

LISTED_MAX = 200
BEGIN = "--- what it said"
NAME_SLOT = 16  # MAX_TLS_ENTRIES in aco.h
AGE_UNIT_NS = 1 << 26  # CORO_AGE_UNIT_NS in coro.h

# Of src/base/slab.c: a region is 32 slabs; the first one has the region's header before its own.
SLAB_SIZE = 64 * 1024
SLABS_A_REGION = 32
REGION_HEADER_SIZE = 32
SLAB_HEADER_SIZE = 64

# Registers of a context, and where they lie in a core file's prstatus (elf_gregset_t, in words).
REGISTERS = {"i386:x86-64": ("rip", "rsp", "rbp"), "aarch64": ("pc", "sp", "x29")}
KEPT = {"i386:x86-64": ("rip", "rsp", "rbp", "orig_rax"), "aarch64": ("pc", "sp", "x29")}
ELF_MACHINES = {62: (16, 19, 4), 183: (32, 31, 29)}
PRSTATUS_REGISTERS = 112  # bytes before them
PT_LOAD, PT_NOTE, NT_PRSTATUS = 1, 4, 1


def inferior():
    """The process or core that is looked at."""
    return gdb.selected_inferior()


def read(address, size):
    """Return bytes of it."""
    return bytes(inferior().read_memory(address, size))


def word(address):
    """Return a pointer that lies there."""
    return struct.unpack("<Q", read(address, 8))[0]


def text(address):
    """Return a C string, or None for NULL."""
    return gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string() if address else None


def offset_of(type_name, path):
    """Return (offset, size) of a member: 'co.save_stack.ptr'."""
    kind = gdb.lookup_type(type_name)
    offset = 0
    for name in path.split("."):
        field = kind.strip_typedefs()[name]
        offset += field.bitpos // 8
        kind = field.type
    return offset, kind.strip_typedefs().sizeof


class Layout:
    """Where the members of struct coro and its like lie."""

    CORO = ("co.sp", "co.share_stack", "co.save_stack.ptr", "co.tls_", "co.state_", "co.reason_",
            "site", "born")

    def __init__(self):
        try:
            self.coro = {path.split(".")[-1]: offset_of("struct coro", path) for path in self.CORO}
            self.slab = {path: offset_of("struct slab", path) for path in ("object_size", "carved")}
            self.states = self.enum("enum coro_state", "CORO_")
            self.reasons = self.enum("enum coro_reason", "CORO_WAITS_")
        except gdb.error as error:
            raise gdb.GdbError(f"no debug information of libeventer here: {error}")
        self.coro_size = gdb.lookup_type("struct coro").sizeof

    @staticmethod
    def enum(name, prefix):
        """Return {value: words} of an enum."""
        return {field.enumval: field.name[len(prefix):].lower().replace("_", " ")
                for field in gdb.lookup_type(name).fields()}

    @staticmethod
    def take(members, memory, at, name):
        """Return a member of what lies in memory[at:]."""
        offset, size = members[name]
        return int.from_bytes(memory[at + offset:at + offset + size], "little")


class Coroutine:
    """One of them, as it was when it was listed."""

    def __init__(self, layout, memory, at, address, loop):
        def take(name):
            return layout.take(layout.coro, memory, at, name)

        self.address = address
        self.loop = loop
        self.state = layout.states.get(take("state_"), "?")
        self.reason = layout.reasons.get(take("reason_"), "?")
        self.born, self.site, self.slots = take("born"), take("site"), take("tls_")
        self.sp, self.saved, self.stack = take("sp"), take("ptr"), take("share_stack")

    def is_living(self):
        """False for memory that is free again."""
        return self.state not in ("new", "ended", "?")

    def name(self):
        """Its own name, or None."""
        return text(word(self.slots + 8 * NAME_SLOT)) if self.slots else None

    def site_value(self):
        """What is known of its function."""
        return gdb.Value(self.site).cast(gdb.lookup_type("struct coro_site").pointer())

    def of_stack(self, member):
        """An address that its stack has: top, or owner."""
        stack = gdb.Value(self.stack).cast(gdb.lookup_type("aco_share_stack_t").pointer())
        return int(stack[member])

    def live(self):
        """Bytes of its frames, as of its last wait."""
        return self.of_stack("top") - self.sp if self.sp else 0

    def function(self):
        """The symbol of its function."""
        found = gdb.execute(f"info symbol {int(self.site_value()['key'])}", to_string=True)
        return re.match(r"(\S+) (?:\+ \d+ )?in section", found).group(1) \
            if " in section" in found else hex(int(self.site_value()["key"]))

    def frames(self):
        """Return its frames' bytes, which belong at sp, from wherever they are."""
        is_in_place = self.of_stack("owner") == self.address
        return read(self.sp if is_in_place else self.saved, self.live())


def each_loop():
    """Yield (struct loop *, struct coro_home *) of all loops of all pools."""
    try:
        count = int(gdb.parse_and_eval("'eventer/pool.c'::pool_count"))
        pools = gdb.parse_and_eval("'eventer/pool.c'::pools")
    except gdb.error as error:
        raise gdb.GdbError(f"no debug information of libeventer here: {error}")
    home_type = gdb.lookup_type("struct coro_home").pointer()
    for i in range(count):
        for k in range(int(pools[i]["count"])):
            loop = pools[i]["loops"][k].dereference()
            if int(loop["coro"]):
                yield loop, loop["coro"].cast(home_type)


def each_slab(home):
    """Yield (start, index in its region) of each slab of home that is in use."""
    head = home["slabs"]["regions"].address
    region_type = gdb.lookup_type("struct region").pointer()
    link = home["slabs"]["regions"]["next"]
    while int(link) != int(head):
        used = ~int(link.cast(region_type)["free"])  # the link is the region's first member
        for index in range(SLABS_A_REGION):
            if used >> index & 1:
                yield int(link) + index * SLAB_SIZE, index
        link = link["next"]


def all_coroutines():
    """Return the coroutines that live, in an order that lasts while nothing runs."""
    layout = Layout()
    found = []
    for loop, home in each_loop():
        for start, index in each_slab(home):
            header = REGION_HEADER_SIZE if index == 0 else 0
            memory = read(start, SLAB_SIZE)
            size = layout.take(layout.slab, memory, header, "object_size")
            carved = layout.take(layout.slab, memory, header, "carved")
            if size != (layout.coro_size + 15) // 16 * 16:
                continue
            for at in range(header + SLAB_HEADER_SIZE, carved - size + 1, size):
                coroutine = Coroutine(layout, memory, at, start + at, loop)
                if coroutine.is_living():
                    found.append(coroutine)
    return found


class InfoCoroutines(gdb.Command):
    """List the coroutines of libeventer: info coroutines [FIRST]"""

    def __init__(self):
        super().__init__("info coroutines", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        """Print a line for each."""
        found = all_coroutines()
        first = int(argument) if argument.strip().isdigit() else 0
        now = max((int(loop["now_ns"]) for loop, _ in each_loop()), default=0) // AGE_UNIT_NS
        names = {}
        print(f"{len(found)} coroutines")
        for number in range(first, min(len(found), first + LISTED_MAX)):
            self.print_one(number, found[number], now, names)
        if first + LISTED_MAX < len(found):
            print(f"... info coroutines {first + LISTED_MAX} shows more")

    @staticmethod
    def print_one(number, coroutine, now, names):
        """Print one line."""
        if coroutine.site not in names:
            where = text(int(coroutine.site_value()["where"]))
            names[coroutine.site] = coroutine.function() + (f" ({where})" if where else "")
        waits = " " + coroutine.reason if coroutine.state == "parked" else ""
        name = coroutine.name()
        age = (now - coroutine.born) % (1 << 32) * AGE_UNIT_NS / 1e9
        age = 0 if age > 2e8 else age  # it is younger than its loop's clock
        print(f"{number:5} {coroutine.state + waits:16} {age:8.1f} s {coroutine.live():7} bytes  "
              f"{coroutine.loop['name'].string()}  {names[coroutine.site]}"
              + (f": {name}" if name else ""))


def context_of(frames, sp):
    """Return (pc, sp, frame pointer) behind the switch that left them at sp."""
    pc, frame_pointer = struct.unpack("<QQ", frames[:16])
    if pc == int(gdb.parse_and_eval("(unsigned long)&aco_swap_")):
        raise gdb.GdbError("this library switches by ucontext: its frames cannot be shown")
    return pc, sp + 16, frame_pointer


def core_path():
    """Return the path of the core file, or None."""
    found = re.search(r"^Local core dump file:\s*`(.*)', file type",
                      gdb.execute("info files", to_string=True), re.M)
    return found.group(1) if found else None


def in_live(coroutine, command):
    """Do command with the coroutine on its stack and in its loop's thread's registers."""
    thread = inferior().thread_from_handle(coroutine.loop["thread"]) or gdb.selected_thread()
    before = gdb.selected_thread()
    thread.switch()
    gdb.newest_frame().select()
    machine = gdb.newest_frame().architecture().name()
    if machine not in REGISTERS:
        raise gdb.GdbError(f"no way to switch stacks on {machine}")
    frames = coroutine.frames()
    below = read(coroutine.sp, len(frames))
    kept = {name: int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in KEPT[machine]}
    try:
        inferior().write_memory(coroutine.sp, frames)
        for name, value in zip(REGISTERS[machine], context_of(frames, coroutine.sp)):
            gdb.execute(f"set ${name} = {value}")
        gdb.execute(command)
    finally:
        gdb.newest_frame().select()
        inferior().write_memory(coroutine.sp, below)
        for name, value in kept.items():
            gdb.execute(f"set ${name} = {value}")
        before.switch()


class Core:
    """A core file that is changed in place."""

    def __init__(self, file):
        self.file = file
        header = file.read(64)
        if header[:6] != b"\x7fELF\x02\x01":
            raise gdb.GdbError("this is no core file of 64 bits, little endian")
        self.machine = struct.unpack_from("<H", header, 18)[0]
        offset, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        if count == 0xffff:  # it stands in the first section header then
            section, = struct.unpack_from("<Q", header, 40)
            self.file.seek(section)
            count = struct.unpack_from("<I", self.file.read(64), 44)[0]
        self.file.seek(offset)
        table = self.file.read(size * count)
        # (type, flags, offset, address, physical address, size in the file, in memory, alignment)
        self.segments = [struct.unpack_from("<IIQQQQQQ", table, i * size) for i in range(count)]

    def write_memory(self, address, data):
        """Put data where the process had it."""
        for kind, _, offset, begin, _, size, _, _ in self.segments:
            if kind == PT_LOAD and begin <= address and address + len(data) <= begin + size:
                self.file.seek(offset + address - begin)
                self.file.write(data)
                return
        raise gdb.GdbError(f"the core file has not got the memory at {address:#x}")

    def write_registers(self, values):
        """Put pc, sp and frame pointer into the registers of the first thread."""
        if self.machine not in ELF_MACHINES:
            raise gdb.GdbError(f"no way to switch stacks on machine {self.machine}")
        registers = self.first_prstatus() + PRSTATUS_REGISTERS
        for index, value in zip(ELF_MACHINES[self.machine], values):
            self.file.seek(registers + 8 * index)
            self.file.write(struct.pack("<Q", value))

    def first_prstatus(self):
        """Return where the first thread's status lies in the file."""
        for kind, _, offset, _, _, size, _, _ in self.segments:
            end = offset + size
            while kind == PT_NOTE and offset < end:
                self.file.seek(offset)
                name_size, data_size, note = struct.unpack("<III", self.file.read(12))
                offset += 12 + (name_size + 3) // 4 * 4
                if note == NT_PRSTATUS:
                    return offset
                offset += (data_size + 3) // 4 * 4
        raise gdb.GdbError("the core file has no threads")


def in_core(coroutine, number, command):
    """Write a copy of the core in which the coroutine runs, and do command there."""
    core = os.path.abspath(core_path())
    folder = os.path.dirname(core)
    if not os.access(folder, os.W_OK):
        folder = tempfile.gettempdir()
    copy = os.path.join(folder, f"{os.path.basename(core)}.coroutine-{number}")
    program = gdb.current_progspace().filename
    if program is None:
        raise gdb.GdbError("which program? (file PROGRAM)")
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", core, copy], check=True)
    frames = coroutine.frames()
    with open(copy, "r+b") as file:
        patched = Core(file)
        patched.write_memory(coroutine.sp, frames)
        patched.write_registers(context_of(frames, coroutine.sp))
    settings = [word for name in ("sysroot", "solib-search-path")
                for word in ("-iex", f"set {name} {gdb.parameter(name) or ''}")]
    result = subprocess.run(["gdb", "-nx", "-batch", *settings, "-ex", f"python print('{BEGIN}')",
                             "-ex", command, program, copy],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False)
    print(result.stdout.partition(BEGIN + "\n")[2] or result.stdout, end="")
    print(f"(thread 1 of a copy: gdb {program} {copy})")


class InCoroutine(gdb.Command):
    """Do a command as if a coroutine were what runs: coroutine N COMMAND...

N is what `info coroutines` shows."""

    def __init__(self):
        super().__init__("coroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        """Do the command."""
        number, _, command = argument.strip().partition(" ")
        if not number.isdigit() or not command.strip():
            raise gdb.GdbError("coroutine N COMMAND...")
        found = all_coroutines()
        if int(number) >= len(found):
            raise gdb.GdbError(f"there are {len(found)} coroutines, from 0 on")
        coroutine = found[int(number)]
        if coroutine.state == "running":
            raise gdb.GdbError(f"it runs: look at the thread of {coroutine.loop['name'].string()}")
        if not coroutine.sp:
            raise gdb.GdbError("it has not begun yet")
        try:
            if core_path() is not None:
                in_core(coroutine, int(number), command)
            else:
                in_live(coroutine, command)
        except (gdb.error, OSError, subprocess.CalledProcessError) as error:
            raise gdb.GdbError(str(error))


InfoCoroutines()
InCoroutine()
