/* SPDX-License-Identifier: MIT */
/*
 * tls_impl.h - what the files of this layer share.
 *
 *   settings --build.c--> SSL_CTX with a part --SSL_new--> connection --attach--> an event's wire
 *
 * A part is what belongs to one certificate: each SSL_CTX owns one, and the first SSL_CTX of a
 * context owns the others, which the client's hello chooses from (names.c).  SSL_CTXs are counted
 * by OpenSSL: a context has its present one, and each connection the one it began with.
 */
#ifndef EVENTER_TLS_TLS_IMPL_H
#define EVENTER_TLS_TLS_IMPL_H

#include "base/spinlock.h"
#include "eventer/event.h"
#include "tls/tls.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

/* A file as it was when it was read. */
struct tls_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct tls_part {        /* of one SSL_CTX; never changed once it is there */
    unsigned char *ocsp; /* owned, OpenSSL's; NULL: nothing is stapled */
    const X509 *first;   /* that ocsp is of; the SSL_CTX's */
    int ocsp_len;
    time_t ocsp_until; /* 0: for good */
    bool optional_no_ca, ignore_dates;
    char **names;     /* owned: that the certificate is for, lower case; ends with NULL */
    SSL_CTX **others; /* owned; of the first one: other certificates; ends with NULL */
};

/* What was loaded, and from what. */
struct tls_loaded {
    SSL_CTX *ssl_ctx;         /* owned */
    struct tls_stamp *stamps; /* owned: TLS_FILE_COUNT of each settings */
};

struct tls_context {
    struct tls_context *next; /* in the registry */
    _Atomic uint32_t refs;
    eventer_ssl_orientation_t type;
    struct tls_settings *settings; /* owned: settings_count of them */
    size_t settings_count;
    struct spinlock lock;          /* of current */
    SSL_CTX *current;              /* shared */
    struct tls_stamp *stamps;      /* owned by whoever reloads; TLS_FILE_COUNT of each settings */
    struct tls_stamp *seen;        /* the same: as they were at the last look */
    pthread_mutex_t reload;        /* of stamps and seen: one reloads at a time */
    struct tls_sessions *sessions; /* owned; NULL: of a server */
};

/* What only some connections need; an idle one is to be small. */
struct tls_extra {
    eventer_ssl_verify_func_t verify;
    void *verify_closure;
    char *subject, *issuer, *names; /* owned, OpenSSL's and ours; NULL: not asked for yet */
};

struct eventer_ssl_ctx {
    SSL *ssl;                    /* owned */
    struct tls_context *context; /* shared */
    eventer_t e;                 /* whose call it is: good during one */
    struct tls_extra *extra;     /* owned; NULL: none */
    uint32_t error;              /* OpenSSL's, of the last failure; 0: see error_number */
    int error_number;            /* errno of the last failure */
    uint8_t blocked;             /* EVENTER_READ or _WRITE: what the last system call had none of */
    uint8_t recv_count;          /* of one call: see opset.c */
    bool is_stream;              /* of TCP: a short read means that there is no more */
    bool is_established;         /* the handshake is over */
    bool is_broken;              /* nothing more can be said */
    bool is_again_due;           /* there may be bytes that the kernel does not report; opset.c */
};

static_assert(sizeof(struct eventer_ssl_ctx) <= 48, "an idle connection grew");

/* ---- file.c ---------------------------------------------------------------------- */

/* The whole of a file (owned) that name says, or name itself where it is the text of one. */
struct tls_file {
    const char *name; /* borrowed: the path, or what stands for it in messages */
    char *bytes;
    size_t len;
    struct tls_stamp stamp;
};

/* Returns 0, or -errno with reason filled.  Blocks. */
int tls_file_read(const char *name, struct tls_file *out, char reason[static TLS_REASON_SIZE]);

/* Free it, and leave no trace of what it said. */
void tls_file_free(struct tls_file *file);

/* Look at the file that name says; all zeroes: it is not there, or a text. */
void tls_stamp_take(const char *name, struct tls_stamp *out);
bool tls_stamp_is_same(const struct tls_stamp *a, const struct tls_stamp *b);

/* ---- settings.c ------------------------------------------------------------------ */

/* Set on ctx the protocols and options that the text of layer says.  0, or -EINVAL with reason. */
int tls_layer_apply(SSL_CTX *ctx, const char *text, char reason[static TLS_REASON_SIZE]);

/* True if both say the same. */
bool tls_settings_are_same(const struct tls_settings *a, const struct tls_settings *b);

/* ---- build.c --------------------------------------------------------------------- */

/* Read all files of context's settings.  As tls_context_get(). */
int tls_build(const struct tls_context *context, struct tls_loaded *out,
              char reason[static TLS_REASON_SIZE]);

/* The part of an SSL_CTX. */
struct tls_part *tls_part_of(const SSL_CTX *ctx);

/* Put OpenSSL's last word on what went wrong into reason, behind name; forget it. */
int tls_fault(char reason[static TLS_REASON_SIZE], const char *name, const char *what);

/* ---- context.c ------------------------------------------------------------------- */

/* The SSL_CTX for a new connection; the caller shares it. */
SSL_CTX *tls_context_current(struct tls_context *context);

/* The context behind previous (NULL: the first), which the caller shares; NULL: there is no more.
 */
