/* SPDX-License-Identifier: MIT */
#include "log/outlet.h"

#include "base/alloc.h"
#include "mtev_defines.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOTICE_SIZE 128 /* of the line that tells what was lost */

static int open_file(struct outlet *o)
{
    /* O_NONBLOCK: a FIFO that nobody reads is an error, not a start that hangs. */
    int fd = open(o->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    if (fd == -1)
        return -errno;
    if (o->fd >= 0)
        close(o->fd);
    o->fd = fd;
    return 0;
}

static void close_file(struct outlet *o)
{
    if (o->fd >= 0)
        close(o->fd);
}

static int open_nothing(struct outlet *o)
{
    (void)o;
    return 0;
}

static void close_nothing(struct outlet *o)
{
    (void)o;
}

/* Wait for a full pipe to drain, but only once until a write gets through. */
static bool can_wait(struct outlet *o)
{
    if (o->stalled)
        return false;
    struct pollfd full = {.fd = o->fd, .events = POLLOUT};
    int ready = poll(&full, 1, OUTLET_STALL_MS_MAX);
    if (ready == -1 && errno == EINTR)
        return true;
    o->stalled = ready != 1;
    return !o->stalled;
}

static int write_descriptor(struct outlet *o, struct iovec *pieces, int count, size_t *written)
{
    *written = 0;
    while (count > 0) {
        ssize_t result = writev(o->fd, pieces, count);
        if (result == -1) {
            if (errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) && can_wait(o)))
                continue;
            return -errno;
        }
        o->stalled = false;
        *written += (size_t)result;
        size_t taken = (size_t)result;
        while (count > 0 && taken >= pieces->iov_len) {
            taken -= pieces->iov_len;
            pieces++;
            count--;
        }
        if (count > 0 && result == 0)
            return -EIO;
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + taken;
            pieces->iov_len -= taken;
        }
    }
    return 0;
}

const struct outlet_ops outlet_file = {"file", open_file, write_descriptor, close_file};
const struct outlet_ops outlet_descriptor = {"fd", open_nothing, write_descriptor, close_nothing};

int outlet_open(struct outlet *o, const struct outlet_ops *ops, const char *path, int fd)
{
    struct outlet fresh = {.ops = ops, .fd = fd};
    if (path != NULL) {
        fresh.path = alloc_text(path);
        if (fresh.path == NULL)
            return -ENOMEM;
    }
    int err = ops->open(&fresh);
    if (err != 0) {
        alloc_free(fresh.path);
        return err;
    }
    if (o->ops != NULL)
        outlet_close(o);
    *o = fresh;
    pthread_mutex_init(&o->lock, NULL);
    return 0;
}

int outlet_reopen(struct outlet *o)
{
    return o->ops->open(o);
}

void outlet_close(struct outlet *o)
{
    o->ops->close(o);
    alloc_free(o->path);
    pthread_mutex_destroy(&o->lock);
    memset(o, 0, sizeof(*o));
}

uint64_t outlet_lost(struct outlet *o)
{
    pthread_mutex_lock(&o->lock);
    uint64_t lost = o->lost;
    pthread_mutex_unlock(&o->lock);
    return lost;
}

/*
 * Write into notice what has to be said before the next line.  Returns its length, 0 for nothing.
 */
static size_t say_lost(const struct outlet *o, char notice[static NOTICE_SIZE])
{
    uint64_t lost = o->lost - o->lost_named;
    if (lost == 0)
        return 0;
    int len = snprintf(notice, NOTICE_SIZE, "%s[log: %" PRIu64 " line%s lost, the last for: %s]\n",
                       o->torn ? "\n" : "", lost, lost == 1 ? "" : "s", strerrordesc_np(o->reason));
    return len < 0 ? 0 : MIN((size_t)len, NOTICE_SIZE - 1);
}

int outlet_write(struct outlet *o, const struct iovec *pieces, int count)
{
    assert(count <= OUTLET_PIECES_MAX);
    char notice[NOTICE_SIZE];
    struct iovec all[OUTLET_PIECES_MAX + 1];

    pthread_mutex_lock(&o->lock);
    size_t notice_len = say_lost(o, notice);
    int first = notice_len > 0 ? 1 : 0;
    all[0] = (struct iovec){notice, notice_len};
    memcpy(all + first, pieces, (size_t)count * sizeof(*pieces));

    size_t written;
    uint64_t lost = o->lost;
    int err = o->ops->write(o, all, count + first, &written);
    if (err != 0) {
        o->lost++;
        o->reason = -err;
    }
    if (notice_len > 0 && written >= notice_len)
        o->lost_named = lost;
    if (err == 0)
        o->torn = false;
    else if (written > 0)
        o->torn = written != notice_len;
    pthread_mutex_unlock(&o->lock);
    return err;
}
