/* SPDX-License-Identifier: MIT */
#include "log/outlet.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "mtev_defines.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_BYTES_DEFAULT ((size_t)4 << 20)
#define STEP_NS             (CLOCK_NS_PER_MS) /* of a wait that must not use a condition */

/* A line and what may have to be told before it and behind it, each with a length before it. */
#define BATCH_LINE_MAX (2 * LINE_MAX_BYTES + 3 * OUTLET_NOTICE_MAX)

static_assert(OUTLET_BATCH_MAX >= BATCH_LINE_MAX, "a line must fit");
static_assert(LINE_MAX_BYTES <= UINT16_MAX, "the length of a datagram is two bytes");

static _Atomic bool is_at_once;

void outlet_all_at_once(bool at_once)
{
    atomic_store(&is_at_once, at_once);
}

/* ---- the batch ------------------------------------------------------------------- */

static bool batch_is_empty(const struct outlet *o)
{
    return o->batch_done == o->batch_len;
}

/* True if a line fits, with all that may have to be told before it. */
static bool batch_has_room(const struct outlet *o)
{
    return OUTLET_BATCH_MAX - o->batch_len >= BATCH_LINE_MAX;
}

/* Where the next line of the batch goes: of a datagram, its length comes before it. */
static char *batch_end(struct outlet *o)
{
    return o->batch + o->batch_len + (o->ops->is_datagram ? sizeof(uint16_t) : 0);
}

/* The line that was put at batch_end() is one of the batch. */
static void batch_add(struct outlet *o, size_t len)
{
    const uint16_t frame = (uint16_t)len;
    if (o->ops->is_datagram) {
        memcpy(o->batch + o->batch_len, &frame, sizeof(frame));
        o->batch_len += sizeof(frame);
    }
    o->batch_len += len;
}

/* Append a line of the log's own. */
static void batch_tell(struct outlet *o, const char *text)
{
    const struct log_line line = {.facility = "log",
                                  .when = clock_timeval(clock_wall_ns()),
                                  .file = "",
                                  .text = text,
                                  .len = strlen(text)};
    if (o->format == LINE_PLAIN) {
        int len = snprintf(batch_end(o), OUTLET_NOTICE_MAX, "[log: %s]\n", text);
        batch_add(o, (size_t)len);
    } else {
        batch_add(o, line_render(&line, o->format, 0, &o->address, batch_end(o)));
    }
}

static void tell_lost(struct outlet *o, uint32_t lost)
{
    char text[128];
    if (o->is_torn && o->batch_len == 0)
        o->batch[o->batch_len++] = '\n';
    if (lost == 0)
        return;
    snprintf(text, sizeof(text), "%" PRIu32 " line%s lost, the last for: %s", lost,
             lost == 1 ? "" : "s", strerrordesc_np(atomic_load(&o->reason)));
    batch_tell(o, text);
    o->batch_untold += lost;
}

static void tell_folded(struct outlet *o)
{
    char text[128];
    if (o->fold_count == 0)
        return;
    snprintf(text, sizeof(text), "last message repeated %" PRIu64 " time%s", o->fold_count,
             o->fold_count == 1 ? "" : "s");
    o->fold_count = 0;
    o->fold_key = 0;
    batch_tell(o, text);
}

/* True if the line says what the last one said, and not long ago: then it is only counted. */
static bool fold(struct outlet *o, const struct ring_record *record)
{
    if (o->settings.fold_ns == 0)
        return false;
    uint64_t now_ns = clock_mono_ns();
    if (record->key != 0 && record->key == o->fold_key &&
        now_ns - o->fold_since_ns < o->settings.fold_ns) {
        o->fold_count++;
        return true;
    }
    tell_folded(o);
    o->fold_key = record->key;
    o->fold_since_ns = now_ns;
    return false;
}

