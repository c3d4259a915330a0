/* SPDX-License-Identifier: MIT */
/*
 * home.c - what a loop has for its transfers: libcurl's handle for many of them, whose sockets are
 * classic events and whose timer is on the wheel.
 *
 * Source: libcurl-multi(3), curl_multi_socket_action(3).
 */
#include "base/alloc.h"
#include "client/fetch_impl.h"
#include "eventer/event.h"

#include <unistd.h>

/* ---- sockets --------------------------------------------------------------------- */

static int on_ready(eventer_t e, int mask, void *closure, struct timeval *now);

/* Return the event of ours that is registered for fd (borrowed), or NULL. */
static eventer_t event_of(int fd)
{
    eventer_t e = eventer_find_fd(fd);
    return e != NULL && eventer_get_callback(e) == on_ready ? e : NULL;
}

static void forget(int fd)
{
    eventer_t e = event_of(fd);
    if (e != NULL)
        eventer_free(eventer_remove(e));
}

int fetch_home_close(void *home, curl_socket_t fd)
{
    (void)home;
    forget(fd);
    return close(fd);
}

static void act(struct fetch_home *home, curl_socket_t fd, int bits)
{
    int running;
    (void)curl.multi_socket_action(home->multi, fd, bits, &running);
    fetch_home_collect(home);
}

static int on_ready(eventer_t e, int mask, void *closure, struct timeval *now)
{
    const int fd = eventer_get_fd(e);
    (void)now;
    eventer_ref(e); /* libcurl may end the registration */
    act(closure, fd,
        (mask & EVENTER_READ ? CURL_CSELECT_IN : 0) |
            (mask & EVENTER_WRITE ? CURL_CSELECT_OUT : 0) |
            (mask & EVENTER_EXCEPTION ? CURL_CSELECT_ERR : 0));
    if (eventer_find_fd(fd) != e)
        return 0; /* that gives the reference back */
    eventer_free(e);
    return eventer_get_mask(e);
}

static bool watch(struct fetch_home *home, int fd, int mask)
{
    eventer_t e = event_of(fd);
    if (e != NULL) {
        eventer_update(e, mask);
        return true;
    }
    e = eventer_alloc_fd(on_ready, home, fd, mask);
    if (e != NULL)
        eventer_add(e);
    return e != NULL;
}

/* libcurl says what it waits for at fd, on behalf of easy. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *closure, void *unused)
{
    struct eventer_fetch *fetch = NULL;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        forget(fd);
        return 0;
    }
    if (watch(closure, fd,
              (what & CURL_POLL_IN ? EVENTER_READ : 0) |
                  (what & CURL_POLL_OUT ? EVENTER_WRITE : 0)))
        return 0;
    /* -1 would end all transfers of the loop; others at this socket have their deadlines */
    if (curl.easy_getinfo(easy, CURLINFO_PRIVATE, &fetch) == CURLE_OK && fetch != NULL) {
        fetch_fail(fetch, -ENOMEM, "there is no memory to watch a socket");
        fetch->is_given_up = true;
        fetch_post(fetch);
    }
    return 0;
}

/* ---- time ------------------------------------------------------------------------ */

static void on_due(struct wheel_node *node)
{
    act(list_entry(node, struct fetch_home, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long ms, void *closure)
{
    struct fetch_home *home = closure;
    (void)multi;
    if (ms < 0)
        wheel_cancel(&home->timer);
    else
        wheel_add(&home->loop->wheel, &home->timer,
                  clock_mono_ns() + (uint64_t)ms * CLOCK_NS_PER_MS);
    return 0;
}

/* libcurl closes what it has kept for too long only when it is asked for something. */
static void on_idle(struct wheel_node *node)
{
    fetch_home_free(list_entry(node, struct fetch_home, idle));
}

/* ---- transfers ------------------------------------------------------------------- */

void fetch_home_enter(struct fetch_home *home)
{
    home->count++;
    wheel_cancel(&home->idle);
}

void fetch_home_leave(struct fetch_home *home)
{
    home->count--;
    if (home->count == 0)
        wheel_add(&home->loop->wheel, &home->idle,
                  clock_mono_ns() + EVENTER_FETCH_IDLE_S * CLOCK_NS_PER_S);
}

void fetch_home_collect(struct fetch_home *home)
{
    const CURLMsg *message;
    int left;
    while ((message = curl.multi_info_read(home->multi, &left)) != NULL) {
        struct eventer_fetch *fetch = NULL;
        const CURLcode code = message->data.result; /* the message goes with the handle */
        if (message->msg == CURLMSG_DONE &&
            curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch) == CURLE_OK)
            transfer_end(fetch, code);
    }
}

/* ---- a loop's -------------------------------------------------------------------- */

static bool set_up(struct fetch_home *home)
{
    CURLM *multi = home->multi;
    return curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, home) == CURLM_OK &&
           curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl.multi_setopt(multi, CURLMOPT_TIMERDATA, home) == CURLM_OK &&
           curl.multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                             (long)EVENTER_FETCH_CONNECTIONS_MAX) == CURLM_OK &&
           curl.multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                             (long)EVENTER_FETCH_PER_HOST_MAX) == CURLM_OK &&
           curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)EVENTER_FETCH_IDLE_MAX) == CURLM_OK;
}

struct fetch_home *fetch_home_self(void)
{
    struct fetch_home *home = loop_self->client;
    if (home != NULL)
        return home;
    home = alloc_zeroed(1, sizeof(*home));
    if (home == NULL)
        return NULL;
    home->loop = loop_self;
    home->timer.fire = on_due;
    home->idle.fire = on_idle;
    home->multi = curl.multi_init();
    if (home->multi == NULL || !set_up(home)) {
        fetch_home_free(home);
        return NULL;
    }
    loop_self->client = home;
    return home;
}

void fetch_home_free(struct fetch_home *home)
{
    assert(home->count == 0);
    home->loop->client = NULL;
    if (home->multi != NULL)
        (void)curl.multi_cleanup(home->multi);
    wheel_cancel(&home->timer);
    wheel_cancel(&home->idle);
    alloc_free(home);
}
