/* SPDX-License-Identifier: MIT */
#include "coro/report.h"

#include "coro/inspect_impl.h"
#include "eventer/pool.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Nothing here runs on the stack of a coroutine. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define LINE_SIZE 1024
#define MAPS_SIZE 512 /* of a piece of /proc/self/maps */

static int fds[REPORT_FDS_MAX] = {STDERR_FILENO};
static int fd_count = 1;
static bool is_for_log;
static char *words; /* NULL: none */
static uint32_t words_size;
static _Atomic uint32_t *words_len;

/* ---- saying it ------------------------------------------------------------------- */

void report_also_to(int fd)
{
    if (fd_count < REPORT_FDS_MAX)
        fds[fd_count++] = fd;
}

void report_into(char *memory, uint32_t size, _Atomic uint32_t *len)
{
    words = memory;
    words_size = size;
    words_len = len;
}

/* One thread at a time reports. */
static void write_words(const char *bytes, size_t len)
{
    const uint32_t at = atomic_load_explicit(words_len, memory_order_relaxed);
    const size_t room = at < words_size ? words_size - at : 0;
    memcpy(words + at, bytes, MIN(len, room));
    atomic_store(words_len, at + (uint32_t)MIN(len, room)); /* another process reads it */
}

void report_to_log(void)
{
    is_for_log = true;
}