/* Append what has to be told before a line.  Returns false if it is only to be counted. */
static bool batch_begin_line(struct outlet *o, const struct ring_record *record)
{
    bool is_first = o->batch_len == 0;
    tell_lost(o, record->lost);
    if (fold(o, record))
        return false;
    if (is_first)
        o->batch_told = o->batch_len;
    return true;
}

static void batch_clear(struct outlet *o)
{
    o->batch_len = o->batch_done = o->batch_told = 0;
    o->batch_untold = 0;
}

/* True if what was put when a file was opened anew has been taken: the rest is for that file. */
static bool is_at_switch(struct outlet *o)
{
    return atomic_load_explicit(&o->next_fd, memory_order_relaxed) != -1 &&
           atomic_load_explicit(&o->ring.head, memory_order_relaxed) >= atomic_load(&o->next_from);
}

/* Take from the ring what fits.  Returns false if there is nothing to write. */
static bool gather(struct outlet *o)
{
    struct ring_record record;
    assert(batch_is_empty(o));
    batch_clear(o);
    if (o->complaint[0] != '\0')
        batch_tell(o, o->complaint);
    o->complaint[0] = '\0';
    while (batch_has_room(o) && !is_at_switch(o) && ring_peek(&o->ring, &record)) {
        bool is_written = batch_begin_line(o, &record);
        ring_take(&o->ring, is_written ? batch_end(o) : NULL);
        if (is_written)
            batch_add(o, record.len);
    }
    if (!batch_has_room(o) || is_at_switch(o))
        return true;
    if (ring_used(&o->ring) == 0 && atomic_load_explicit(&o->untold, memory_order_relaxed) > 0)
        tell_lost(o, atomic_exchange(&o->untold, 0));
    if (o->fold_count > 0 &&
        (o->is_ending || clock_mono_ns() - o->fold_since_ns >= o->settings.fold_ns))
        tell_folded(o);
    return o->batch_len > 0;
}

/* ---- writing --------------------------------------------------------------------- */

/* A datagram that nobody will ever take. */
static bool is_hopeless(int err)
{
    return err == -EMSGSIZE || err == -EINVAL;
}

static void count_lost(struct outlet *o, uint32_t lines, int err)
{
    atomic_store_explicit(&o->reason, -err, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->lost, lines, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->untold, lines, memory_order_relaxed);
}

/* Write one datagram of the batch. */
static int write_datagram(struct outlet *o)
{
    uint16_t len;
    memcpy(&len, o->batch + o->batch_done, sizeof(len));
    ssize_t result = o->ops->write(o, o->batch + o->batch_done + sizeof(len), len);
    if (result < 0 && !is_hopeless((int)result))
        return (int)result;
    if (result < 0)
        count_lost(o, 1, (int)result);
    else
        atomic_fetch_add_explicit(&o->written, len, memory_order_relaxed);
    o->batch_done += sizeof(len) + len;
    return 0;
}

static int write_bytes(struct outlet *o)
{
    ssize_t result = o->ops->write(o, o->batch + o->batch_done, o->batch_len - o->batch_done);
    if (result <= 0)
        return result == 0 ? -EIO : (int)result;
    o->is_torn = false;
    o->batch_done += (size_t)result;
    o->size += (uint64_t)result;
    atomic_fetch_add_explicit(&o->written, (uint64_t)result, memory_order_relaxed);
    return 0;
}

static int write_batch(struct outlet *o)
{
    int err = 0;
    while (err == 0 && !batch_is_empty(o))
        err = o->ops->is_datagram ? write_datagram(o) : write_bytes(o);
    return err;
}

void outlet_learn_fd(struct outlet *o)
{
    struct stat found = {0};
    bool is_file = fstat(o->fd, &found) == 0 && S_ISREG(found.st_mode);
    o->file_type = found.st_mode & S_IFMT;
    o->size = is_file ? (uint64_t)found.st_size : 0;
    o->begun_ns = is_file && o->ops->has_file ? outlet_birth_ns(o->fd) : 0;
}

