/* SPDX-License-Identifier: MIT */
/*
 * context.c - the registry of contexts: one for each combination of settings, and its reload.
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Contexts that only the registry has are kept for the next who wants the same, up to so many. */
#define CONTEXTS_MAX 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of these two, and all next */
static struct tls_context *contexts;                     /* newest first; each is shared */
static size_t context_count;

/* ---- the life of one ------------------------------------------------------------- */

static void free_settings(struct tls_settings *settings, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tls_settings_free(&settings[i]);
}

static void free_context(struct tls_context *context)
{
    SSL_CTX_free(context->current);
    if (context->settings != NULL)
        free_settings(context->settings, context->settings_count);
    alloc_free(context->settings);
    alloc_free(context->stamps);
    alloc_free(context->seen);
    tls_sessions_free(context->sessions);
    pthread_mutex_destroy(&context->reload);
    alloc_free(context);
}

void tls_context_ref(struct tls_context *context)
{
    atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
}

void tls_context_unref(struct tls_context *context)
{
    /* release what was done here; the last one acquires it before it frees */
    if (context != NULL && atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) == 1)
        free_context(context);
}

unsigned tls_context_handshake_ms(const struct tls_context *context)
{
    const unsigned ms = context->settings[0].handshake_ms;
    return ms == 0 ? TLS_HANDSHAKE_MS_DEFAULT : ms;
}

SSL_CTX *tls_context_current(struct tls_context *context)
{
    spinlock_lock(&context->lock);
    SSL_CTX *current = context->current;
    SSL_CTX_up_ref(current);
    spinlock_unlock(&context->lock);
    return current;
}

/* Take what was loaded into use. */
static void adopt(struct tls_context *context, struct tls_loaded *loaded)
{
    spinlock_lock(&context->lock);
    SSL_CTX *old = context->current;
    context->current = loaded->ssl_ctx;
    spinlock_unlock(&context->lock);
    SSL_CTX_free(old);
    if (context->sessions != NULL)
        tls_sessions_forget(context->sessions);
    alloc_free(context->stamps);
    context->stamps = loaded->stamps;
}

/* ---- the registry ---------------------------------------------------------------- */

static bool is_for(const struct tls_context *context, eventer_ssl_orientation_t type,
                   const struct tls_settings *settings, size_t count)
{
    bool is_same = context->type == type && context->settings_count == count;
    for (size_t i = 0; i < count && is_same; i++)
        is_same = tls_settings_are_same(&context->settings[i], &settings[i]);
    return is_same;
}

static struct tls_context *find(eventer_ssl_orientation_t type, const struct tls_settings *settings,
                                size_t count)
{
    pthread_mutex_lock(&lock);
    struct tls_context *context = contexts;
    while (context != NULL && !is_for(context, type, settings, count))
        context = context->next;
    if (context != NULL)
        tls_context_ref(context);
    pthread_mutex_unlock(&lock);
    return context;
}

/* Take the oldest one that nobody else has off the registry; the lock is held. */
static struct tls_context *take_unused(void)
{
    struct tls_context **found = NULL;
    for (struct tls_context **link = &contexts; *link != NULL; link = &(*link)->next)
        if (atomic_load_explicit(&(*link)->refs, memory_order_relaxed) == 1)
            found = link;
    if (found == NULL)
        return NULL;
    struct tls_context *context = *found;
    *found = context->next;
    context_count--;
    return context;
}

static void enter(struct tls_context *context)
{
    struct tls_context *unused = NULL;
    tls_context_ref(context); /* the registry's */
    pthread_mutex_lock(&lock);
    if (context_count >= CONTEXTS_MAX)
        unused = take_unused();
    context->next = contexts;
    contexts = context;
    context_count++;
    pthread_mutex_unlock(&lock);
    tls_context_unref(unused);
}

struct tls_context *tls_context_after(struct tls_context *previous)
{
    pthread_mutex_lock(&lock);
    struct tls_context *context = previous == NULL ? contexts : previous->next;
    if (context != NULL)
        tls_context_ref(context);
    pthread_mutex_unlock(&lock);
    return context;
}

/* Make one of settings, which are taken. */
static int make(eventer_ssl_orientation_t type, struct tls_settings *settings, size_t count,
                struct tls_context **out, char *reason)
{
    struct tls_loaded loaded;
    struct tls_context *context = alloc_zeroed(1, sizeof(*context));
    struct tls_settings *own = alloc_zeroed(count, sizeof(*own));
    struct tls_stamp *seen = alloc_zeroed(count * TLS_FILE_COUNT, sizeof(*seen));
    struct tls_sessions *sessions = type == SSL_CLIENT ? tls_sessions_new() : NULL;
    if (context == NULL || own == NULL || seen == NULL || (type == SSL_CLIENT && !sessions)) {
        free_settings(settings, count);
        alloc_free(context);
        alloc_free(own);
        alloc_free(seen);
        tls_sessions_free(sessions);
        snprintf(reason, TLS_REASON_SIZE, "out of memory");
        return -ENOMEM;
    }
    memcpy(own, settings, count * sizeof(*own));
    memset(settings, 0, count * sizeof(*settings));
    atomic_init(&context->refs, 1);
    context->type = type;
    context->settings = own;
    context->settings_count = count;
    context->seen = seen;
    context->sessions = sessions;
    pthread_mutex_init(&context->reload, NULL);
    int err = tls_build(context, &loaded, reason);
    if (err != 0) {
        free_context(context);
        return err;
    }
    adopt(context, &loaded);
    memcpy(seen, context->stamps, count * TLS_FILE_COUNT * sizeof(*seen));
    *out = context;
    return 0;
}

