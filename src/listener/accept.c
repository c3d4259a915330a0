/* SPDX-License-Identifier: MIT */
/*
 * accept.c - taking connections: in a loop, or in a thread that does nothing else.
 */
#include "listener/acceptor.h"
#include "listener/listener_impl.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PAUSE_NS           (100 * CLOCK_NS_PER_MS)
#define COMPLAINT_EVERY_NS CLOCK_NS_PER_S
#define INTEREST           (EVENTER_READ | EVENTER_EXCEPTION)

static void complain(struct listen_socket *s, int err, uint64_t now_ns)
{
    if (s->last_complaint_ns != 0 && now_ns - s->last_complaint_ns < COMPLAINT_EVERY_NS)
        return;
    mtevL(mtev_error, "listener %s: accept: %s; connections wait\n", s->listener->text,
          strerror(err));
    s->last_complaint_ns = now_ns;
}

/* ---- taking ---------------------------------------------------------------------- */

static bool is_about_the_peer(int err)
{
    return err == ECONNABORTED || err == EINTR || err == EPROTO || err == EPERM ||
           err == ENETDOWN || err == EHOSTDOWN || err == EHOSTUNREACH || err == ENETUNREACH ||
           err == ENOPROTOOPT || err == EOPNOTSUPP || err == ENONET; /* accept(2), "Linux passes" */
}

/* The loop that is to serve the next connection of s. */
static struct loop *choose_loop(const struct listen_socket *s)
{
    const struct listen_values *v = &s->listener->settings->v;
    return v->fans_out && !v->shares_port ? pool_next_loop(v->pool) : s->loop;
}

/* What came of an attempt to accept. */
struct taken {
    mtev_acceptor_closure_t *here; /* this loop is to serve it: acceptor_arrive() */
    int pause_err;                 /* why s must not accept now; 0: it is the rate */
    uint64_t pause_ns;             /* for so long */
};

/*
 * Give the connection fd (taken) to the loop that serves it, or turn it away.  0 or -ENOMEM.
 * ret_here: see acceptor_hand_over().
 */
static int admit(struct listen_socket *s, int fd, struct sockaddr_storage *remote, socklen_t len,
                 mtev_acceptor_closure_t **ret_here)
{
    struct listener *l = s->listener;
    struct listen_settings *settings = l->settings;
    const uint32_t max = settings->v.connections_max;
    listener_count(&l->accepted);
    const uint32_t before = atomic_fetch_add_explicit(&l->live, 1, memory_order_relaxed);
    if (max != 0 && before >= max) {
        atomic_fetch_sub_explicit(&l->live, 1, memory_order_relaxed);
        listener_count(&l->refused_full);
        refuse(settings, s->loop, fd);
        return 0;
    }
    int err = acceptor_hand_over(settings, choose_loop(s), fd, remote, len, ret_here);
    if (err != 0)
        atomic_fetch_sub_explicit(&l->live, 1, memory_order_relaxed);
    if (err == -EUSERS) {
        listener_count(&l->refused_address);
        refuse(settings, s->loop, fd);
        return 0;
    }
    if (err != 0)
        close(fd);
    return err;
}

enum attempt {
    TOOK = 1,
    TOOK_NOBODY,
    MUST_PAUSE
};

/*
 * Accept who waits.  The listener's lock is held.  may_serve: a connection for this loop is given
 * in *out, to be served when the lock is not held; else it is posted.
 */
static enum attempt take_one(struct listen_socket *s, uint64_t now_ns, bool may_serve,
                             struct taken *out)
{
    struct listener *l = s->listener;
    const struct listen_values *v = &l->settings->v;
    struct sockaddr_storage remote;
    socklen_t len = sizeof(remote);
    out->here = NULL;
    if (v->accept_rate != 0) {
        out->pause_err = 0;
        out->pause_ns = rate_wait_ns(&l->rate, v->accept_rate, v->accept_burst, now_ns);
        if (out->pause_ns > 0) {
            listener_count(&l->delayed);
            return MUST_PAUSE;
        }
    }
    memset(&remote, 0, sizeof(remote.ss_family));
    int fd = accept4(s->fd, (struct sockaddr *)&remote, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && is_about_the_peer(errno))
        return TOOK;
    if (fd < 0 && errno == EAGAIN)
        return TOOK_NOBODY;
    int err = fd < 0 ? -errno : admit(s, fd, &remote, len, may_serve ? &out->here : NULL);
    if (err != 0) {
        listener_count(&l->failed);
        out->pause_err = -err;
        out->pause_ns = PAUSE_NS;
        return MUST_PAUSE;
    }
    if (v->accept_rate != 0)
        rate_take(&l->rate, v->accept_rate, now_ns);
    return TOOK;
}

