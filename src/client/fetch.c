/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - the coroutine's side of a request: it asks, waits, and consumes or produces.
 */
#include "base/alloc.h"
#include "client/fetch_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- between the two parties ----------------------------------------------------- */

void fetch_wake(struct eventer_fetch *fetch)
{
    struct coro *waiter = fetch->waiter;
    fetch->waiter = NULL;
    if (waiter != NULL)
        coro_wake(waiter, fetch->generation, 0);
}

static void on_mail(struct mail *mail, struct loop *loop)
{
    struct eventer_fetch *fetch = list_entry(mail, struct eventer_fetch, mail);
    (void)loop;
    fetch->is_posted = false;
    transfer_attend(fetch);
    if (fetch->is_done)
        fetch_wake(fetch);
}

void fetch_post(struct eventer_fetch *fetch)
{
    if (fetch->is_posted)
        return;
    fetch->is_posted = true;
    fetch->mail.run = on_mail;
    loop_post(loop_self, &fetch->mail);
}

void fetch_fail(struct eventer_fetch *fetch, int err, const char *format, ...)
{
    va_list args;
    if (fetch->err != 0)
        return;
    fetch->err = err;
    va_start(args, format);
    vsnprintf(fetch->text, sizeof(fetch->text), format, args);
    va_end(args);
}

/* Park until the loop has news; deadline_ns: by when, 0: whenever.  Returns 0 or -ETIMEDOUT. */
static int await_wake(struct eventer_fetch *fetch, struct coro *self, uint64_t deadline_ns)
{
    fetch->waiter = self;
    fetch->generation = self->co.generation_;
    if (deadline_ns != 0)
        coro_arm_timer(self, deadline_ns);
    int err = coro_park(self, CORO_WAITS_FOR_ANSWER);
    wheel_cancel(&self->timer);
    fetch->waiter = NULL;
    return err;
}

/* ---- what is done in the coroutine ----------------------------------------------- */

/* Have consume take what has come, while more of it comes. */
static void consume(struct eventer_fetch *fetch)
{
    struct buf chunk = fetch->in;
    fetch->in = fetch->spare;
    if (fetch->is_paused)
        fetch_post(fetch);
    int rv = fetch->options.consume(fetch, chunk.bytes, chunk.len, fetch->options.closure);
    chunk.len = 0;
    fetch->spare = chunk;
    if (rv != 0)
        fetch_fail(fetch, -ECANCELED, "the consumer of the body gave up");
}

/* Why count bytes more are wrong; NULL: they are not. */
static const char *why_no_part(const struct eventer_fetch *fetch, size_t count)
{
    const size_t whole = fetch->options.body_len;
    if (count > FETCH_CHUNK_MAX)
        return "the producer of the body has given more than was asked for";
    if (whole > 0 && count > whole - fetch->produced)
        return "the body is longer than its length";
    return whole > 0 && count == 0 && fetch->produced < whole
               ? "the body is shorter than its length"
               : NULL;
}