int tls_context_get(eventer_ssl_orientation_t type, struct tls_settings *settings, size_t count,
                    struct tls_context **out, char reason[static TLS_REASON_SIZE])
{
    struct tls_context *context = count > TLS_PARTS_MAX ? NULL : find(type, settings, count);
    if (context != NULL) {
        free_settings(settings, count);
        *out = context;
        return 0;
    }
    if (count == 0 || count > TLS_PARTS_MAX) {
        free_settings(settings, count);
        snprintf(reason, TLS_REASON_SIZE, "more than %d certificates", TLS_PARTS_MAX);
        return -EINVAL;
    }
    int err = make(type, settings, count, &context, reason);
    if (err != 0)
        return err == -ENXIO ? -ENOENT : err;
    enter(
        context); /* two threads may both have made the same: the newer one is found from now on */
    tls_watch_begin();
    *out = context;
    return 0;
}

/* ---- changes --------------------------------------------------------------------- */

int tls_context_reload(struct tls_context *context, char reason[static TLS_REASON_SIZE])
{
    struct tls_loaded loaded;
    pthread_mutex_lock(&context->reload);
    int err = tls_build(context, &loaded, reason);
    if (err == 0)
        adopt(context, &loaded);
    else /* not again before they change again */
        memcpy(context->stamps, context->seen,
               context->settings_count * TLS_FILE_COUNT * sizeof(*context->stamps));
    pthread_mutex_unlock(&context->reload);
    tls_count(err == 0 ? TLS_RELOADS : TLS_BAD_RELOADS);
    return err;
}

bool tls_context_is_stale(struct tls_context *context)
{
    bool has_changed = false, is_still = true;
    pthread_mutex_lock(&context->reload);
    for (size_t i = 0; i < context->settings_count; i++) {
        for (size_t j = 0; j < TLS_FILE_COUNT; j++) {
            const char *name = context->settings[i].texts[j];
            struct tls_stamp now, *seen = &context->seen[i * TLS_FILE_COUNT + j];
            if (name == NULL)
                continue;
            tls_stamp_take(name, &now);
            has_changed |= !tls_stamp_is_same(&now, &context->stamps[i * TLS_FILE_COUNT + j]);
            is_still &= tls_stamp_is_same(&now, seen);
            *seen = now;
        }
    }
    pthread_mutex_unlock(&context->reload);
    return has_changed && is_still;
}

/* ---- the public way -------------------------------------------------------------- */

int tls_settings_read(struct tls_settings *settings, mtev_hash_table *table,
                      char reason[static TLS_REASON_SIZE])
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    const char *why = "";
    int err = 0;
    while (err == 0 && mtev_hash_adv(table, &iter)) {
        err = iter.value.str == NULL
                  ? 0
                  : tls_settings_set(settings, iter.key.str, iter.value.str, &why);
        if (err == -ENOENT) {
            mtevL(eventer_err, "eventer_ssl_ctx_new: \"%s\" is no key; it is ignored\n",
                  iter.key.str);
            err = 0;
        } else if (err != 0) {
            snprintf(reason, TLS_REASON_SIZE, "%s: %s", iter.key.str,
                     err == -ENOMEM ? "out of memory" : why);
        }
    }
    return err;
}

/* The connection for settings, which are taken; err: what became of them. */
static eventer_ssl_ctx_t *make_connection(eventer_ssl_orientation_t type,
                                          struct tls_settings *settings, int err, char *reason)
{
    struct tls_context *context = NULL;
    eventer_ssl_ctx_t *ctx = NULL;
    if (err == 0)
        err = tls_context_get(type, settings, 1, &context, reason);
    else
        tls_settings_free(settings);
    if (err == 0) {
        ctx = tls_connection_new(context);
        tls_context_unref(context);
        err = ctx == NULL ? -ENOMEM : 0;
    } else if (err != -ENOMEM) {
        mtevL(eventer_err, "eventer_ssl_ctx_new: %s\n", reason);
    }
    if (err != 0)
        errno = err == -ENOMEM ? ENOMEM : EINVAL;
    return ctx;
}

eventer_ssl_ctx_t *eventer_ssl_ctx_new_ex(eventer_ssl_orientation_t type, mtev_hash_table *table)
{
    struct tls_settings settings;
    char reason[TLS_REASON_SIZE];
    memset(&settings, 0, sizeof(settings));
    int err = table == NULL ? 0 : tls_settings_read(&settings, table, reason);
    return make_connection(type, &settings, err, reason);
}

eventer_ssl_ctx_t *eventer_ssl_ctx_new(eventer_ssl_orientation_t type, const char *layer,
                                       const char *certificate, const char *key,
                                       const char *ca_chain, const char *ciphers)
{
    const char *const values[][2] = {{"layer", layer},
                                     {"certificate", certificate},
                                     {"key", key},
                                     {"ca_chain", ca_chain},
                                     {"ciphers", ciphers}};
    struct tls_settings settings;
    char reason[TLS_REASON_SIZE];
    const char *why = "";
    int err = 0;
    memset(&settings, 0, sizeof(settings));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) && err == 0; i++)
        if (values[i][1] != NULL)
            err = tls_settings_set(&settings, values[i][0], values[i][1], &why);
    return make_connection(type, &settings, err, reason);
}