/* Go on with what was opened anew, if anything was; the batch is empty. */
static void adopt_next(struct outlet *o)
{
    if (atomic_load_explicit(&o->next_fd, memory_order_relaxed) == -1)
        return;
    int fd = atomic_exchange(&o->next_fd, -1);
    if (fd == -1)
        return;
    if (o->fd >= 0)
        close(o->fd);
    o->fd = fd;
    o->is_torn = false;
    outlet_learn_fd(o);
}

int outlet_drain(struct outlet *o, bool may_rotate)
{
    do {
        int err = write_batch(o);
        if (err != 0 && (err == -EAGAIN || atomic_load(&o->next_fd) == -1))
            return err;
        if (err != 0 || is_at_switch(o)) /* no more can be written to the old one */
            adopt_next(o);
        if (may_rotate)
            outlet_rotate(o);
    } while (!batch_is_empty(o) || gather(o));
    return 0;
}

static size_t queue_bytes(const struct outlet *o)
{
    return o->settings.queue_bytes == 0 ? QUEUE_BYTES_DEFAULT : o->settings.queue_bytes;
}

void outlet_complain(struct outlet *o, const char *what, int err)
{
    snprintf(o->complaint, sizeof(o->complaint), "%s: %s", what, strerrordesc_np(-err));
}

void outlet_set(struct outlet *o, const struct outlet_settings *settings)
{
    pthread_mutex_lock(&o->lock);
    o->settings = *settings;
    pthread_mutex_unlock(&o->lock);
    atomic_store(&o->is_folding, settings->fold_ns != 0);
    if (atomic_load(&o->writer) != OUTLET_WRITER_NONE)
        outlet_wake_writer(o);
}

void outlet_resize(struct outlet *o)
{
    struct ring ring = {.bytes = NULL};
    if (pthread_mutex_trylock(&o->lock) != 0)
        return;
    if (o->ring.bytes != NULL && o->ring.size != ring_size_for(queue_bytes(o)) &&
        ring_used(&o->ring) == 0 && atomic_load(&o->writer) == OUTLET_WRITER_NONE &&
        ring_init(queue_bytes(o), &ring) == 0) {
        ring_free(&o->ring);
        o->ring = ring;
    }
    pthread_mutex_unlock(&o->lock);
}

/* ---- the ways of a line ---------------------------------------------------------- */

/* Make the ring of an outlet that needed none so far; lock is held. */
static int need_ring(struct outlet *o)
{
    if (o->ring.bytes != NULL)
        return 0;
    return ring_init(queue_bytes(o), &o->ring);
}

/* Leave a line to the writer. */
static int leave(struct outlet *o, struct ring_record *record, const char *line)
{
    if (atomic_load_explicit(&o->untold, memory_order_relaxed) > 0)
        record->lost = atomic_exchange(&o->untold, 0);
    int err = ring_put(&o->ring, record, line);
    if (err != 0 && record->lost > 0)
        atomic_fetch_add(&o->untold, record->lost);
    if (err != 0)
        count_lost(o, 1, err);
    return err;
}

/* Of a batch that cannot be written: the line is lost, whole or in part. */
static void give_up(struct outlet *o, int err)
{
    if (o->batch_done < o->batch_told)
        atomic_fetch_add_explicit(&o->untold, o->batch_untold, memory_order_relaxed);
    count_lost(o, 1, err);
    if (o->batch_done > 0)
        o->is_torn = o->batch_done != o->batch_told;
    o->batch_len = o->batch_done = 0;
}

/*
 * Write a line with nothing before it; lock is held.  What is left of it is the writer's, if there
 * is one, or if one may be made.
 */
static int write_now(struct outlet *o, struct ring_record *record, const char *line,
                     bool may_make_writer)
{
    adopt_next(o);
    batch_clear(o);
    record->lost = atomic_exchange(&o->untold, 0);
    if (batch_begin_line(o, record)) {
        memcpy(batch_end(o), line, record->len);
        batch_add(o, record->len);
    }
    int err = write_batch(o);
    bool has_writer = atomic_load(&o->writer) != OUTLET_WRITER_NONE;
    if (err == -EAGAIN && (has_writer || may_make_writer) && need_ring(o) == 0 &&
        outlet_wake_writer(o) == 0)
        return 0;
    if (err != 0)
        give_up(o, err);
    return err;
}