/* ---- in a loop ------------------------------------------------------------------- */

/* The pause is over, or it was another one's, and the listener has been stopped since. */
static void resume(struct wheel_node *node)
{
    struct listen_socket *s = list_entry(node, struct listen_socket, timer);
    struct listener *l = s->listener;
    pthread_mutex_lock(&l->lock);
    s->is_timer_armed = false;
    bool was_paused = s->is_paused;
    s->is_paused = false;
    if (was_paused && s->e != NULL)
        eventer_update(s->e, INTEREST); /* under the lock, so that nobody has removed it */
    pthread_mutex_unlock(&l->lock);
    listener_release(l);
}

static void pause_socket(struct listen_socket *s, const struct taken *taken)
{
    if (taken->pause_err != 0)
        complain(s, taken->pause_err, loop_self->now_ns);
    s->is_paused = true;
    if (s->is_timer_armed)
        return;
    s->is_timer_armed = true;
    (void)listener_share(s->listener);
    s->timer.fire = resume;
    wheel_add(&loop_self->wheel, &s->timer, loop_self->now_ns + taken->pause_ns);
}

/* Accept who waits, and serve him if this loop is to.  Returns false when that was all. */
static bool accept_one(struct listen_socket *s, eventer_t e, int *ret_wanted)
{
    struct listener *l = s->listener;
    struct taken taken = {.here = NULL};
    enum attempt attempt = TOOK_NOBODY;
    pthread_mutex_lock(&l->lock);
    if (s->e == e) /* else it was stopped meanwhile, and what is returned does not count */
        attempt = take_one(s, loop_self->now_ns, true, &taken);
    if (attempt == MUST_PAUSE) {
        pause_socket(s, &taken);
        *ret_wanted = EVENTER_EXCEPTION;
    }
    pthread_mutex_unlock(&l->lock);
    if (taken.here != NULL)
        acceptor_arrive(taken.here);
    return attempt == TOOK;
}

static int on_acceptable(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct listen_socket *s = closure;
    int wanted = INTEREST;
    const uint32_t burst = atomic_load_explicit(&s->burst, memory_order_relaxed);
    uint32_t count = 0;
    (void)now;
    /*
     * To find nobody costs the kernel as much as to find somebody.  So as many are taken as there
     * were the last time; if that was too few the kernel says so again, and then it is twice as
     * many.
     */
    while (count < burst && accept_one(s, e, &wanted))
        count++;
    atomic_store_explicit(&s->burst,
                          count == burst ? MIN(2 * count, LISTEN_ACCEPT_BURST_MAX) : MAX(count, 1),
                          memory_order_relaxed); /* a hint; a loop that had s before may be late */
    if ((mask & EVENTER_EXCEPTION) == 0 || wanted != INTEREST)
        return wanted;
    pthread_mutex_lock(&s->listener->lock); /* the kernel could not watch it, for want of memory */
    if (s->e == e)
        pause_socket(s, &(struct taken){.pause_err = ENOMEM, .pause_ns = PAUSE_NS});
    pthread_mutex_unlock(&s->listener->lock);
    return EVENTER_EXCEPTION;
}

static void take_guest(struct event_guest *guest)
{
    (void)listener_share(list_entry(guest, struct listen_socket, guest)->listener);
}

static void drop_guest(struct event_guest *guest)
{
    listener_release(list_entry(guest, struct listen_socket, guest)->listener);
}

void accept_init(struct listen_socket *s)
{
    s->guest = (struct event_guest){.take = take_guest, .drop = drop_guest};
}

static int begin_in_loop(struct listen_socket *s)
{
    eventer_t e = eventer_alloc_fd(on_acceptable, s, s->fd, INTEREST);
    if (e == NULL)
        return -ENOMEM;
    atomic_store_explicit(&s->burst, 1, memory_order_relaxed);
    e->guest = &s->guest;
    take_guest(&s->guest);
    event_set_owner(e, s->loop);
    eventer_ref(e); /* one for the eventer, one for us */
    pthread_mutex_lock(&s->listener->lock);
    s->is_paused = false;
    s->e = e;
    pthread_mutex_unlock(&s->listener->lock);
    eventer_add(e);
    return 0;
}