static void produce(struct eventer_fetch *fetch)
{
    fetch->wants_body = false;
    if (fetch->out == NULL)
        fetch->out = alloc_bytes(FETCH_CHUNK_MAX);
    if (fetch->out == NULL) {
        fetch_fail(fetch, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
        return;
    }
    errno = 0;
    ssize_t count = fetch->options.produce(fetch->out, FETCH_CHUNK_MAX, fetch->options.closure);
    if (count < 0) {
        const int err = errno != 0 ? errno : EIO;
        fetch_fail(fetch, -err, "the producer of the body gave up: %s", strerrordesc_np(err));
        return;
    }
    const char *why = why_no_part(fetch, (size_t)count);
    if (why != NULL) {
        fetch_fail(fetch, -EINVAL, "%s", why);
        return;
    }
    fetch->out_start = 0;
    fetch->out_end = (size_t)count;
    fetch->produced += (size_t)count;
    fetch->has_produced_all = count == 0;
    fetch_post(fetch);
}

static bool has_chunk(const struct eventer_fetch *fetch)
{
    return fetch->options.consume != NULL && fetch->in.len > 0;
}

/* One step; returns false when there is nothing left to do. */
static bool step(struct eventer_fetch *fetch, struct coro *self, uint64_t deadline_ns)
{
    if (!fetch->is_done && clock_mono_ns() >= deadline_ns)
        fetch_fail(fetch, -ETIMEDOUT, "there was no whole answer in time");
    else if (has_chunk(fetch))
        consume(fetch);
    else if (fetch->wants_body)
        produce(fetch);
    else if (fetch->is_done)
        return false;
    else
        (void)await_wake(fetch, self, deadline_ns);
    return true;
}

/* Have the transfer done, begun to end.  Returns 0 or -errno. */
static int run(struct eventer_fetch *fetch, struct coro *self)
{
    const uint64_t deadline_ns = clock_mono_ns() + fetch->timeout_ns;
    fetch_post(fetch);
    while (fetch->err == 0 && step(fetch, self, deadline_ns))
        ;
    fetch->is_given_up = !fetch->is_done;
    if (fetch->is_given_up)
        fetch_post(fetch);
    while (!fetch->is_done || fetch->is_posted) /* the loop lets go of it, and of a body lent */
        (void)await_wake(fetch, self, 0);
    return fetch->err;
}

/* ---- libcurl --------------------------------------------------------------------- */

static int load_step(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)closure, (void)now;
    if (mask == EVENTER_ASYNCH_WORK)
        (void)library_load();
    return 0;
}

/* The first time it reads some twenty files, so a job does it. */
static int load(struct eventer_fetch *fetch, struct coro *self)
{
    if (!library_is_known()) {
        const eventer_job_result_t before = (eventer_job_result_t)self->job_result;
        eventer_t e = eventer_alloc_asynch(load_step, NULL);
        if (e == NULL)
            return -ENOMEM;
        if (!eventer_aco_try_run_asynch(e)) {
            int err = -errno;
            eventer_free(e);
            return err;
        }
        coro_set_job_result(self, before); /* of the caller's last job */
    }
    int err = library_load();
    if (err != 0)
        fetch_fail(fetch, err, "%s", library_why_not());
    return err;
}

/* ---- the call -------------------------------------------------------------------- */

static void init(struct eventer_fetch *fetch)
{
    const size_t body_max = fetch->options.body_max;
    const bool is_streamed = fetch->options.consume != NULL;
    buf_init(&fetch->fields, EVENTER_FETCH_HEAD_MAX);
    buf_init(&fetch->spare, FETCH_CHUNK_MAX);
    buf_init(&fetch->in, is_streamed           ? FETCH_CHUNK_MAX
                         : body_max < SIZE_MAX ? body_max + 1 /* the NUL */
                                               : body_max);
}

static int fail(int err)
{
    errno = -err;
    return -1;
}

int eventer_aco_http_fetch(const eventer_fetch_options_t *options, eventer_fetch_t **ret_answer)
{
    struct coro *self = coro_self();
    if (ret_answer != NULL)
        *ret_answer = NULL;
    if (self == NULL || options == NULL || ret_answer == NULL) {
        mtevL(eventer_err, "eventer_aco_http_fetch: %s\n",
              self == NULL ? "called outside a coroutine"
                           : "no options, or no place for the answer");
        return fail(-EINVAL);
    }
    struct eventer_fetch *fetch = alloc_zeroed(1, sizeof(*fetch));
    if (fetch == NULL)
        return fail(-ENOMEM);
    *ret_answer = fetch;
    int err = options_copy(fetch, self, options);
    if (err == 0)
        err = load(fetch, self);
    if (err == 0) {
        init(fetch);
        err = run(fetch, self);
    }
    if (err == 0)
        return 0;
    fetch_fail(fetch, err, "%s", strerrordesc_np(-err));
    return fail(err);
}

void eventer_fetch_free(eventer_fetch_t *answer)
{
    if (answer == NULL)
        return;
    arena_free(&answer->arena);
    buf_free(&answer->in);
    buf_free(&answer->spare);
    buf_free(&answer->fields);
    alloc_free(answer->out);
    alloc_free(answer->url);
    alloc_free(answer);
}