/* A line at a time. */
static void write_log(const char *bytes, size_t len)
{
    static char line[LINE_SIZE];
    static size_t line_len;
    for (size_t i = 0; i < len; i++) {
        if (line_len < sizeof(line))
            line[line_len++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        line[line_len - 1] = '\n'; /* also where it was cut */
        mtevL(mtev_error, "%.*s", (int)line_len, line);
        line_len = 0;
    }
}

void report_write(const char *bytes, size_t len)
{
    if (words != NULL)
        write_words(bytes, len);
    else if (is_for_log)
        write_log(bytes, len);
    for (int i = words != NULL || is_for_log ? 1 : 0; i < fd_count; i++)
        (void)!write(fds[i], bytes, len);
}

void report_text(const char *text)
{
    report_write(text, strlen(text));
}

void report_number(uint64_t number, unsigned base)
{
    char digits[20 + 1] = "";
    size_t at = sizeof(digits) - 1;
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    report_text(digits + at);
}

/* As backtrace_symbols_fd(3) has it: FILE(FUNCTION+OFFSET)[ADDRESS]. */
void report_address(void *address)
{
    Dl_info info = {0};
    const bool is_known = dladdr(address, &info) != 0 && info.dli_fname != NULL;
    const void *base = is_known && info.dli_sname != NULL ? info.dli_saddr : info.dli_fbase;
    if (is_known) {
        report_text(info.dli_fname);
        report_text("(");
        report_text(info.dli_sname != NULL ? info.dli_sname : "");
        report_text("+0x");
        report_number((uintptr_t)address - (uintptr_t)base, 16);
        report_text(")");
    }
    report_text("[0x");
    report_number((uintptr_t)address, 16);
    report_text("]\n");
}

/* ---- where a stack ends ---------------------------------------------------------- */

struct maps { /* a line of /proc/self/maps, as far as it was read */
    uintptr_t begin, end, value, wanted;
    enum {
        MAPS_BEGIN,
        MAPS_END,
        MAPS_REST
    } at;
};

/* Go on with a byte; true: this line is about the address that is wanted. */
static bool take_byte(struct maps *maps, char byte)
{
    if (byte == '\n') {
        const bool is_it = maps->wanted >= maps->begin && maps->wanted < maps->end;
        if (!is_it)
            *maps = (struct maps){.wanted = maps->wanted};
        return is_it;
    }
    if (maps->at == MAPS_REST)
        return false;
    if (maps->at == MAPS_BEGIN && byte == '-') {
        maps->begin = maps->value;
        maps->value = 0;
        maps->at = MAPS_END;
    } else if (byte == ' ') {
        maps->end = maps->value;
        maps->at = MAPS_REST;
    } else {
        maps->value = maps->value * 16 + (uintptr_t)(byte <= '9' ? byte - '0' : byte - 'a' + 10);
    }
    return false;
}

/* The end of the mapping that address is in; address itself, if that is not known. */
static uintptr_t mapping_end(uintptr_t address)
{
    struct maps maps = {.wanted = address};
    char bytes[MAPS_SIZE];
    ssize_t len;
    bool is_found = false;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return address;
    while (!is_found && (len = read(fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < len && !is_found; i++)
            is_found = take_byte(&maps, bytes[i]);
    close(fd);
    return is_found ? maps.end : address;
}

/* ---- a thread -------------------------------------------------------------------- */

static uintptr_t stack_end(uintptr_t sp)
{
    const aco_t *co = aco_gtls_co;
    if (co != NULL && !aco_is_main_co(co) && aco_stack_has(co->share_stack, (const void *)sp))
        return (uintptr_t)co->share_stack->top;
    if (loop_self != NULL && sp < (uintptr_t)loop_self->stack_top &&
        (uintptr_t)loop_self->stack_top - sp < ((uintptr_t)1 << 30))
        return (uintptr_t)loop_self->stack_top;
    return mapping_end(sp);
}

static void say_frames(struct frames *frames)
{
    struct frame frame;
    int count = 0;
    while (count++ < DUMP_FRAMES_MAX && frames_next(frames, &frame))
        report_address(frame.address);
}

static void say_coroutine(const struct coro *co)
{
    const char *name = aco_name(&co->co);
    report_text("coroutine ");
    if (name != NULL)
        report_text(name);
    report_text(" started at ");
    report_text(co->site->where == NULL ? "a place not known" : co->site->where);
}

void report_thread(const ucontext_t *context)
{
    struct object_map map = {.next = 0};
    struct frames frames;
    const struct coro *self = coro_self();
    const uintptr_t sp = frames_sp(context);
    report_text("thread ");
    report_number((uint64_t)gettid(), 10);
    if (loop_self != NULL) {
        report_text(", loop ");
        report_text(loop_self->name);
        if (atomic_load(&loop_self->is_asleep))
            report_text(", asleep");
    }
    if (self != NULL) {
        report_text(", in the ");
        say_coroutine(self);
    }
    report_text(":\n");
    if (sp == 0)
        return;
    frames_from(&frames, &map, context, sp, stack_end(sp));
    say_frames(&frames);
}

/* ---- all coroutines -------------------------------------------------------------- */

struct listing {
    size_t count, shown;
    struct object_map objects;
};

static int say_one(struct coro *co, void *closure)
{
    struct listing *listing = closure;
    struct frames frames;
    listing->count++;
    if (co->co.state_ == CORO_RUNNING || co->co.state_ == CORO_NEW ||
        listing->shown == REPORT_COROUTINES_MAX)
        return 0;
    listing->shown++;
    say_coroutine(co);
    report_text(", ");
    report_text(coro_state_text(co));
    report_text(", waiting for: ");
    report_text(coro_wait_text(co));
    report_text("\n");
    stacks_unprotect(coro_stack_of(co));
    frames_of(&frames, &listing->objects, co);
    say_frames(&frames);
    stacks_protect(coro_stack_of(co));
    return 0;
}

static void say_loop(struct loop *loop, void *closure)
{
    if (loop->coro != NULL)
        coro_each(loop->coro, say_one, closure);
}

void report_coroutines(void)
{
    static struct listing listing; /* too large for a signal's stack, and wanted once */
    listing = (struct listing){.count = 0};
    pool_each_loop(say_loop, &listing);
    report_number(listing.count, 10);
    report_text(" coroutines, of which ");
    report_number(listing.shown, 10);
    report_text(" wait and were shown\n");
}