static int put_at_once(struct outlet *o, struct ring_record *record, const char *line)
{
    pthread_mutex_lock(&o->lock);
    atomic_store_explicit(&o->is_stuck, false, memory_order_relaxed);
    bool is_behind = !batch_is_empty(o) || ring_used(&o->ring) > 0;
    if (is_behind)
        is_behind = outlet_drain(o, false) != 0 || ring_used(&o->ring) > 0;
    int err = is_behind ? leave(o, record, line) : write_now(o, record, line, true);
    bool is_owing = o->fold_count > 0 || outlet_rotation_due_ns(o) == 0;
    pthread_mutex_unlock(&o->lock);
    if ((is_behind || is_owing) && outlet_must_wake(o))
        outlet_wake_writer(o);
    return err;
}

static int put_queued(struct outlet *o, struct ring_record *record, const char *line)
{
    int err = leave(o, record, line);
    if (!outlet_must_wake(o) || outlet_wake_writer(o) == 0)
        return err;
    pthread_mutex_lock(&o->lock); /* no thread can be made: somebody has to write */
    outlet_drain(o, false);
    pthread_mutex_unlock(&o->lock);
    return err;
}

int outlet_say(struct outlet *o, const struct log_line *line, unsigned look,
               char scratch[static LINE_MAX_BYTES])
{
    struct ring_record record = {0};
    record.len = line_render(line, o->format, look, &o->address, scratch);
    if (o->ops->say != NULL)
        return o->ops->say(o, line, scratch, record.len);
    if (atomic_load_explicit(&o->is_folding, memory_order_relaxed))
        record.key = line_key(line);
    if (o->ops->is_queued && !atomic_load_explicit(&is_at_once, memory_order_relaxed))
        return put_queued(o, &record, scratch);
    return put_at_once(o, &record, scratch);
}

int outlet_say_in_handler(struct outlet *o, const struct log_line *line, unsigned look,
                          char scratch[static LINE_MAX_BYTES])
{
    const uint64_t deadline_ns = clock_mono_ns() + OUTLET_DYING_MS_MAX * CLOCK_NS_PER_MS;
    struct ring_record record = {0};
    if (o->ops->say != NULL)
        return -EBUSY;
    record.len = line_render(line, o->format, look, &o->address, scratch);
    int err = o->ring.bytes != NULL ? leave(o, &record, scratch) : -ENOBUFS;
    if (atomic_load(&o->is_stuck) || !outlet_lock_until(o, deadline_ns)) {
        atomic_store(&o->is_stuck, true);
        return err == 0 || o->ops->write(o, scratch, record.len) > 0 ? 0 : err;
    }
    bool is_behind = outlet_drain(o, false) != 0;
    if (err != 0 && !is_behind)
        err = write_now(o, &record, scratch, false);
    pthread_mutex_unlock(&o->lock);
    return err;
}

/* ---- flushing -------------------------------------------------------------------- */

static void nap(uint64_t ns)
{
    const struct timespec time = clock_timespec(ns);
    nanosleep(&time, NULL);
}

/* With trylock, because a signal handler may do that. */
bool outlet_lock_until(struct outlet *o, uint64_t deadline_ns)
{
    while (pthread_mutex_trylock(&o->lock) != 0) {
        if (clock_mono_ns() >= deadline_ns)
            return false;
        nap(STEP_NS);
    }
    return true;
}

