/* SPDX-License-Identifier: MIT */
/*
 * dump.c - all coroutines with their stacks, in the log.
 *
 * In its own thread each loop sorts its coroutines into groups of those that do the same at the
 * same place; that is all it stands still for: 0.13 s a million of them.  Names of addresses are
 * looked up, and lines written, in the thread that asked.
 */
#include "coro/inspect_impl.h"

#include "base/alloc.h"
#include "eventer/loop.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_BUCKETS   4096 /* a power of two, and a multiple of the groups */
#define DUMP_NAMES_MAX 3    /* names that are shown of a group's coroutines */

struct group {
    const void *key; /* the function */
    const char *where;
    const char *state, *wait; /* texts that live for ever */
    uint64_t hash;
    uint64_t count;
    uint64_t stack_bytes, saved_bytes; /* of all together */
    uint64_t age_max_ns;
    unsigned name_count; /* of names; more than DUMP_NAMES_MAX: there are others */
    char names[DUMP_NAMES_MAX][ACO_NAME_MAX + 1];
    int frame_count;
    void *frames[]; /* innermost first */
};

struct dump {
    mtev_log_stream_t ls;
    struct group *groups[DUMP_GROUPS_MAX]; /* owned: count of them */
    size_t count;
    uint16_t buckets[DUMP_BUCKETS]; /* index + 1 of a group; 0: none */
    uint64_t coroutines, ungrouped;
    uint64_t now_ns;
    struct code_map code;
    void *frames[DUMP_FRAMES_MAX]; /* of the coroutine that is looked at */
};

static_assert(DUMP_GROUPS_MAX < UINT16_MAX && DUMP_BUCKETS > DUMP_GROUPS_MAX, "it is never full");

/* ---- grouping, in the loops ------------------------------------------------------ */

static uint64_t mix(uint64_t hash, const void *p)
{
    return (hash ^ (uintptr_t)p) * UINT64_C(0x9E3779B97F4A7C15); /* Knuth, multiplicative hashing */
}

static bool is_alike(const struct group *group, const struct group *wanted, void *const *frames)
{
    return group->hash == wanted->hash && group->key == wanted->key &&
           group->state == wanted->state && group->wait == wanted->wait &&
           group->frame_count == wanted->frame_count &&
           memcmp(group->frames, frames, (size_t)wanted->frame_count * sizeof(*frames)) == 0;
}

/* The group that is like wanted, with these frames, made if need be; NULL: no room or memory. */
static struct group *group_of(struct dump *dump, const struct group *wanted, void *const *frames)
{
    size_t bucket = wanted->hash >> 32 & (DUMP_BUCKETS - 1);
    while (dump->buckets[bucket] != 0) {
        struct group *group = dump->groups[dump->buckets[bucket] - 1];
        if (is_alike(group, wanted, frames))
            return group;
        bucket = (bucket + 1) & (DUMP_BUCKETS - 1);
    }
    if (dump->count == DUMP_GROUPS_MAX)
        return NULL;
    const size_t size = (size_t)wanted->frame_count * sizeof(*frames);
    struct group *group = alloc_bytes(sizeof(*group) + size);
    if (group == NULL)
        return NULL;
    *group = *wanted;
    memcpy(group->frames, frames, size);
    dump->groups[dump->count++] = group;
    dump->buckets[bucket] = (uint16_t)dump->count;
    return group;
}

static void add_name(struct group *group, const char *name)
{
    if (group->name_count > DUMP_NAMES_MAX)
        return;
    for (unsigned i = 0; i < group->name_count; i++)
        if (strcmp(group->names[i], name) == 0)
            return;
    if (group->name_count < DUMP_NAMES_MAX)
        snprintf(group->names[group->name_count], sizeof(group->names[0]), "%s", name);
    group->name_count++;
}

/* The frames of co, as the loop has come to stand: at most DUMP_FRAMES_MAX. */
static int take_frames(struct dump *dump, struct coro *co)
{
    if (co->co.state_ == CORO_RUNNING) /* it is what asks */
        return eventer_aco_backtrace(NULL, dump->frames, DUMP_FRAMES_MAX);
    return coro_backtrace(co, &dump->code, dump->frames, DUMP_FRAMES_MAX);
}

static int add_coroutine(struct coro *co, void *closure)
{
    struct dump *dump = closure;
    const char *name = aco_name(&co->co);
    struct group wanted = {
        .key = co->site->key,
        .where = co->site->where,
        .state = coro_state_text(co),
        .wait = coro_wait_text(co),
        .frame_count = take_frames(dump, co),
    };
    wanted.hash = mix(mix(mix(0, wanted.key), wanted.state), wanted.wait);
    for (int i = 0; i < wanted.frame_count; i++)
        wanted.hash = mix(wanted.hash, dump->frames[i]);
    dump->coroutines++;
    struct group *group = group_of(dump, &wanted, dump->frames);
    if (group == NULL) {
        dump->ungrouped++;
        return 0;
    }
    group->count++;
    group->stack_bytes += coro_live_bytes(co);
    group->saved_bytes += co->co.save_stack.sz;
    group->age_max_ns = MAX(group->age_max_ns, coro_age_ns(co, dump->now_ns));
    if (name != NULL)
        add_name(group, name);
    return 0;
}

