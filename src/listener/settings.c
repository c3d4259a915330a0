/* SPDX-License-Identifier: MIT */
#include "listener/settings.h"

#include "base/alloc.h"
#include "base/number.h"
#include "listener/listener_impl.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#define ENTRY_SIZE 16384 /* of a user or group, with all its members */

struct listen_settings *settings_new(void)
{
    struct listen_settings *settings = alloc_zeroed(1, sizeof(*settings));
    if (settings == NULL)
        return NULL;
    atomic_init(&settings->refs, 1);
    struct listen_values *v = &settings->v;
    v->pool = pool_first_loop() == NULL ? NULL : pool_first_loop()->pool; /* listener_check() */
    v->fans_out = true;
    v->no_delay = true;
    v->owner = LISTEN_KEEP_OWNER;
    v->group = LISTEN_KEEP_GROUP;
    v->backlog = LISTEN_BACKLOG_DEFAULT;
    return settings;
}

struct listen_settings *settings_share(struct listen_settings *settings)
{
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void settings_release(struct listen_settings *settings)
{
    if (settings == NULL ||
        atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (settings->listener != NULL)
        listener_release(settings->listener);
    tls_context_unref(settings->v.tls);
    mtev_hash_destroy(&settings->config, free, free);
    alloc_free(settings);
}

/* Has b all that a has? */
static bool has_all(mtev_hash_table *a, mtev_hash_table *b)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    while (mtev_hash_adv(a, &iter)) {
        const char *text = mtev_hash_get(b, iter.key.str, iter.klen);
        if (text == NULL || strcmp(text, iter.value.str) != 0)
            return false;
    }
    return true;
}

bool settings_are_same(struct listen_settings *a, struct listen_settings *b)
{
    return memcmp(&a->v, &b->v, sizeof(a->v)) == 0 &&
           mtev_hash_size(&a->config) == mtev_hash_size(&b->config) &&
           has_all(&a->config, &b->config);
}

int settings_read_proxies(const char *text, struct listen_values *v, const char **ret_word,
                          size_t *ret_len)
{
    static const char between[] = " \t\r\n,";
    char word[64];
    for (text += strspn(text, between); *text != '\0'; text += strspn(text, between)) {
        size_t len = strcspn(text, between);
        *ret_word = text;
        *ret_len = len;
        if (v->proxy_count == LISTEN_PROXIES_MAX)
            return -E2BIG;
        if (len >= sizeof(word))
            return -EINVAL;
        memcpy(word, text, len);
        word[len] = '\0';
        struct network network;
        memset(&network, 0, sizeof(network));
        if (strcmp(word, "unix") == 0)
            v->trusts_local = true;
        else if (network_parse(word, &network) == 0)
            memcpy(&v->proxies[v->proxy_count++], &network, sizeof(network));
        else
            return -EINVAL;
        text += len;
    }
    return 0;
}

int settings_read_mode(const char *text, struct listen_values *v)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (text[0] < '0' || text[0] > '7' || *end != '\0' || mode > LISTEN_MODE_MAX)
        return -EINVAL;
    v->has_mode = true;
    v->mode = (mode_t)mode;
    return 0;
}

const char *settings_conflict(const struct listen_values *v)
{
    if (v->shares_port && v->address.any.sa_family == AF_UNIX)
        return "a unix socket cannot be shared in this way";
    if (v->shares_port && v->has_thread)
        return "with reuseport the loops accept, not a thread";
    return NULL;
}

int settings_find_user(const char *name, uid_t *out)
{
    struct passwd entry, *found = NULL;
    char *buffer = alloc_bytes(ENTRY_SIZE);
    uint64_t id;
    int err = 0;
    if (buffer == NULL)
        return -ENOMEM;
    if (getpwnam_r(name, &entry, buffer, ENTRY_SIZE, &found) == 0 && found != NULL)
        *out = entry.pw_uid;
    else if (number_u64(name, strlen(name), LISTEN_KEEP_OWNER - 1, &id) == 0)
        *out = (uid_t)id;
    else
        err = -ENOENT;
    alloc_free(buffer);
    return err;
}

int settings_find_group(const char *name, gid_t *out)
{
    struct group entry, *found = NULL;
    char *buffer = alloc_bytes(ENTRY_SIZE);
    uint64_t id;
    int err = 0;
    if (buffer == NULL)
        return -ENOMEM;
    if (getgrnam_r(name, &entry, buffer, ENTRY_SIZE, &found) == 0 && found != NULL)
        *out = entry.gr_gid;
    else if (number_u64(name, strlen(name), LISTEN_KEEP_GROUP - 1, &id) == 0)
        *out = (gid_t)id;
    else
        err = -ENOENT;
    alloc_free(buffer);
    return err;
}