/* Write what waits, and how often it was repeated; lock is held. */
static int drain_until(struct outlet *o, uint64_t deadline_ns, bool may_rotate)
{
    int err;
    while ((err = outlet_drain(o, may_rotate)) != 0 || ring_used(&o->ring) > 0) {
        if ((err != 0 && err != -EAGAIN) || clock_mono_ns() >= deadline_ns)
            return -EAGAIN;
        struct pollfd full = {.fd = o->fd, .events = POLLOUT};
        if (err == -EAGAIN)
            poll(&full, 1, OUTLET_NAP_MS);
        else
            nap(STEP_NS);
    }
    if (o->fold_count == 0)
        return 0;
    batch_clear(o);
    tell_folded(o);
    return outlet_drain(o, may_rotate) == 0 ? 0 : -EAGAIN;
}

int outlet_flush(struct outlet *o, uint64_t deadline_ns)
{
    if (o->ops->say != NULL)
        return 0;
    if (!outlet_lock_until(o, deadline_ns))
        return -EAGAIN;
    int err = drain_until(o, deadline_ns, true);
    pthread_mutex_unlock(&o->lock);
    return err;
}

void outlet_flush_dying(struct outlet *o)
{
    const uint64_t deadline_ns = clock_mono_ns() + OUTLET_DYING_MS_MAX * CLOCK_NS_PER_MS;
    if (o->ops->say != NULL)
        return;
    bool is_locked =
        outlet_lock_until(o, deadline_ns); /* or its holder is who dies: go on all the same */
    while (drain_until(o, deadline_ns + OUTLET_DYING_MS_MAX * CLOCK_NS_PER_MS, false) != 0 &&
           batch_is_empty(o) && ring_skip(&o->ring))
        ;
    if (is_locked)
        pthread_mutex_unlock(&o->lock);
}

/* ---- making and ending ----------------------------------------------------------- */

int outlet_new(const struct outlet_ops *ops, const char *path, int fd, void *target,
               const struct outlet_settings *settings, struct outlet **out)
{
    struct outlet *o = alloc_zeroed(1, sizeof(*o));
    int err = -ENOMEM;
    if (o == NULL)
        return err;
    o->ops = ops;
    o->target = target;
    o->fd = -1;
    atomic_store(&o->next_fd, -1);
    o->settings = *settings;
    atomic_store(&o->is_folding, settings->fold_ns != 0);
    pthread_mutex_init(&o->lock, NULL);
    if (path != NULL) {
        o->path = alloc_text(path);
        if (o->path == NULL)
            goto fail;
    }
    if (ops->is_queued && (err = need_ring(o)) != 0)
        goto fail;
    o->fd = fd;
    err = ops->open == NULL ? 0 : ops->open(o, &o->fd);
    if (err != 0)
        goto fail;
    if (o->fd >= 0)
        outlet_learn_fd(o);
    *out = o;
    return 0;

fail:
    ring_free(&o->ring);
    alloc_free(o->path);
    pthread_mutex_destroy(&o->lock);
    alloc_free(o);
    return err;
}

void outlet_free(struct outlet *o)
{
    if (o->ops->close != NULL)
        o->ops->close(o);
    if (o->fd >= 0 && o->ops->open != NULL)
        close(o->fd);
    int next_fd = atomic_load(&o->next_fd);
    if (next_fd >= 0)
        close(next_fd);
    ring_free(&o->ring);
    alloc_free(o->path);
    pthread_mutex_destroy(&o->lock);
    if (!o->is_static)
        alloc_free(o);
}

int outlet_reopen(struct outlet *o)
{
    int fd = -1;
    if (!o->ops->has_file) /* a socket finds its daemon again by itself */
        return 0;
    int err = o->ops->open(o, &fd);
    if (err != 0)
        return err;
    atomic_store(&o->next_from, atomic_load(&o->ring.tail));
    int before = atomic_exchange(&o->next_fd, fd);
    if (before >= 0)
        close(before);
    if (pthread_mutex_trylock(&o->lock) == 0) {
        if (batch_is_empty(o) && ring_used(&o->ring) == 0)
            adopt_next(o);
        pthread_mutex_unlock(&o->lock);
    }
    if (atomic_load(&o->writer) != OUTLET_WRITER_NONE)
        outlet_wake_writer(o);
    return 0;
}