static bool group_home(struct coro_home *home, void *closure)
{
    struct dump *dump = closure;
    dump->now_ns = clock_mono_ns();
    coro_each(home, add_coroutine, dump);
    return true;
}

/* ---- saying it ------------------------------------------------------------------- */

static void say_skipped(struct loop *loop, void *closure)
{
    const struct dump *dump = closure;
    mtevL(dump->ls, "coroutines of %s are left out: it is busy with something that does not wait\n",
          loop->name);
}

static void say_frame(mtev_log_stream_t ls, void *address)
{
    Dl_info info = {0};
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
        mtevL(ls, "    %p\n", address);
    else if (info.dli_sname == NULL)
        mtevL(ls, "    +%#tx (%s)\n", (char *)address - (char *)info.dli_fbase, info.dli_fname);
    else
        mtevL(ls, "    %s+%#tx (%s)\n", info.dli_sname, (char *)address - (char *)info.dli_saddr,
              info.dli_fname);
}

static void say_group(mtev_log_stream_t ls, const struct group *group)
{
    char names[DUMP_NAMES_MAX * (ACO_NAME_MAX + 2) + 16] = "";
    size_t len = 0;
    for (unsigned i = 0; i < MIN(group->name_count, DUMP_NAMES_MAX); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i == 0 ? ": " : ", ",
                                group->names[i]);
    if (group->name_count > DUMP_NAMES_MAX)
        snprintf(names + len, sizeof(names) - len, ", ...");
    mtevL(ls,
          "%" PRIu64 " x %s (%s)%s; %s, waiting for: %s; oldest %" PRIu64 " s; %" PRIu64
          " bytes of stack, %" PRIu64 " saved\n",
          group->count, eventer_name_for_callback((eventer_func_t)(uintptr_t)group->key),
          group->where == NULL ? "start not known" : group->where, names, group->state, group->wait,
          group->age_max_ns / CLOCK_NS_PER_S, group->stack_bytes, group->saved_bytes);
    for (int i = 0; i < group->frame_count; i++)
        say_frame(ls, group->frames[i]);
    if (group->frame_count == DUMP_FRAMES_MAX)
        mtevL(ls, "    and perhaps more: %d frames are shown\n", DUMP_FRAMES_MAX);
}

/* By count, the largest first; then by age. */
static int compare(const void *a, const void *b)
{
    const struct group *one = *(struct group *const *)a, *other = *(struct group *const *)b;
    if (one->count != other->count)
        return one->count > other->count ? -1 : 1;
    return one->age_max_ns > other->age_max_ns ? -1 : one->age_max_ns < other->age_max_ns;
}

static void say_all(struct dump *dump)
{
    qsort(dump->groups, dump->count, sizeof(dump->groups[0]), compare);
    mtevL(dump->ls, "%" PRIu64 " coroutines, at %zu different places\n", dump->coroutines,
          dump->count);
    for (size_t i = 0; i < dump->count; i++)
        say_group(dump->ls, dump->groups[i]);
    if (dump->ungrouped > 0)
        mtevL(dump->ls, "%" PRIu64 " more, elsewhere: %s\n", dump->ungrouped,
              dump->count == DUMP_GROUPS_MAX ? "no more places are told apart" : "out of memory");
}

void coro_dump(mtev_log_stream_t ls, uint64_t wait_ns)
{
    if (!N_L_S_ON(ls))
        return;
    struct dump *dump = alloc_zeroed(1, sizeof(*dump));
    if (dump == NULL) {
        mtevL(ls, "coroutines are not shown: out of memory\n");
        return;
    }
    dump->ls = ls;
    int err = coro_walk(&(struct walk){
        .visit = group_home, .skip = say_skipped, .closure = dump, .wait_ns = wait_ns});
    if (err == 0 || err == -ETIMEDOUT)
        say_all(dump);
    else
        mtevL(ls, "coroutines are not shown: %s\n",
              err == -EBUSY ? "they are being listed already" : strerrordesc_np(-err));
    for (size_t i = 0; i < dump->count; i++)
        alloc_free(dump->groups[i]);
    alloc_free(dump);
}

void eventer_aco_dump(mtev_log_stream_t ls)
{
    coro_dump(ls, WALK_WAIT_NS);
}
