/* SPDX-License-Identifier: MIT */
#include "console/output_impl.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TEXT_OF_DROPPED_MAX 80

int output_begin(struct output *o)
{
    *o = (struct output){.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (o->wake_fd < 0)
        return -errno;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->taken, &monotonic);
    pthread_condattr_destroy(&monotonic);
    buf_init(&o->bytes, OUTPUT_BYTES_MAX);
    return 0;
}

void output_end(struct output *o)
{
    buf_free(&o->bytes);
    pthread_cond_destroy(&o->taken);
    pthread_mutex_destroy(&o->lock);
}

void output_wake(struct output *o)
{
    (void)!eventfd_write(o->wake_fd, 1); /* full: it is ready anyway */
}

static bool is_command(char byte)
{
    unsigned char c = (unsigned char)byte;
    return (c < ' ' && c != '\n' && c != '\t') || c == 127;
}

/* Append as many as fit.  Returns how many these were, or -ENOMEM for the first one. */
static int64_t append(struct output *o, const char *bytes, size_t len, enum output_form form)
{
    for (size_t i = 0; i < len; i++) {
        char byte = form == OUTPUT_FOREIGN && is_command(bytes[i]) ? '?' : bytes[i];
        char pair[2] = {byte, byte};
        size_t count = 1;
        if (form != OUTPUT_RAW && o->is_telnet && byte == '\n')
            pair[0] = '\r', count = 2;
        else if (form != OUTPUT_RAW && o->is_telnet && byte == '\xff')
            count = 2;
        int err = buf_append(&o->bytes, pair, count);
        if (err == -ENOMEM && i == 0)
            return err;
        if (err != 0)
            return (int64_t)i;
    }
    return (int64_t)len;
}

/* Say how much was left out, as soon as there is room for that. */
static void tell_of_dropped(struct output *o)
{
    if (o->dropped == 0 || o->bytes.len > OUTPUT_BYTES_MAX - TEXT_OF_DROPPED_MAX)
        return;
    int err = buf_appendf(&o->bytes, "%s[%llu bytes were left out]%s", o->is_telnet ? "\r\n" : "\n",
                          (unsigned long long)o->dropped, o->is_telnet ? "\r\n" : "\n");
    if (err == 0)
        o->dropped = 0;
}

/* Wait until there is room.  The lock is held.  False: it is over. */
static bool await_room(struct output *o)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += OUTPUT_PATIENCE_S;
    while (o->bytes.len > OUTPUT_BYTES_MAX / 2 && !o->is_over)
        if (pthread_cond_timedwait(&o->taken, &o->lock, &until) == ETIMEDOUT)
            o->is_over = true;
    return !o->is_over;
}

int64_t output_put(struct output *o, const char *bytes, size_t len, enum output_form form,
                   enum output_wait wait)
{
    size_t done = 0;
    int64_t result = (int64_t)len;
    pthread_mutex_lock(&o->lock);
    tell_of_dropped(o);
    while (done < len && !o->is_over) {
        int64_t count = append(o, bytes + done, len - done, form);
        if (count < 0) {
            result = count;
            break;
        }
        done += (size_t)count;
        if (done == len)
            break;
        if (wait == OUTPUT_DROP) {
            o->dropped += len - done;
            break;
        }
        output_wake(o);
        if (wait == OUTPUT_PART) {
            result = (int64_t)done;
            break;
        }
        (void)await_room(o);
    }
    if (o->is_over)
        result = -EPIPE;
    pthread_mutex_unlock(&o->lock);
    output_wake(o);
    return result;
}

void output_take(struct output *o, struct buf *into)
{
    pthread_mutex_lock(&o->lock);
    struct buf filled = o->bytes;
    o->bytes = *into;
    *into = filled;
    tell_of_dropped(o);
    pthread_cond_broadcast(&o->taken);
    pthread_mutex_unlock(&o->lock);
}

void output_close(struct output *o)
{
    pthread_mutex_lock(&o->lock);
    o->is_over = true;
    o->bytes.len = 0;
    pthread_cond_broadcast(&o->taken);
    pthread_mutex_unlock(&o->lock);
    output_wake(o);
}
