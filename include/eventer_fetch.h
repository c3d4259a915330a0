/* SPDX-License-Identifier: MIT */
/*
 * eventer_fetch.h - a coroutine asks an HTTP server, and goes on when the answer is there.
 *
 *     eventer_fetch_t *answer;
 *     if (eventer_aco_http_fetch(&(eventer_fetch_options_t){.url = "https://example.org/"},
 *                                &answer) == 0)
 *         use(eventer_fetch_status(answer), eventer_fetch_body(answer, NULL));
 *     eventer_fetch_free(answer);
 *
 * HTTP is spoken by libcurl (7.87 or later), which is loaded at the first use in the process.
 * Each loop keeps connections open for requests to come.  See eventer_aco_http_fetch(3).
 */
#ifndef EVENTER_FETCH_H
#define EVENTER_FETCH_H

#include <eventer/eventer.h>

#include <stddef.h>
#include <sys/time.h>
#include <sys/types.h>

MTEV_BEGIN_DECLS

/* What holds where nothing else is said. */
#define EVENTER_FETCH_TIMEOUT_S         60 /* for the whole */
#define EVENTER_FETCH_CONNECT_TIMEOUT_S 10 /* of that, until there is a connection */
#define EVENTER_FETCH_BODY_MAX          ((size_t)64 << 20)

/* What is always so. */
#define EVENTER_FETCH_HEAD_MAX        ((size_t)256 * 1024) /* bytes of an answer's fields */
#define EVENTER_FETCH_CONNECTIONS_MAX 1024                 /* of a loop; others wait for one */
#define EVENTER_FETCH_PER_HOST_MAX    256                  /* of these, to one host and port */
#define EVENTER_FETCH_IDLE_MAX        64 /* of a loop, that are kept for requests to come */
#define EVENTER_FETCH_IDLE_S          60 /* that one is kept so */

/* An answer, as far as it has come. */
typedef struct eventer_fetch eventer_fetch_t;

/* A field to send; both NUL-terminated. */
typedef struct eventer_fetch_field {
    const char *name;
    const char *value;
} eventer_fetch_field_t;

/*
 * What is asked for.  All is borrowed until the call returns, and may lie on the caller's stack.
 * What is left out is as the line says.
 */
typedef struct eventer_fetch_options {
    const char *url;                     /* http: or https: */
    const char *method;                  /* NULL: GET, or POST with a body */
    const eventer_fetch_field_t *fields; /* ended by one without a name; NULL: none */
    const void *body;                    /* body_len bytes to send; NULL: none */
    size_t body_len;                     /* with produce: of all of it; 0: not known before */
    /*
     * In place of body: put up to size bytes of it at buffer and return how many; 0: that was all;
     * -1 with errno: give up.  In the coroutine; it may yield.
     */
    ssize_t (*produce)(void *buffer, size_t size, void *closure);
    /*
     * Called with the bytes of the answer's body as they come, which are then not collected.  Gives
     * up if it returns other than 0.  In the coroutine; it may yield, and the peer is held up
     * meanwhile.  bytes are borrowed during the call.
     */
    int (*consume)(eventer_fetch_t *answer, const void *bytes, size_t len, void *closure);
    void *closure;                  /* of both */
    size_t body_max;                /* bytes to collect; 0: EVENTER_FETCH_BODY_MAX */
    struct timeval timeout;         /* zero: EVENTER_FETCH_TIMEOUT_S */
    struct timeval connect_timeout; /* zero: EVENTER_FETCH_CONNECT_TIMEOUT_S */
    unsigned redirects_max;         /* that are followed; of GET, HEAD and POST only */
    const char *ca_file;            /* PEM: who may sign certificates; NULL: the system's, */
    const char *ca_path;            /* or a folder of such, by hash */
    mtev_boolean insecure;          /* take any certificate */
    mtev_boolean decompress;        /* offer the codings that libcurl knows, and undo them */
} eventer_fetch_options_t;

/*
 * Ask, and wait for the whole answer, of whatever status.  *ret_answer is the caller's in any case,
 * who ends it with eventer_fetch_free(); it is NULL if there is no memory for it, or the call was
 * made outside a coroutine.
 * Returns 0, or -1 with errno; eventer_fetch_error() says more.  EINVAL: the options, or no
 * coroutine; ETIMEDOUT; ECONNREFUSED, EHOSTUNREACH (also: no such name) and others of connect(2);
 * ECONNRESET: the answer was cut; EPROTO: TLS, or the certificate; EBADMSG: what came is no HTTP;
 * EMSGSIZE: more than body_max, or EVENTER_FETCH_HEAD_MAX; ELOOP: too many redirects; ESPIPE: the
 * peer wants a body once more that produce has given; ECANCELED: consume gave up; what produce
 * gave up with; ENOSYS: no fitting libcurl; EAGAIN, ENOMEM.  Yields.
 */
API_EXPORT(int)
eventer_aco_http_fetch(const eventer_fetch_options_t *options, eventer_fetch_t **ret_answer);

/* Free answer, with all that was borrowed from it.  NULL is a no-op. */
API_EXPORT(void) eventer_fetch_free(eventer_fetch_t *answer);

/* Return the status, as 200; 0: none has come, or answer is NULL. */
API_EXPORT(int) eventer_fetch_status(const eventer_fetch_t *answer);

/*
 * Return the value of the nth field (0: the first) called name, in any case of letters; NULL: there
 * is none.  Borrowed from answer.  Cost: a look at every field.
 */
API_EXPORT(const char *)
eventer_fetch_field(const eventer_fetch_t *answer, const char *name, size_t nth);

/* Return the URL that was asked last; another than options->url after redirects.  Borrowed. */
API_EXPORT(const char *) eventer_fetch_url(const eventer_fetch_t *answer);

/*
 * Return the body that was collected, with a NUL behind it, and its length in *ret_len (NULL: not
 * asked for); "" and 0 if there is none.  Borrowed.
 */
API_EXPORT(const char *) eventer_fetch_body(const eventer_fetch_t *answer, size_t *ret_len);

/* Return what went wrong, for people; "" if nothing did.  Borrowed. */
API_EXPORT(const char *) eventer_fetch_error(const eventer_fetch_t *answer);

MTEV_END_DECLS

#endif
