/* SPDX-License-Identifier: MIT */
/*
 * refuse.c - connections that are too many: whoever speaks the protocol of the type is told why.
 *
 * To close a connection of TCP on which bytes have come, or still come, resets it, and what was
 * said to the peer is lost with it.  So what comes is thrown away until he has closed, too, or for
 * refuse_patience_ns at most.
 */
#include "listener/listener_impl.h"

#include "base/alloc.h"
#include "eventer/pool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECE_LEN 1048576 /* bytes thrown away before others have their turn */

_Atomic uint64_t refuse_patience_ns = 2 * CLOCK_NS_PER_S;

struct refusal {      /* what was said, and the peer has not closed */
    struct mail mail; /* to its loop */
    struct ring all;  /* guarded by lock */
    struct loop *loop;
    struct wheel_node timer;
    eventer_t e; /* owned, but for its callback */
};

static struct ring all = {&all, &all};                   /* those that their loops know of */
static size_t count;                                     /* of these, and on the way there */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of both */

/* Close it; the event is the caller's. */
static eventer_t end(struct refusal *r)
{
    eventer_t e = r->e;
    int mask;
    wheel_cancel(&r->timer);
    eventer_remove_fde(e);
    eventer_close(e, &mask);
    pthread_mutex_lock(&lock);
    ring_remove(&r->all);
    count--;
    pthread_mutex_unlock(&lock);
    alloc_free(r);
    return e;
}

static int on_bytes(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)mask, (void)now;
    /* MSG_TRUNC throws away without copying: tcp(7) */
    ssize_t len = recv(eventer_get_fd(e), NULL, PIECE_LEN, MSG_TRUNC | MSG_DONTWAIT);
    if (len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR)))
        return EVENTER_READ | EVENTER_EXCEPTION;
    (void)end(closure);
    return 0;
}

static void on_deadline(struct wheel_node *node)
{
    eventer_free(end(list_entry(node, struct refusal, timer)));
}

static void begin(struct mail *mail, struct loop *loop)
{
    struct refusal *r = list_entry(mail, struct refusal, mail);
    pthread_mutex_lock(&lock);
    ring_add_tail(&all, &r->all);
    pthread_mutex_unlock(&lock);
    r->timer.fire = on_deadline;
    wheel_add(&loop->wheel, &r->timer, loop->now_ns + refuse_patience_ns);
    eventer_add(r->e);
}

static bool has_room(void)
{
    pthread_mutex_lock(&lock);
    const bool has = count < REFUSALS_MAX;
    count += has;
    pthread_mutex_unlock(&lock);
    return has;
}

/* Throw away what comes on fd (taken).  0 or -errno, and fd is the caller's. */
static int linger(struct loop *loop, int fd)
{
    if (!has_room())
        return -EUSERS;
    struct refusal *r = alloc_zeroed(1, sizeof(*r));
    if (r != NULL)
        r->e = eventer_alloc_fd(on_bytes, r, fd, EVENTER_READ | EVENTER_EXCEPTION);
    if (r == NULL || r->e == NULL) {
        alloc_free(r);
        pthread_mutex_lock(&lock);
        count--;
        pthread_mutex_unlock(&lock);
        return -ENOMEM;
    }
    event_set_owner(r->e, loop);
    r->loop = loop;
    r->mail.run = begin;
    loop_post(loop, &r->mail);
    return 0;
}

void refuse(const struct listen_settings *settings, struct loop *loop, int fd)
{
    const char *text = settings->v.tls != NULL /* who would not understand it */
                           ? NULL
                           : atomic_load_explicit(&settings->v.type->refusal, memory_order_relaxed);
    if (text != NULL) {
        (void)send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(fd, SHUT_WR);
        if (settings->v.address.any.sa_family != AF_UNIX && linger(loop, fd) == 0)
            return;
    }
    close(fd);
}

/* One of this loop; NULL: there is none. */
static struct refusal *find_here(void)
{
    struct refusal *found = NULL;
    pthread_mutex_lock(&lock);
    for (struct ring *link = all.next; link != &all && found == NULL; link = link->next) {
        struct refusal *r = list_entry(link, struct refusal, all);
        found = r->loop == loop_self ? r : NULL;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static void end_here(void *arg)
{
    struct refusal *r;
    (void)arg;
    while ((r = find_here()) != NULL)
        eventer_free(end(r));
}

static void end_in(struct loop *loop, void *closure)
{
    loop_call(loop, end_here, closure);
}

void refusals_end(void)
{
    pool_each_loop(end_in, NULL);
}

size_t refusals_count(void)
{
    pthread_mutex_lock(&lock);
    const size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}
