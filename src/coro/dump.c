/* SPDX-License-Identifier: MIT */
/*
 * dump.c - all coroutines with their stacks, in the log.
 *
 * In its own thread each loop sorts its coroutines into groups of those that do the same at the
 * same place; that is all it stands still for: 0.12 s a million of them.  Names of addresses are
 * looked up, and lines written, in the thread that asked.
 */
#include "coro/inspect_impl.h"

#include "base/alloc.h"
#include "eventer/visit.h"

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
    uint32_t live_bytes;
    unsigned frame_count;
    struct place { /* a frame, innermost first */
        void *address;
        uint32_t at;    /* byte of the live ones at which it was saved */
        uintptr_t word; /* and as what: it may be signed */
    } frames[];
};

struct dump {
    mtev_log_stream_t ls;
    struct group *groups[DUMP_GROUPS_MAX]; /* owned: count of them */
    size_t count;
    uint16_t buckets[DUMP_BUCKETS]; /* index + 1 of a group; 0: none */
    bool is_full;                   /* there was no room for one more */
    uint64_t coroutines, ungrouped;
    uint64_t now_ns;
    struct object_map objects;
    struct frames walk;                   /* over the coroutine that is looked at */
    struct place frames[DUMP_FRAMES_MAX]; /* of it */
};

static_assert(DUMP_GROUPS_MAX < UINT16_MAX && DUMP_BUCKETS > DUMP_GROUPS_MAX, "it is never full");

/* ---- grouping, in the loops ------------------------------------------------------ */

static uint64_t mix(uint64_t hash, const void *p)
{
    return (hash ^ (uintptr_t)p) * UINT64_C(0x9E3779B97F4A7C15); /* Knuth, multiplicative hashing */
}

/* True if the two do the same, as far as that can be said without their frames. */
static bool is_alike(const struct group *group, const struct group *other)
{
    return group->key == other->key && group->state == other->state && group->wait == other->wait;
}

/* True if co, which is parked, has the return addresses of the group at the same bytes. */
static bool stands_like(const struct coro *co, const struct group *group)
{
    for (unsigned i = 0; i < group->frame_count; i++)
        if (frames_word(coro_bytes(co) + group->frames[i].at) != group->frames[i].word)
            return false;
    return true;
}

/*
 * The group of co, which is parked, or NULL.  To find the frames of one takes microseconds, and
 * there may be a million; but most stand where another does.  So it is enough that co is like
 * wanted, has as many live bytes as another, and the same return addresses among them.
 */
static struct group *find_group(const struct dump *dump, const struct group *wanted,
                                const struct coro *co, size_t *bucket)
{
    *bucket = wanted->hash >> 32 & (DUMP_BUCKETS - 1);
    while (dump->buckets[*bucket] != 0) {
        struct group *group = dump->groups[dump->buckets[*bucket] - 1];
        if (group->hash == wanted->hash && is_alike(group, wanted) &&
            group->live_bytes == wanted->live_bytes && stands_like(co, group))
            return group;
        *bucket = (*bucket + 1) & (DUMP_BUCKETS - 1);
    }
    return NULL;
}

