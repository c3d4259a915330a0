/* SPDX-License-Identifier: MIT */
/*
 * eventer_listen.h - listeners that a program makes itself, and a look at all there are.
 *
 *     eventer_listener_t *echo = eventer_listen(
 *         &(struct eventer_listen_opts){.address = "127.0.0.1", .port = 7, .coroutine = serve});
 *
 * Any thread may call everything here, coroutines too, after eventer_init().  Nothing here yields.
 * A listener accepts from eventer_loop*() on; until then whoever connects waits.
 */
#ifndef EVENTER_LISTEN_H
#define EVENTER_LISTEN_H

#include <mtev_listener.h>

#include <stdint.h>
#include <sys/types.h>

MTEV_BEGIN_DECLS

/* A listener: made by eventer_listen(), or by a <listener> of the configuration. */
typedef struct listener eventer_listener_t;

/*
 * What a listener is.  What is left out is off, without a limit, or as the line says; each means
 * what the key of the same name in eventer.conf(5) does.  All is copied.
 */
struct eventer_listen_opts {
    const char *address; /* as in eventer.conf(5); NULL: "*" */
    uint16_t port;       /* host order; 0: a free one */
    /* One of these three says what a connection gets: */
    void (*coroutine)(void); /* runs in a coroutine: mtev_listener_register_aco_function() */
    eventer_func_t callback; /* is called as the callback of a classic event */
    const char *type;        /* what a type of that name, as "http_rest_api", does */
    void *closure;           /* mtev_acceptor_closure_ctx() of each connection, at first */
    eventer_pool_t *pool;    /* whose loops serve; NULL: the default pool */
    bool one_loop;           /* the loop that accepts serves, too; else they take turns */
    bool reuseport;          /* a socket for each loop */
    bool accept_thread;      /* a thread of its own accepts */
    bool delay;              /* small packets may wait: no TCP_NODELAY */
    bool keepalive;
    int backlog;       /* 0: 512 */
    int defer_accept;  /* seconds */
    int fastopen;      /* requests under way */
    const char *mode;  /* of a path, octal as in "0660" */
    const char *owner; /* of a path: a name or a number */
    const char *group;
    uint32_t max_connections;
    uint32_t max_per_address;
    uint32_t accept_rate;            /* a second */
    uint32_t accept_burst;           /* 0: accept_rate */
    uint32_t idle_timeout;           /* milliseconds */
    const char *proxy_protocol_from; /* networks, with blanks or commas between them */
    mtev_hash_table *sslconfig;      /* keys and texts of <sslconfig>; NULL: no TLS */
};

/*
 * Make a listener, bound and, once the loops let traffic in, accepting.
 * Returns a handle, which the caller ends with eventer_listener_free(); NULL with errno, after one
 * line on mtev_error that says what is wrong: EINVAL (an option), ENOENT (no such type, user or
 * group), ENOMEM, or what bind(2) and listen(2) say.
 */
API_EXPORT(eventer_listener_t *) eventer_listen(const struct eventer_listen_opts *opts);

/*
 * Stop: when this returns nobody accepts, and the address is free.  Whoever had connected before is
 * served still, and connections go on.  A stopped listener may be started again.  Returns 0.
 */
API_EXPORT(int) eventer_listener_stop(eventer_listener_t *listener);

/*
 * Start a stopped listener again, at the port that it had.  One that runs is left alone.
 * Returns 0, or -1 with errno as eventer_listen(), and it stays stopped.
 */
API_EXPORT(int) eventer_listener_start(eventer_listener_t *listener);

/*
 * Stop a listener and give the handle back.  Connections go on.  NULL is a no-op.  One of the
 * configuration is left alone, with EINVAL and one line.
 */
API_EXPORT(void) eventer_listener_free(eventer_listener_t *listener);

/*
 * Call fn with every listener, of both kinds, the oldest first.  fn may start, stop and free them,
 * and make new ones; a listener that fn does not own is good until fn returns.
 */
API_EXPORT(void)
eventer_listener_each(void (*fn)(eventer_listener_t *listener, void *closure), void *closure);

/*
 * The address as text: "127.0.0.1:80", "[::1]:80", "/path", "@name"; cut to size bytes with the
 * NUL.  Returns the length that it has.
 */
API_EXPORT(size_t)
eventer_listener_address(eventer_listener_t *listener, char *buffer, size_t size);

/* The port, host order; 0 of a unix socket. */
API_EXPORT(uint16_t) eventer_listener_port(eventer_listener_t *listener);

/* What happened at a listener since it was made. */
struct eventer_listener_stats {
    mtev_boolean is_open;     /* not stopped */
    uint32_t connections;     /* that it has now */
    uint64_t accepted;        /* all that came, those that were turned away included */
    uint64_t refused_full;    /* turned away: max_connections */
    uint64_t refused_address; /* turned away: max_per_address */
    uint64_t refused_proxy;   /* closed: a proxy's header was wrong, or late */
    uint64_t delayed;         /* pauses because of accept_rate */
    uint64_t failed;          /* pauses because there were no descriptors or no memory */
};

/* Copy the counts to *out.  Cost: a few loads. */
API_EXPORT(void)
eventer_listener_get_stats(eventer_listener_t *listener, struct eventer_listener_stats *out);

MTEV_END_DECLS

#endif
