/* SPDX-License-Identifier: MIT */
/*
 * tls.h - what higher layers may ask of TLS beyond eventer_SSL_fd_opset.h.
 *
 * Layer: tls (uses coro, over OpenSSL 3).
 *
 * A context is what its settings say, read from files: certificates with their keys, and whom to
 * trust.  It is shared by all connections made with it and lives as long as the last of them.  When
 * a file changes, the watcher (watch.c) reads all of them anew and swaps what new connections get.
 */
#ifndef EVENTER_TLS_TLS_H
#define EVENTER_TLS_TLS_H

#include <eventer/eventer_SSL_fd_opset.h>

#include <stdbool.h>
#include <stddef.h>

#define TLS_REASON_SIZE          512     /* bytes of an explanation, with its NUL */
#define TLS_PARTS_MAX            256     /* certificates of one context */
#define TLS_FILE_BYTES_MAX       4194304 /* of a file of certificates or keys */
#define TLS_HANDSHAKE_MS_DEFAULT 10000
#define TLS_HANDSHAKE_MS_MAX     600000

struct tls_context;

/* ---- settings -------------------------------------------------------------------- */

enum tls_key { /* those whose value is a text; first files */
    TLS_CERTIFICATE = 0,
    TLS_KEY,
    TLS_OTHER_CERTIFICATE, /* for the same names, with a key of another kind */
    TLS_OTHER_KEY,
    TLS_CA_CHAIN,
    TLS_CA_ACCEPT,
    TLS_CRL,
    TLS_OCSP,
    TLS_FILE_COUNT, /* each certificate has its key behind it */
    TLS_LAYER = TLS_FILE_COUNT,
    TLS_CIPHERS,
    TLS_ALPN,
    TLS_KEY_COUNT
};

enum tls_client_certificate {
    TLS_CLIENT_DEFAULT = 0, /* required where there is somebody to trust, else not asked for */
    TLS_CLIENT_NONE,
    TLS_CLIENT_OPTIONAL,
    TLS_CLIENT_REQUIRED
};

struct tls_settings {           /* zeroed = all defaults */
    char *texts[TLS_KEY_COUNT]; /* owned; NULL: not set */
    enum tls_client_certificate client_certificate;
    bool optional_no_ca;
    bool ignore_dates;
    unsigned handshake_ms; /* 0: the default */
};

/*
 * Set a key (as in <sslconfig>; both NUL-terminated, copied).  Returns 0, -ENOENT (no
 * such key), -EINVAL (wrong value, and *ret_why says what is right) or -ENOMEM.
 */
int tls_settings_set(struct tls_settings *settings, const char *key, const char *value,
                     const char **ret_why);

/*
 * Set all keys of a table of texts; one that nobody knows is one line, and ignored.  Returns 0, or
 * -errno with reason filled.
 */
int tls_settings_read(struct tls_settings *settings, mtev_hash_table *table,
                      char reason[static TLS_REASON_SIZE]);

/* True if the value of layer means something. */
bool tls_layer_is_known(const char *text);

void tls_settings_free(struct tls_settings *settings);

/* True if name is not a path but the text of a file. */
bool tls_is_text(const char *name);

/* ---- contexts -------------------------------------------------------------------- */

/*
 * Give the context for these settings (all of which are taken, also on failure): one that is there
 * already, or a new one whose files are read now, which blocks.  A server may have several, which
 * are told apart by the names in their certificates; the first is for all other names.  The caller
 * shares *out.  Returns 0, -EINVAL (or what the system said of a file) with reason filled, or
 * -ENOMEM.  Any thread.
 */
int tls_context_get(eventer_ssl_orientation_t type, struct tls_settings *settings, size_t count,
                    struct tls_context **out, char reason[static TLS_REASON_SIZE]);

void tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL is a no-op */

/* How long a handshake may take. */
unsigned tls_context_handshake_ms(const struct tls_context *context);

/*
 * Read its files again and swap what new connections get.  Blocks.  Returns 0, or as
 * tls_context_get() does, and it is as it was.  Any thread.
 */
int tls_context_reload(struct tls_context *context, char reason[static TLS_REASON_SIZE]);

/* Have the watcher reload every context, as eventer_ssl_reload() says.  Any thread. */
void tls_reload_all(void);

/* How often the watcher looks for files that have changed, for tests. */
void tls_watch_period_ms(unsigned ms);

/* ---- connections ----------------------------------------------------------------- */

/* Make the TLS side of a connection; the caller owns it.  NULL: no memory. */
eventer_ssl_ctx_t *tls_connection_new(struct tls_context *context);

/*
 * Do the handshake of the accepted event e (taken, not registered) as context's server, on the
 * loop's own stack.  When it is done, done(e, closure) is called and e is the callee's: registered
 * edge-triggered, with edge.may_read if there is something to read already.  If it fails or takes
 * too long, failed(closure) is called (NULL: not asked for) and e is closed and freed.  Its loop
 * only.  Returns 0; or -ENOMEM or as edge_register(), and e is the caller's.
 * speaks(protocol, closure) is asked whether "h2" is spoken here: nobody agrees on it without, or
 * without who was registered for it (ALPN).  NULL: it is not.
 */
struct tls_handshake_ops {
    void (*done)(eventer_t e, void *closure);
    void (*failed)(void *closure);
    bool (*speaks)(const char *protocol, void *closure); /* see below */
};
int tls_handshake_begin(eventer_t e, struct tls_context *context,
                        const struct tls_handshake_ops *ops, void *closure);

/* End all handshakes of that kind that are under way.  The loops run; not one of their threads. */
void tls_handshakes_end(void);

#endif