/* A new group like wanted with these frames, for which there is room; NULL: no memory. */
static struct group *add_group(struct dump *dump, const struct group *wanted, size_t bucket,
                               const struct place *frames)
{
    const size_t size = wanted->frame_count * sizeof(*frames);
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

/* The frames of co, which is parked: at most DUMP_FRAMES_MAX. */
static unsigned take_frames(struct dump *dump, const struct coro *co)
{
    struct frame frame;
    unsigned count = 0;
    frames_of(&dump->walk, &dump->objects, co);
    while (count < DUMP_FRAMES_MAX && frames_next(&dump->walk, &frame)) {
        struct place *place = &dump->frames[count++];
        const bool is_saved = frame.at >= dump->walk.low && frame.at < dump->walk.high;
        place->address = frame.address;
        place->at = is_saved ? (uint32_t)(frame.at - dump->walk.low) : 0;
        place->word = frames_word(coro_bytes(co) + place->at);
    }
    return count;
}

/* The frames of the one that runs, and asks. */
static unsigned take_own_frames(struct dump *dump)
{
    void *addresses[DUMP_FRAMES_MAX];
    int count = eventer_aco_backtrace(NULL, addresses, DUMP_FRAMES_MAX);
    for (int i = 0; i < count; i++)
        dump->frames[i] = (struct place){.address = addresses[i]};
    return count > 0 ? (unsigned)count : 0;
}

static struct group *group_of(struct dump *dump, struct group *wanted, struct coro *co)
{
    const bool is_parked = co->co.state_ != CORO_RUNNING;
    size_t bucket;
    wanted->hash = mix(mix(mix(0, wanted->key), wanted->state), wanted->wait);
    if (is_parked && wanted->live_bytes > 0)
        wanted->hash = mix(wanted->hash + wanted->live_bytes, (void *)frames_word(coro_bytes(co)));
    struct group *group = find_group(dump, wanted, co, &bucket);
    if (group != NULL)
        return group;
    dump->is_full |= dump->count == DUMP_GROUPS_MAX;
    if (dump->is_full)
        return NULL;
    wanted->frame_count = is_parked ? take_frames(dump, co) : take_own_frames(dump);
    return add_group(dump, wanted, bucket, dump->frames);
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
        .live_bytes = (uint32_t)coro_live_bytes(co),
    };
    dump->coroutines++;
    stacks_unprotect(coro_stack_of(co));
    struct group *group = group_of(dump, &wanted, co);
    stacks_protect(coro_stack_of(co));
    if (group == NULL) {
        dump->ungrouped++;
        return 0;
    }
    group->count++;
    group->stack_bytes += wanted.live_bytes;
    group->saved_bytes += co->co.save_stack.sz;
    group->age_max_ns = MAX(group->age_max_ns, coro_age_ns(co, dump->now_ns));
    if (name != NULL)
        add_name(group, name);
    return 0;
}

static bool group_loop(struct loop *loop, void *closure)
{
    struct dump *dump = closure;
    dump->now_ns = clock_mono_ns();
    if (loop->coro != NULL)
        coro_each(loop->coro, add_coroutine, dump);
    return true;
}

/* ---- those that differ in nothing that is shown ---------------------------------- */

static bool has_frames_of(const struct group *group, const struct group *other)
{
    if (group->frame_count != other->frame_count)
        return false;
    for (unsigned i = 0; i < group->frame_count; i++)
        if (group->frames[i].address != other->frames[i].address)
            return false;
    return true;
}

static void add_to_group(struct group *group, const struct group *other)
{
    group->count += other->count;
    group->stack_bytes += other->stack_bytes;
    group->saved_bytes += other->saved_bytes;
    group->age_max_ns = MAX(group->age_max_ns, other->age_max_ns);
    for (unsigned i = 0; i < MIN(other->name_count, DUMP_NAMES_MAX); i++)
        add_name(group, other->names[i]);
    group->name_count = MAX(group->name_count, other->name_count);
}

/* Frames of one place may have different sizes; then there are several groups of it. */
static void unite_groups(struct dump *dump)
{
    size_t kept = 0;
    for (size_t i = 0; i < dump->count; i++) {
        struct group *group = dump->groups[i];
        size_t at = 0;
        while (at < kept &&
               !(is_alike(dump->groups[at], group) && has_frames_of(dump->groups[at], group)))
            at++;
        if (at == kept) {
            dump->groups[kept++] = group;
            continue;
        }
        add_to_group(dump->groups[at], group);
        alloc_free(group);
    }
    dump->count = kept;
}

/* ---- saying it ------------------------------------------------------------------- */

static void say_skipped(struct loop *loop, void *closure)
{
    const struct dump *dump = closure;
    mtevL(dump->ls, "coroutines of %s are left out: it is busy with something that does not wait\n",
          loop->name);
}

void coro_say_address(mtev_log_stream_t ls, void *address)
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
    for (unsigned i = 0; i < group->frame_count; i++)
        coro_say_address(ls, group->frames[i].address);
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
    unite_groups(dump);
    qsort(dump->groups, dump->count, sizeof(dump->groups[0]), compare);
    mtevL(dump->ls, "%" PRIu64 " coroutines, at %zu different places\n", dump->coroutines,
          dump->count);
    for (size_t i = 0; i < dump->count; i++)
        say_group(dump->ls, dump->groups[i]);
    if (dump->ungrouped > 0)
        mtevL(dump->ls, "%" PRIu64 " more, elsewhere: %s\n", dump->ungrouped,
              dump->is_full ? "no more places are told apart" : "out of memory");
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
    int err = visit_loops(&(struct visitor){
        .visit = group_loop, .skip = say_skipped, .closure = dump, .wait_ns = wait_ns});
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
    coro_dump(ls, VISIT_WAIT_NS);
}
