/* SPDX-License-Identifier: MIT */
/*
 * stream_impl.h - the inside of a log stream, for this layer alone.
 *
 * Streams refer to each other; from that, whenever something changes, the set of material streams
 * that each one reaches is worked out, so that a line finds its files without a walk.  The k-th
 * material stream is bit k of a set.  Only where a filter is on the way, which every line passes or
 * not, a line walks.
 *
 * Locks, in this order: whoever changes what a stream is holds `change` (recursive), which is held
 * while files are opened and ended; then, for the change itself, the lock of the streams for
 * writing.  A line holds the latter for reading, so that what it uses stays, and never waits for a
 * file that is opened or closed.
 */
#ifndef EVENTER_LOG_STREAM_IMPL_H
#define EVENTER_LOG_STREAM_IMPL_H

#include "log/log.h"
#include "log/outlet.h"

struct log_reach { /* the outlets that a stream reaches; and those to which a prefix is due */
    uint64_t all;
    uint64_t debug;
    uint64_t timestamps;
    uint64_t facility;
    bool is_filtered; /* there is a filter on some way: what is reached depends on the line */
};

struct filter;
struct speculation;

struct log_edge { /* from a stream to one of its outlets */
    struct log_stream *to;
    struct filter *filter; /* owned; NULL: every line passes */
};

struct log_property {
    struct log_property *next;
    char *value; /* owned */
    char name[];
};

struct log_stream {
    _Atomic unsigned flags; /* first, as mtev_log.h promises; read without the lock */
    const char *name;
    char *owned_name;        /* name, if it is on the heap */
    _Atomic int material;    /* index + 1 of the outlet that it is; 0: none */
    struct log_stream *next; /* in the registry */
    size_t edge_count;
    struct log_edge edges[LOG_OUTLETS_MAX];
    bool is_removed; /* nobody finds it until it is made again */
    void *ctx;       /* the program's own */
    struct log_property *properties;
    struct speculation *speculation; /* NULL, or where its lines go instead */
    struct log_reach reach; /* guarded by the lock of the streams, as all above but flags */
};

#define STREAM_USER_FLAGS                                                                          \
    (MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_DEBUG | MTEV_LOG_STREAM_TIMESTAMPS |                \
     MTEV_LOG_STREAM_FACILITY)

/* Hold the streams still (any number of threads at a time) and let go of them. */
void stream_lock(void);
void stream_unlock(void);

/* The same, but only if that is possible at once.  For signal handlers. */
bool stream_try_lock(void);

/* Hold them to change them; and to let go, with what each reaches worked out anew. */
void stream_change_lock(void);
void stream_change_unlock(void);

/* One change at a time, of which parts may take long; recursive. */
void stream_begin_change(void);
void stream_end_change(void);

/* In a child of fork(2), which was called with both held: let go of them. */
void stream_forget_locks(void);

/* Find the stream of that name; NULL: there is none.  The lock is held. */
struct log_stream *stream_look_up(const char *name);

/* Make a stream that is on and has no outlet; the lock is held for writing, and name is new. */
int stream_make(const char *name, struct log_stream **out);

/* Visit every stream; the lock is held. */
struct log_stream *stream_first(void);

/* Return the outlet of bit k of a reach; NULL: none.  The lock is held. */
struct outlet *stream_outlet(unsigned k);

/* Return the outlet that s is, or NULL.  The lock is held. */
static inline struct outlet *stream_material(const struct log_stream *s)
{
    return s->material > 0 ? stream_outlet((unsigned)s->material - 1) : NULL;
}

/* Forget all outlets of s; those who held it must know of no other.  The lock is held for writing.
 */
void stream_clear_edges(struct log_stream *s);

/* Let the property name apply to what s is, if it is one of log_limits.  0, -EINVAL. */
int stream_apply_property(struct log_stream *s, const char *name, const char *value);

/* Keep a line for mtev_log_speculate_finish(). */
void speculation_add(struct speculation *spec, const struct log_line *line);

/* Send what was said elsewhere before to ls, as if it were said there.  (line.c) */
int line_say(const struct log_line *line);

/* What line reaches over the filters on its way; the lock is held. */
void stream_walk(const struct log_stream *s, const struct log_line *line, struct log_reach *out);

#endif