/* ---- in a thread ----------------------------------------------------------------- */

struct accept_thread {
    struct listen_socket *socket;
    pthread_t thread;
    int wake_fd; /* owned: readable when it is to end */
};

/* Sleep until somebody waits, or, if it is not 0, for pause_ns.  Returns false at the end. */
static bool await_peers(const struct accept_thread *thread, uint64_t pause_ns)
{
    struct pollfd fds[2] = {{.fd = thread->wake_fd, .events = POLLIN},
                            {.fd = thread->socket->fd, .events = POLLIN}};
    struct timespec time = {.tv_sec = (time_t)(pause_ns / CLOCK_NS_PER_S),
                            .tv_nsec = (long)(pause_ns % CLOCK_NS_PER_S)};
    (void)ppoll(fds, pause_ns > 0 ? 1 : 2, pause_ns > 0 ? &time : NULL, NULL);
    return fds[0].revents == 0;
}

static void *thread_main(void *arg)
{
    struct accept_thread *thread = arg;
    struct listen_socket *s = thread->socket;
    struct taken taken = {.pause_ns = 0};
    thread_set_name("accept");
    while (await_peers(thread, taken.pause_ns)) {
        const uint64_t now_ns = clock_mono_ns();
        enum attempt attempt = TOOK;
        taken.pause_ns = 0;
        pthread_mutex_lock(&s->listener->lock);
        for (int i = 0; i < LISTEN_ACCEPT_BURST_MAX && attempt == TOOK; i++)
            attempt = take_one(s, now_ns, false, &taken);
        if (attempt == MUST_PAUSE && taken.pause_err != 0)
            complain(s, taken.pause_err, now_ns);
        if (attempt != MUST_PAUSE)
            taken.pause_ns = 0;
        pthread_mutex_unlock(&s->listener->lock);
    }
    return NULL;
}

static int begin_in_thread(struct listen_socket *s)
{
    struct accept_thread *thread = alloc_zeroed(1, sizeof(*thread));
    if (thread == NULL)
        return -ENOMEM;
    thread->socket = s;
    thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int err = thread->wake_fd < 0 ? errno : 0;
    if (err == 0)
        err = -thread_start(&thread->thread, thread_main, thread);
    if (err != 0) {
        if (thread->wake_fd >= 0)
            close(thread->wake_fd);
        alloc_free(thread);
        return -err;
    }
    s->thread = thread;
    return 0;
}

static void end_thread(struct listen_socket *s)
{
    const uint64_t one = 1;
    struct accept_thread *thread = s->thread;
    s->thread = NULL;
    (void)!write(thread->wake_fd, &one, sizeof(one));
    thread_ops.join(thread->thread, NULL);
    close(thread->wake_fd);
    alloc_free(thread);
}

/* ---- beginning and ending -------------------------------------------------------- */

int accept_begin(struct listener *l)
{
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < l->socket_count; i++) {
        struct listen_socket *s = &l->sockets[i];
        if (s->fd >= 0 && s->e == NULL && s->thread == NULL)
            err = l->settings->v.has_thread ? begin_in_thread(s) : begin_in_loop(s);
    }
    if (err != 0)
        accept_end(l);
    return err;
}

void accept_end(struct listener *l)
{
    for (uint32_t i = 0; i < l->socket_count; i++) {
        struct listen_socket *s = &l->sockets[i];
        if (s->thread != NULL)
            end_thread(s);
        pthread_mutex_lock(&l->lock); /* who accepts now has done so when this is had */
        eventer_t e = s->e;
        s->e = NULL;
        pthread_mutex_unlock(&l->lock);
        if (e != NULL && eventer_remove(e) != NULL)
            eventer_free(e);
        eventer_free(e);
    }
}

void accept_rest(struct listener *l)
{
    struct taken taken;
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->socket_count; i++) {
        enum attempt attempt = l->sockets[i].fd >= 0 ? TOOK : TOOK_NOBODY;
        for (int left = LISTEN_BACKLOG_MAX; left > 0 && attempt == TOOK; left--)
            attempt = take_one(&l->sockets[i], clock_mono_ns(), false, &taken);
    }
    pthread_mutex_unlock(&l->lock);
}
