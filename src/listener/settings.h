/* SPDX-License-Identifier: MIT */
/*
 * settings.h - all that is said of a listener: in a <listener> of the configuration, or by a call.
 *
 * Layer: listener.  Settings do not change once a listener has them: other ones are put in their
 * place.  They are shared, by their listener and by each of its connections.  Any thread.
 */
#ifndef EVENTER_LISTENER_SETTINGS_H
#define EVENTER_LISTENER_SETTINGS_H

#include "base/network.h"
#include "eventer/pool.h"
#include "listener/address.h"
#include "listener/type.h"

#include "tls/tls.h"

#include <mtev_conf.h>
#include <mtev_hash.h>

#include <stdatomic.h>
#include <sys/types.h>

#define LISTEN_BACKLOG_MAX     65535
#define LISTEN_BACKLOG_DEFAULT 512
#define LISTEN_PROXIES_MAX     32 /* networks in one proxy_protocol_from */
#define LISTEN_DEFER_S_MAX     3600
#define LISTEN_FAST_OPEN_MAX   65535
#define LISTEN_CONNECTIONS_MAX 4194304
#define LISTEN_ACCEPT_RATE_MAX 1000000
#define LISTEN_MODE_MAX        0777
#define LISTEN_IDLE_MS_MAX     86400000
#define LISTEN_KEEP_OWNER      ((uid_t)-1)
#define LISTEN_KEEP_GROUP      ((gid_t)-1)

struct listener;

/* What two settings are compared by; no padding that was not zeroed. */
struct listen_values {
    struct address address; /* as asked for: port 0 is any port */
    const struct listener_type *type;
    struct eventer_pool *pool; /* whose loops serve */
    struct tls_context *tls;   /* shared; NULL: no TLS */
    void *closure;             /* what each connection's context is at first */
    bool is_dual;              /* IPv4, too, at the IPv6 address */
    bool fans_out;             /* to the loops in turn; else the loop that accepts serves */
    bool has_thread;           /* a thread of its own accepts */
    bool shares_port;          /* a socket for each loop: SO_REUSEPORT */
    bool no_delay;
    bool keepalive;
    bool trusts_local; /* peers of a unix socket are proxies */
    bool has_mode;     /* of a unix socket's path */
    mode_t mode;
    uid_t owner; /* LISTEN_KEEP_OWNER: that of the process */
    gid_t group;
    int backlog;
    int defer_accept_s;                         /* 0: off */
    int fast_open;                              /* how many may be under way; 0: off */
    uint32_t connections_max;                   /* 0: any number */
    uint32_t per_address_max;                   /* 0: any number */
    uint32_t accept_rate;                       /* a second; 0: any number */
    uint32_t accept_burst;                      /* at once, within the rate */
    uint32_t proxy_count;                       /* of proxies */
    uint64_t idle_ns;                           /* 0: for ever */
    struct network proxies[LISTEN_PROXIES_MAX]; /* whose connections begin with a header */
};

struct listen_settings {
    _Atomic uint32_t refs;
    struct listener *listener; /* shared, once it has them; NULL: none has */
    mtev_hash_table config;    /* dictionary of what stands in <config> */
    struct listen_values v;
};

/* Make settings with all defaults and no address, for pool_first_loop()'s pool.  NULL: no memory.
 */
struct listen_settings *settings_new(void);

struct listen_settings *settings_share(struct listen_settings *settings);
void settings_release(struct listen_settings *settings); /* NULL is a no-op */

/* True if anybody's connections may begin with a proxy's header. */
static inline bool settings_have_proxies(const struct listen_settings *settings)
{
    return settings->v.proxy_count > 0 || settings->v.trusts_local;
}

/* True if nothing differs. */
bool settings_are_same(struct listen_settings *a, struct listen_settings *b);

/* Read what a stanza says into new settings.  0, or, logged with its place, -EINVAL or -ENOMEM. */
int settings_read(mtev_conf_section_t section, struct listen_settings **out);

/*
 * Read <sslconfig>, where ssl is on: secured.c.  Returns 0, or -EINVAL or -ENOMEM, logged with its
 * place; or, for the keys in a table, with reason filled.
 */
int secured_read(mtev_conf_section_t section, struct listen_values *v);
int secured_read_table(mtev_hash_table *table, struct listen_values *v,
                       char reason[static TLS_REASON_SIZE]);

/*
 * Read networks (blanks or commas between them; "unix": whoever connects by a path) into v.
 * Returns 0, -EINVAL with *ret_word what is wrong of text (its length in *ret_len), or -E2BIG.
 */
int settings_read_proxies(const char *text, struct listen_values *v, const char **ret_word,
                          size_t *ret_len);

/* Read octal digits up to 0777.  0 or -EINVAL. */
int settings_read_mode(const char *text, struct listen_values *v);

/* What of v does not go together, a static text; NULL: nothing. */
const char *settings_conflict(const struct listen_values *v);

/* The id of a user or a group: a name or a number.  0, -ENOENT or -ENOMEM. */
int settings_find_user(const char *name, uid_t *out);
int settings_find_group(const char *name, gid_t *out);

#endif
