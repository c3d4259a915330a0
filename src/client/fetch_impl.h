/* SPDX-License-Identifier: MIT */
/*
 * fetch_impl.h - a request of a coroutine, its transfer by libcurl, and what a loop has for both.
 *
 * Layer: client.  Everything here belongs to one loop's thread.  Two parties share a fetch:
 *
 *   the coroutine (fetch.c)                        the loop (transfer.c, home.c)
 *   copies the options        -- post ---------->  begins the transfer
 *   waits                     <-- wake ----------  bytes have come, a body is wanted, it is done
 *   consumes, produces        -- post ---------->  the transfer goes on
 *   gives up (is_given_up)    -- post ---------->  ends the transfer
 *   returns once is_done and nothing is posted
 *
 * libcurl is called, and calls back, on the loop's own stack alone: it needs more of it than a
 * coroutine should have.  So it sees no frame of a coroutine, which may be elsewhere by then, but
 * the copies that a fetch has on the heap; consume and produce, which run in the coroutine, find
 * their closure's frames in place.
 */
#ifndef EVENTER_CLIENT_FETCH_IMPL_H
#define EVENTER_CLIENT_FETCH_IMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "client/library.h"
#include "coro/coro.h"

#include <eventer_fetch.h>

#define FETCH_CHUNK_MAX ((size_t)64 * 1024) /* bytes that wait for consume, or for the network */

/* What a loop has for its transfers; made when it is needed, ended when it was idle for long. */
struct fetch_home {
    struct loop *loop;
    CURLM *multi;            /* owned, with the connections that are kept */
    size_t count;            /* transfers under way */
    struct wheel_node timer; /* when libcurl wants to be called */
    struct wheel_node idle;  /* armed while count is 0 */
};

struct eventer_fetch {
    /* What was asked for. */
    struct arena arena;
    eventer_fetch_options_t options; /* text lies in the arena; timeval and callbacks as given */
    const char **lines;              /* the fields as libcurl takes them, ended by NULL */
    uint64_t timeout_ns, connect_timeout_ns;

    /* The two parties. */
    struct mail mail;    /* to the loop */
    bool is_posted;      /* it is on its way */
    bool is_given_up;    /* the transfer is to end, because of err */
    bool is_done;        /* there is no transfer any more */
    struct coro *waiter; /* NULL: the coroutine runs, or is ready */
    uint32_t generation; /* of its wait */

    /* The transfer. */
    struct fetch_home *home;
    CURL *easy;                    /* owned; NULL: none */
    bool is_under_way;             /* home knows of it */
    struct curl_slist *curl_lines; /* owned */
    char *out;                     /* owned: FETCH_CHUNK_MAX bytes; NULL: nothing was produced */
    size_t out_start, out_end;     /* [out_start, out_end) of out waits to be sent */
    size_t produced;               /* bytes in all */
    bool has_produced_all;
    bool wants_body; /* libcurl has paused until there is more of it */
    bool is_paused;  /* libcurl has paused until in was consumed */

    /* The answer. */
    struct buf in;     /* the body: all of it, or what waits for consume */
    struct buf spare;  /* another such, empty */
    struct buf fields; /* name, NUL, value, NUL, and so on */
    char *url;         /* owned; NULL: options.url */
    int status;        /* 0: none yet */
    bool has_head;     /* fields is complete; what follows are trailers */
    bool has_body;     /* something of it has come */
    int err;           /* 0 or -errno */
    char text[CURL_ERROR_SIZE];
    char curl_text[CURL_ERROR_SIZE]; /* what libcurl says of it */
};

/* ---- fetch.c --------------------------------------------------------------------- */

/* Wake the coroutine, if it waits. */
void fetch_wake(struct eventer_fetch *fetch);

/* Have the loop attend to fetch: transfer_attend(). */
void fetch_post(struct eventer_fetch *fetch);

/* Note why fetch fails, unless that is known: err (-errno) and a text. */
void fetch_fail(struct eventer_fetch *fetch, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- options.c ------------------------------------------------------------------- */

/*
 * Check the options and copy them to fetch, which is zeroed: what lies on self's stack, and all
 * text.  Returns 0, or -errno with fetch's text.
 */
int options_copy(struct eventer_fetch *fetch, const struct coro *self,
                 const eventer_fetch_options_t *options);

/* ---- home.c ---------------------------------------------------------------------- */

/* Return the calling loop's, made if need be; NULL: no memory. */
struct fetch_home *fetch_home_self(void);

/* A transfer has begun, or is over. */
void fetch_home_enter(struct fetch_home *home);
void fetch_home_leave(struct fetch_home *home);

/* Close fd, of which the loop's poller knows no more: a CURLOPT_CLOSESOCKETFUNCTION. */
int fetch_home_close(void *home, curl_socket_t fd);

/* End those transfers that libcurl is through with. */
void fetch_home_collect(struct fetch_home *home);

/* Close all connections and free home, which has no transfers. */
void fetch_home_free(struct fetch_home *home);

/* ---- transfer.c ------------------------------------------------------------------ */

/* Begin fetch's transfer, end it, or have it go on. */
void transfer_attend(struct eventer_fetch *fetch);

/* libcurl is through with it: code says how. */
void transfer_end(struct eventer_fetch *fetch, CURLcode code);

/* ---- answer.c -------------------------------------------------------------------- */

/* Take a line of the answer's head, without its end.  Returns 0 or -errno. */
int answer_take_line(struct eventer_fetch *fetch, const char *line, size_t len);

/* ---- outcome.c ------------------------------------------------------------------- */

/* Return 0 or -errno for what libcurl calls code; os_errno is its CURLINFO_OS_ERRNO. */
int outcome_of(CURLcode code, long os_errno, bool has_status);

#endif
