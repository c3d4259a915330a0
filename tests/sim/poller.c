/* SPDX-License-Identifier: MIT */
/*
 * poller.c - a poller over the sockets of the simulator: level- and edge-triggered as poller.h and
 * epoll(7) say, in any order, and now and then without a reason.
 */
#include "sim_impl.h"

#include "base/alloc.h"
#include "base/list.h"

#include <errno.h>
#include <limits.h>

struct sim_poller {
    struct poller base;
    struct sim_poller *next;
    bool is_woken;
    bool watches_wall, wall_was_set;
};

static struct sim_poller *pollers;

static struct sim_poller *self_of(struct poller *p)
{
    return list_entry(p, struct sim_poller, base);
}

static int open_poller(struct poller **out)
{
    struct sim_poller *self = alloc_zeroed(1, sizeof(*self));
    if (self == NULL)
        return -ENOMEM;
    self->base.ops = &sim_poller;
    self->next = pollers;
    pollers = self;
    *out = &self->base;
    return 0;
}

static void close_poller(struct poller *p)
{
    struct sim_poller **link = &pollers;
    while (*link != self_of(p))
        link = &(*link)->next;
    *link = (*link)->next;
    alloc_free(self_of(p));
}

unsigned sim_open_pollers(void)
{
    unsigned count = 0;
    for (const struct sim_poller *p = pollers; p != NULL; p = p->next)
        count++;
    return count;
}

static void rouse(struct poller *p)
{
    (void)sim_wake(self_of(p), INT_MAX);
}

void sim_watch_raise(struct sim_watch *watch)
{
    if (watch->poller == NULL)
        return;
    if (!watch->is_pending && sim_plant == SIM_PLANT_EDGE && sim_chance(32))
        return;
    watch->is_pending = true;
    rouse(watch->poller);
}

void sim_pollers_wall_was_set(void)
{
    for (struct sim_poller *p = pollers; p != NULL; p = p->next)
        if (p->watches_wall) {
            p->wall_was_set = true;
            rouse(&p->base);
        }
}

static int watch(struct poller *p, int fd, uint32_t was, uint32_t interest, uint64_t tag)
{
    if (tag == POLLER_TAG_WALL) { /* its fd is a real one, which has no news */
        self_of(p)->watches_wall = true;
        return 0;
    }
    sim_point();
    struct sim_watch *found = sim_watch_of(fd);
    sim_trace("watch", fd, interest);
    if (found == NULL)
        return -EBADF;
    if (found->poller != NULL && found->poller != p)
        sim_fail(__FILE__, __LINE__, "two loops watch fd %d", fd);
    if (was == 0 && found->poller != NULL)
        return -EEXIST;
    if (was != 0 && found->poller == NULL)
        return -ENOENT;
    *found = (struct sim_watch){.poller = p, .interest = interest, .tag = tag, .is_pending = true};
    if (interest == 0)
        *found = (struct sim_watch){.poller = NULL};
    else
        rouse(p); /* it may be ready already */
    return 0;
}

/* What to say of a watch whose socket is ready for bits: 0, nothing. */
static uint32_t news_of(const struct sim_watch *watch, uint32_t bits)
{
    if ((watch->interest & POLLER_EDGE) != 0 && !watch->is_pending)
        return 0;
    return bits & (watch->interest | POLLERR | POLLHUP);
}

/* Gather what there is to say, up to max, in any order. */
static int collect(struct sim_poller *self, struct poller_ready *ready, int max, bool is_spurious)
{
    uint32_t at = sim_random(SIM_SOCKETS_MAX);
    int count = 0;
    if (max > 1 && sim_chance(4))
        max = 1 + (int)sim_random(4); /* the rest another time */
    for (unsigned i = 0; i < SIM_SOCKETS_MAX && count < max; i++) {
        struct sim_watch *watch;
        uint32_t bits;
        if (!sim_socket_at((at + i) % SIM_SOCKETS_MAX, &watch, &bits) ||
            watch->poller != &self->base)
            continue;
        if (is_spurious && sim_chance(4)) { /* more than there is; what there is, too */
            bits |= POLLIN | POLLOUT;
            watch->is_pending = true;
        }
        uint32_t news = news_of(watch, bits);
        watch->is_pending = false;
        if (news != 0)
            ready[count++] = (struct poller_ready){.bits = news, .tag = watch->tag};
    }
    if (self->wall_was_set && count < max) {
        self->wall_was_set = false;
        ready[count++] = (struct poller_ready){.bits = POLLIN, .tag = POLLER_TAG_WALL};
    }
    if (self->is_woken && count < max && sim_chance(2))
        ready[count++] = (struct poller_ready){.bits = POLLIN, .tag = POLLER_TAG_WAKE};
    for (int i = count - 1; i > 0; i--) { /* Fisher & Yates */
        uint32_t other = sim_random((uint32_t)i + 1);
        struct poller_ready one = ready[i];
        ready[i] = ready[other];
        ready[other] = one;
    }
    return count;
}

static int wait(struct poller *p, struct poller_ready *ready, int max, uint64_t deadline_ns)
{
    struct sim_poller *self = self_of(p);
    int count;
    sim_point();
    bool is_spurious = sim_chance(sim_nature.spurious_one_in);
    bool is_at_once = deadline_ns == POLLER_AT_ONCE || is_spurious;
    while ((count = collect(self, ready, max, is_spurious)) == 0) {
        if (self->is_woken || is_at_once || deadline_ns <= sim_now_ns())
            break;
        (void)sim_block(self, deadline_ns);
    }
    self->is_woken = false;
    for (int i = 0; i < count; i++)
        sim_trace("ready", (int64_t)(ready[i].tag & (((uint64_t)1 << 31) - 1)), ready[i].bits);
    sim_trace("turn", count, 0);
    return count;
}

static void wake(struct poller *p)
{
    sim_point();
    sim_trace("wake loop", 0, 0);
    if (sim_plant == SIM_PLANT_WAKE && sim_chance(16))
        return;
    self_of(p)->is_woken = true;
    rouse(p);
}

const struct poller_ops sim_poller = {
    .name = "simulator",
    .open = open_poller,
    .close = close_poller,
    .watch = watch,
    .wait = wait,
    .wake = wake,
};
