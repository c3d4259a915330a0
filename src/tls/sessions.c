/* SPDX-License-Identifier: MIT */
/*
 * sessions.c - what a client keeps to resume the sessions of its servers.
 *
 * A context keeps the last session of each server: the name that it was asked for, who it had to
 * prove to be, and its address.  So a session is only resumed where its server would be trusted for
 * the same reasons; a reload, after which that may be otherwise, forgets them all, and a connection
 * whose peer a function of the user's decides about has none.
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

struct session {
    char *server;         /* owned */
    SSL_SESSION *session; /* owned; NULL: there is none */
    uint64_t turn;        /* the higher the newer; 0: there is none */
};

struct tls_sessions {
    pthread_mutex_t lock; /* of the others */
    uint64_t last_turn;
    struct session all[TLS_SESSIONS_MAX];
};

struct tls_sessions *tls_sessions_new(void)
{
    struct tls_sessions *sessions = alloc_zeroed(1, sizeof(*sessions));
    if (sessions != NULL)
        pthread_mutex_init(&sessions->lock, NULL);
    return sessions;
}

static void drop(struct session *session)
{
    SSL_SESSION_free(session->session);
    alloc_free(session->server);
    *session = (struct session){.turn = 0};
}

void tls_sessions_forget(struct tls_sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    for (size_t i = 0; i < TLS_SESSIONS_MAX; i++)
        drop(&sessions->all[i]);
    pthread_mutex_unlock(&sessions->lock);
}

void tls_sessions_free(struct tls_sessions *sessions)
{
    if (sessions == NULL)
        return;
    tls_sessions_forget(sessions);
    pthread_mutex_destroy(&sessions->lock);
    alloc_free(sessions);
}

/* Who the server of ctx is, a text (owned).  NULL: nobody of whom a session may be kept. */
static char *name_server(const eventer_ssl_ctx_t *ctx)
{
    char address[TLS_PEER_SIZE];
    X509_VERIFY_PARAM *param = SSL_get0_param(ctx->ssl);
    const char *told = SSL_get_servername(ctx->ssl, TLSEXT_NAMETYPE_host_name);
    const char *proven = X509_VERIFY_PARAM_get0_host(param, 0);
    if ((ctx->extra != NULL && ctx->extra->verify != NULL) ||
        !tls_format_peer(ctx->e->fd, address, sizeof(address)))
        return NULL;
    told = told == NULL ? "" : told;
    proven = proven == NULL ? "" : proven;
    ERR_set_mark(); /* to have none is an error to it, and to whom OpenSSL returns one that counts
                     */
    char *proven_ip = X509_VERIFY_PARAM_get1_ip_asc(param);
    ERR_pop_to_mark();
    const char *ip = proven_ip == NULL ? "" : proven_ip;
    const size_t size = strlen(address) + strlen(ip) + strlen(proven) + strlen(told) + 4;
    char *text = alloc_bytes(size);
    if (text != NULL)
        snprintf(text, size, "%s %s %s %s", address, ip, proven, told);
    OPENSSL_free(proven_ip);
    return text;
}

/* The one of server; the lock is held.  NULL: there is none. */
static struct session *find(struct tls_sessions *sessions, const char *server)
{
    for (size_t i = 0; i < TLS_SESSIONS_MAX; i++)
        if (sessions->all[i].session != NULL && strcmp(sessions->all[i].server, server) == 0)
            return &sessions->all[i];
    return NULL;
}

/* Where a new one goes: the oldest one's place, if none is free. */
static struct session *find_place(struct tls_sessions *sessions)
{
    struct session *place = &sessions->all[0];
    for (size_t i = 1; i < TLS_SESSIONS_MAX; i++)
        if (sessions->all[i].turn < place->turn)
            place = &sessions->all[i];
    return place;
}

/* Is what ctx began with what the sessions are of?  Their lock is held, so it stays so. */
static bool is_current(const eventer_ssl_ctx_t *ctx)
{
    SSL_CTX *current = tls_context_current(ctx->context);
    SSL_CTX_free(current); /* the pointer is compared, no more */
    return current == SSL_get_SSL_CTX(ctx->ssl);
}

static bool is_good(const SSL_SESSION *session)
{
    return SSL_SESSION_is_resumable(session) != 0 &&
           time(NULL) - SSL_SESSION_get_time(session) < SSL_SESSION_get_timeout(session);
}

void tls_session_recall(eventer_ssl_ctx_t *ctx)
{
    struct tls_sessions *sessions = ctx->context->sessions;
    char *server = name_server(ctx);
    if (server == NULL)
        return;
    pthread_mutex_lock(&sessions->lock);
    struct session *found = is_current(ctx) ? find(sessions, server) : NULL;
    if (found != NULL && is_good(found->session))
        (void)SSL_set_session(ctx->ssl, found->session);
    /* RFC 8446 C.4: a ticket that is used once does not tell that it is the same client */
    if (found != NULL && SSL_SESSION_get_protocol_version(found->session) != TLS1_2_VERSION)
        drop(found);
    pthread_mutex_unlock(&sessions->lock);
    alloc_free(server);
}

int tls_session_keep(SSL *ssl, SSL_SESSION *session)
{
    const eventer_ssl_ctx_t *ctx = tls_connection_of(ssl);
    struct tls_sessions *sessions = ctx->context->sessions;
    char *server = name_server(ctx);
    if (server == NULL)
        return 0;
    pthread_mutex_lock(&sessions->lock);
    const bool is_kept = is_current(ctx);
    if (is_kept) {
        struct session *place = find(sessions, server);
        if (place == NULL)
            place = find_place(sessions);
        drop(place);
        *place = (struct session){server, session, ++sessions->last_turn};
    } else {
        alloc_free(server);
    }
    pthread_mutex_unlock(&sessions->lock);
    return is_kept;
}
