/* SPDX-License-Identifier: MIT */
#include "main/pulse.h"

#include "base/clock.h"
#include "base/list.h"
#include "eventer/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOM_AT ((size_t)512 * 1024) /* where loops begin */

static_assert(sizeof(struct pulse_table) <= ROOM_AT, "the table ends before the loops begin");

static struct pulse_table *own;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of who enters */

/* ---- the mapping ----------------------------------------------------------------- */

struct pulse_table *pulse_map(int fd)
{
    void *memory =
        mmap(NULL, PULSE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    struct pulse_table *table = memory;
    if (table->version == PULSE_VERSION)
        return table;
    pulse_unmap(table);
    errno = EPROTO;
    return NULL;
}

struct pulse_table *pulse_make(int *out)
{
    int fd = memfd_create("pulses", MFD_CLOEXEC);
    if (fd < 0)
        return NULL;
    const uint32_t version = PULSE_VERSION;
    struct pulse_table *table = NULL;
    if (ftruncate(fd, PULSE_SIZE) == 0 &&
        pwrite(fd, &version, sizeof(version), offsetof(struct pulse_table, version)) ==
            sizeof(version))
        table = pulse_map(fd);
    if (table == NULL) {
        int err = errno;
        close(fd);
        errno = err;
        return NULL;
    }
    *out = fd;
    return table;
}

void pulse_unmap(struct pulse_table *table)
{
    if (table != NULL)
        munmap(table, PULSE_SIZE);
}

/* ---- the child ------------------------------------------------------------------- */

struct pulse_table *pulse_own(void)
{
    return own;
}

void pulse_attend(struct pulse_table *table)
{
    own = table;
    loop_set_room((char *)table + ROOM_AT, PULSE_SIZE - ROOM_AT);
}

static uint64_t offset_of(const void *p)
{
    return (uint64_t)((const char *)p - (const char *)own);
}

/* A fresh pulse that is off; the lock is held.  NULL: there is no more. */
static struct pulse *add(const char *name)
{
    const uint32_t count = atomic_load(&own->count);
    if (count == PULSE_COUNT_MAX)
        return NULL;
    struct pulse *pulse = &own->pulses[count];
    snprintf(pulse->name, sizeof(pulse->name), "%s", name);
    atomic_store(&own->count, count + 1);
    return pulse;
}

struct pulse *pulse_enter(const char *name)
{
    if (own == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    struct pulse *pulse = add(name);
    if (pulse != NULL) {
        atomic_store(&pulse->beat_ns, clock_mono_ns());
        atomic_store(&pulse->since_at, offset_of(&pulse->beat_ns));
    }
    pthread_mutex_unlock(&lock);
    return pulse;
}

static void enter_loop(struct loop *loop, void *closure)
{
    struct pulse *pulse = loop->is_in_room ? add(loop->name) : NULL;
    bool *is_full = closure;
    if (pulse == NULL) {
        *is_full = true;
        return;
    }
    atomic_store(&pulse->tid, loop->tid);
    atomic_store(&pulse->limit_ns, atomic_load(&loop->pool->watchdog_ns));
    atomic_store(&pulse->asleep_at, offset_of(&loop->is_asleep));
    atomic_store(&pulse->since_at, offset_of(&loop->now_ns));
    atomic_store(&pulse->is_on, 1);
}

void pulse_enter_loops(void)
{
    bool is_full = false;
    if (own == NULL)
        return;
    pthread_mutex_lock(&lock);
    pool_each_loop(enter_loop, &is_full);
    pthread_mutex_unlock(&lock);
    if (is_full)
        mtevL(mtev_error, "watchdog: there are more loops than it can watch\n");
}

void pulse_leave_loops(void)
{
    for (uint32_t i = 0; own != NULL && i < atomic_load(&own->count); i++)
        if (atomic_load(&own->pulses[i].asleep_at) != 0)
            atomic_store(&own->pulses[i].is_on, 0);
}

/* ---- the monitor ----------------------------------------------------------------- */

/* Read size bytes at an offset that the child gave; false: it is none. */
static bool read_at(const struct pulse_table *table, uint64_t at, void *out, size_t size)
{
    if (at == 0 || at > PULSE_SIZE - size || at % size != 0)
        return false;
    if (size == sizeof(uint64_t))
        *(uint64_t *)out =
            __atomic_load_n((const uint64_t *)(const void *)((const char *)table + at),
                            __ATOMIC_RELAXED); /* one number, about another process */
    else
        *(char *)out = __atomic_load_n((const char *)table + at, __ATOMIC_RELAXED);
    return true;
}

/* True if the pulse is busy with something; *out: what stands for it. */
static bool is_busy(const struct pulse_table *table, const struct pulse *pulse, uint64_t *out)
{
    char is_asleep = 0;
    (void)read_at(table, atomic_load(&pulse->asleep_at), &is_asleep, sizeof(is_asleep));
    return atomic_load(&pulse->is_on) != 0 && is_asleep == 0 &&
           read_at(table, atomic_load(&pulse->since_at), out, sizeof(*out));
}

int pulse_look(const struct pulse_table *table, struct pulse_watch *watch, uint64_t now_ns,
               uint64_t *busy_ns)
{
    const uint32_t count = MIN(atomic_load(&table->count), PULSE_COUNT_MAX);
    const uint64_t limit_ns = atomic_load(&table->limit_ns);
    for (uint32_t i = 0; i < count; i++) {
        const struct pulse *pulse = &table->pulses[i];
        uint64_t since = 0;
        if (limit_ns == 0 || atomic_load(&table->is_off) != 0 || !is_busy(table, pulse, &since)) {
            watch->seen[i].seen_ns = 0;
            continue;
        }
        if (watch->seen[i].seen_ns == 0 || watch->seen[i].since != since) {
            watch->seen[i].since = since;
            watch->seen[i].seen_ns = now_ns;
        }
        const uint64_t own_ns = atomic_load(&pulse->limit_ns);
        *busy_ns = now_ns - watch->seen[i].seen_ns;
        if (*busy_ns >= (own_ns != 0 ? own_ns : limit_ns))
            return (int)i;
    }
    return -1;
}
