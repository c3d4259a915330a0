/* SPDX-License-Identifier: MIT */
/*
 * secured.c - TLS of a listener: what <sslconfig> says, and the handshake of each connection before
 * its type has it.
 */
#include "listener/acceptor.h"
#include "listener/listener_impl.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "tls/tls.h"

#include <errno.h>
#include <string.h>

#define INHERITED(name) "ancestor-or-self::node()/@" name
#define NAME_LEN_MAX    255 /* of a peer */

/* ---- settings -------------------------------------------------------------------- */

static int add_key(void *closure, mtev_conf_section_t key, const char *name, const char *value)
{
    const char *why = "";
    int err = tls_settings_set(closure, name, value, &why);
    if (err == -ENOENT)
        conf_error(key, "<%s> is no key of <sslconfig>", name);
    else if (err == -EINVAL)
        conf_value_error(key, ".", "%s", why);
    else if (err != 0)
        conf_error(key, "<%s>: out of memory", name);
    return err == -ENOENT ? -EINVAL : err;
}

/* The keys of all <sslconfig> around and in the element. */
static int read_merged(mtev_conf_section_t section, struct tls_settings *settings)
{
    return conf_each_key(section, "sslconfig", add_key, settings);
}

/* Of several in one listener: what is around it, and then the keys of that one. */
static int read_one(mtev_conf_section_t section, mtev_conf_section_t own,
                    struct tls_settings *settings)
{
    mtev_conf_section_t around = mtev_conf_get_section_read(section, "..");
    int err = mtev_conf_section_is_empty(around) ? 0 : read_merged(around, settings);
    mtev_conf_release_section_read(around);
    return err == 0 ? conf_each_key(own, "self::sslconfig", add_key, settings) : err;
}

static int open_context(mtev_conf_section_t section, struct tls_settings *settings, size_t count,
                        struct tls_context **out)
{
    char reason[TLS_REASON_SIZE] = "";
    int err = tls_context_get(SSL_SERVER, settings, count, out, reason);
    if (err != 0)
        conf_error(section, "<listener>: TLS: %s", reason);
    return err == 0 || err == -ENOMEM ? err : -EINVAL;
}

int secured_read(mtev_conf_section_t section, struct listen_values *v)
{
    bool ssl = false;
    int count = 0, err = conf_get_bool(section, INHERITED("ssl"), &ssl);
    if (err != 0 || !ssl)
        return err == -ENOENT ? 0 : err;
    mtev_conf_section_t *own = mtev_conf_get_sections_read(section, "sslconfig", &count);
    const size_t settings_count = count > 1 ? (size_t)count : 1;
    struct tls_settings *settings = alloc_zeroed(settings_count, sizeof(*settings));
    if (settings == NULL) {
        conf_error(section, "<listener>: out of memory");
        err = -ENOMEM;
    } else if (count <= 1) {
        err = read_merged(section, settings);
    }
    for (int i = 0; count > 1 && err == 0 && i < count; i++)
        err = read_one(section, own[i], &settings[i]);
    if (err == 0)
        err = open_context(section, settings, settings_count, &v->tls);
    else
        for (size_t i = 0; settings != NULL && i < settings_count; i++)
            tls_settings_free(&settings[i]);
    alloc_free(settings);
    mtev_conf_release_sections_read(own, count);
    return err;
}

int secured_read_table(mtev_hash_table *table, struct listen_values *v,
                       char reason[static TLS_REASON_SIZE])
{
    struct tls_settings settings;
    memset(&settings, 0, sizeof(settings));
    int err = tls_settings_read(&settings, table, reason);
    if (err == 0)
        return tls_context_get(SSL_SERVER, &settings, 1, &v->tls, reason);
    tls_settings_free(&settings);
    return err;
}

/* ---- connections ----------------------------------------------------------------- */

/* The type for a protocol (len bytes), if there is one that wants the connection; or NULL. */
static const struct listener_type *type_for(const mtev_acceptor_closure_t *ac, const char *protocol,
                                            size_t len)
{
    char name[TYPE_NAME_LEN_MAX + 1];
    const struct listener_type *type;
    if (len == 0 || ac->type->name == NULL ||
        type_name_for(ac->type->name, protocol, len, name) != 0 || type_find(name, &type) != 0)
        return NULL;
    return type->is_wanted == NULL || type->is_wanted(ac) ? type : NULL;
}

/* The type for the protocol that was agreed on. */
static void choose_type(mtev_acceptor_closure_t *ac, eventer_ssl_ctx_t *ctx)
{
    const uint8_t *protocol;
    uint8_t len;
    eventer_ssl_get_alpn_selected(ctx, &protocol, &len);
    const struct listener_type *type = type_for(ac, (const char *)protocol, len);
    if (type != NULL)
        ac->type = type;
}

/* True if the listener has somebody who speaks the protocol above TLS. */
static bool speaks(const char *protocol, void *closure)
{
    return type_for(closure, protocol, strlen(protocol)) != NULL;
}

/* Note the peer's name; one that was not verified is nobody's.  False: it cannot be kept. */
static bool note_peer(mtev_acceptor_closure_t *ac, eventer_ssl_ctx_t *ctx)
{
    char name[NAME_LEN_MAX + 1];
    const int len = eventer_ssl_get_peer_commonname(ctx, name, sizeof(name));
    if (len <= 0 || eventer_ssl_get_peer_error(ctx) != NULL)
        return true;
    if (len < NAME_LEN_MAX)
        ac->remote_cn = alloc_text(name);
    return ac->remote_cn != NULL;
}

static void done(eventer_t e, void *closure)
{
    mtev_acceptor_closure_t *ac = closure;
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx(e);
    if (!note_peer(ac, ctx)) { /* without it, it would pass for somebody else */
        mtevL(mtev_error, "listener %s: a connection is dropped: its peer's name cannot be kept\n",
              ac->settings->listener->text);
        edge_unregister(e);
        acceptor_drop(ac);
        return;
    }
    choose_type(ac, ctx);
    acceptor_deliver(ac);
}

static const struct tls_handshake_ops ops = {.done = done, .speaks = speaks};

bool secured_is_due(const mtev_acceptor_closure_t *ac)
{
    return ac->settings->v.tls != NULL && eventer_get_eventer_ssl_ctx(ac->e) == NULL;
}

void secured_begin(mtev_acceptor_closure_t *ac)
{
    int err = tls_handshake_begin(ac->e, ac->settings->v.tls, &ops, ac);
    if (err == 0)
        return;
    mtevL(mtev_error, "listener %s: a connection is dropped: %s\n", ac->settings->listener->text,
          strerror(-err));
    acceptor_drop(ac);
}

int mtev_listener_apply_alpn(eventer_t e, int *mask, void *closure, struct timeval *now)
{
    mtev_acceptor_closure_t *ac = closure;
    eventer_ssl_ctx_t *ctx = eventer_get_eventer_ssl_ctx(e);
    const struct listener_type *before = ac->type;
    if (ctx == NULL)
        return 0;
    choose_type(ac, ctx);
    eventer_func_t callback = atomic_load_explicit(&ac->type->callback, memory_order_acquire);
    if (ac->type == before || callback == NULL || callback == eventer_get_callback(e)) {
        ac->type = before;
        return 0;
    }
    eventer_set_callback(e, callback);
    *mask = callback(e, *mask, closure, now);
    return 1;
}