struct tls_context *tls_context_after(struct tls_context *previous);

/* True if a file of context has changed since it was read, and not since the last look. */
bool tls_context_is_stale(struct tls_context *context);

/* ---- connection.c, opset.c ------------------------------------------------------- */

extern const struct eventer_fd_opset tls_opset;

/* The connection that ssl is of. */
eventer_ssl_ctx_t *tls_connection_of(const SSL *ssl);

/* What the connection needs only now; NULL: no memory. */
struct tls_extra *tls_extra_of(eventer_ssl_ctx_t *ctx);

/* The BIO (taken by who sets it) between ssl and ctx's event; NULL: no memory. */
BIO *tls_bio_new(eventer_ssl_ctx_t *ctx);

/* A call for e begins: OpenSSL's words of others are forgotten. */
void tls_enter(eventer_ssl_ctx_t *ctx, eventer_t e);

/*
 * What a call of OpenSSL that returned rv <= 0 means: 0 (the stream has ended), or -EAGAIN with
 * what to wait for in *mask, or another -errno.
 */
int tls_outcome(eventer_ssl_ctx_t *ctx, eventer_t e, int rv, int *mask);

/* OpenSSL has bytes for e: if it is a classic event its callback is called for them, later. */
void tls_call_again(eventer_ssl_ctx_t *ctx, eventer_t e);

/* The handshake is over. */
void tls_count_completed(eventer_ssl_ctx_t *ctx);
static inline void tls_establish(eventer_ssl_ctx_t *ctx)
{
    if (__builtin_expect(!ctx->is_established, 0))
        tls_count_completed(ctx);
}

/* Do what can be done of the handshake.  1: it is over; or as tls_outcome(), never 0. */
int tls_handshake_step(eventer_ssl_ctx_t *ctx, eventer_t e, int *mask);

/* ---- peer.c ---------------------------------------------------------------------- */

/* OpenSSL asks about a certificate of the peer. */
int tls_verify(int ok, X509_STORE_CTX *store);

/* ---- names.c --------------------------------------------------------------------- */

/* The names in a certificate, in lower case (owned, ends with NULL).  0 or -ENOMEM. */
int tls_names_of(const X509 *certificate, char ***out);
void tls_names_free(char **names);

/* OpenSSL has read a client's hello: choose the certificate. */
int tls_choose_part(SSL *ssl, int *alert, void *arg);

/* True if name (lower case, no NUL at its end) is pattern, or what its *. stands for. */
bool tls_name_fits(const char *pattern, const char *name, size_t len);

/* ---- handshake.c ----------------------------------------------------------------- */

/* True if whoever began the handshake of ctx that is under way says that protocol is spoken. */
bool tls_handshake_speaks(const eventer_ssl_ctx_t *ctx, const char *protocol);

/* ---- alpn.c ---------------------------------------------------------------------- */

/* OpenSSL asks for a protocol of a client's list; arg: the list of the settings. */
int tls_alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                    const unsigned char *in, unsigned int inlen, void *arg);

/*
 * Write the list of the settings (NULL: the default) as it goes over the wire.  Returns its length,
 * 0: nothing is offered; or -EINVAL.
 */
#define TLS_ALPN_BYTES_MAX 256
int tls_alpn_encode(const char *list, unsigned char out[static TLS_ALPN_BYTES_MAX]);

/* ---- tickets.c ------------------------------------------------------------------- */

/* Have the tickets of ctx be made with the keys that the whole process shares.  0 or -ENOMEM. */
int tls_tickets_use(SSL_CTX *ctx);

/* Make new keys, if the present ones are due; always: also if not.  Those of before are accepted.
 */
void tls_tickets_rotate(bool always);

/* ---- sessions.c ------------------------------------------------------------------ */

#define TLS_SESSIONS_MAX 64 /* that a client's context keeps; then the oldest one goes */

struct tls_sessions *tls_sessions_new(void); /* NULL: no memory */
void tls_sessions_free(struct tls_sessions *sessions);

/* Those of before may not be resumed. */
void tls_sessions_forget(struct tls_sessions *sessions);

/* The handshake of the client ctx, in a call, is to begin: resume what is kept of its server. */
void tls_session_recall(eventer_ssl_ctx_t *ctx);

/* OpenSSL has got a session (shared if this returns 1) from the server. */
int tls_session_keep(SSL *ssl, SSL_SESSION *session);

/* ---- watch.c --------------------------------------------------------------------- */

/* There is something to watch. */
void tls_watch_begin(void);

/* ---- handshake.c ----------------------------------------------------------------- */

enum tls_count {
    TLS_COMPLETED = 0,
    TLS_RESUMED,
    TLS_FAILED,
    TLS_TIMED_OUT,
    TLS_RELOADS,
    TLS_BAD_RELOADS,
    TLS_COUNT_COUNT
};
void tls_count(enum tls_count what);

/* Write who the peer of fd is, a text.  False: it has no address of IP. */
#define TLS_PEER_SIZE 64
bool tls_format_peer(int fd, char *text, size_t size);

/* Say on the stream for debugging why the handshake with e's peer failed; at most so often. */
void tls_say_failure(eventer_ssl_ctx_t *ctx, eventer_t e, const char *why);

#endif
