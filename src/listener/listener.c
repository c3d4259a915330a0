/* SPDX-License-Identifier: MIT */
/*
 * listener.c - <listeners> of the configuration: types by name, and a socket for each stanza.
 */
#include "listener/listener.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "eventer/pool.h"
#include "listener/socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG_MAX 65535

static struct listener_type *types;   /* newest first */
static struct listen_socket *sockets; /* in the order of the configuration */
static bool has_hooks, has_started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all above */

/* ---- types ----------------------------------------------------------------------- */

static struct listener_type *find_type(const char *name)
{
    struct listener_type *type = types;
    while (type != NULL && strcmp(type->name, name) != 0)
        type = type->next;
    return type;
}

static int add_type(const char *name, const struct listener_type *wanted)
{
    struct listener_type *type = alloc_bytes(sizeof(*type));
    char *copy = alloc_text(name);
    if (type == NULL || copy == NULL) {
        alloc_free(type);
        alloc_free(copy);
        return -ENOMEM;
    }
    *type = *wanted;
    type->name = copy;
    pthread_mutex_lock(&lock);
    int err = find_type(name) != NULL ? -EEXIST : 0;
    if (err == 0) {
        type->next = types;
        types = type;
    }
    pthread_mutex_unlock(&lock);
    if (err != 0) {
        alloc_free(copy);
        alloc_free(type);
    }
    return err;
}

int listener_register_type(const char *name, void (*accepted)(eventer_t e, void *context),
                           void *context)
{
    return add_type(name, &(struct listener_type){.accepted = accepted, .context = context});
}

void mtev_listener_register_aco_function(const char *name, void (*func)(void))
{
    int err = name == NULL || func == NULL
                  ? -EINVAL
                  : add_type(name, &(struct listener_type){.coroutine = func});
    if (err != 0)
        mtevL(mtev_error, "mtev_listener_register_aco_function: %s: %s\n",
              name == NULL ? "(null)" : name,
              err == -EEXIST ? "there is a type of that name" : strerror(-err));
}

/* The type called name: a named callback goes first.  -ENOENT or -ENOMEM. */
static int resolve_type(const char *name, const struct listener_type **out)
{
    eventer_func_t callback = eventer_callback_for_name(name);
    int err = callback == NULL ? 0 : add_type(name, &(struct listener_type){.callback = callback});
    if (err == -ENOMEM)
        return err;
    pthread_mutex_lock(&lock);
    struct listener_type *type = find_type(name);
    if (type != NULL && callback != NULL && type->callback == NULL)
        *type =
            (struct listener_type){.next = type->next, .name = type->name, .callback = callback};
    pthread_mutex_unlock(&lock);
    if (type == NULL)
        return -ENOENT;
    *out = type;
    return 0;
}

/* ---- a stanza -------------------------------------------------------------------- */

#define INHERITED(name) "ancestor-or-self::node()/@" name

static int read_type(mtev_conf_section_t section, struct listen_socket *s)
{
    char *name = NULL;
    int err = conf_get_text(section, INHERITED("type"), &name);
    if (err == -ENOENT)
        conf_error(section, "<listener> has no type");
    if (err != 0)
        return err;
    err = resolve_type(name, &s->type);
    if (err == -ENOENT)
        conf_value_error(section, INHERITED("type"), "nobody registered a type of that name");
    alloc_free(name);
    return err;
}

static int read_address(mtev_conf_section_t section, struct address *out)
{
    char *text = NULL;
    int64_t port = 0;
    int err = conf_get_text(section, INHERITED("address"), &text);
    if (err != 0 && err != -ENOENT)
        return err;
    const char *address = err == -ENOENT ? "*" : text;
    err = 0;
    if (address[0] != '/') {
        err = conf_get_int(section, INHERITED("port"), 0, 65535, &port);
        if (err == -ENOENT)
            conf_error(section, "<listener> for address %s has no port", address);
    }
    if (err == 0) {
        err = address_parse(address, (uint16_t)port, out);
        if (err != 0)
            conf_value_error(section, INHERITED("address"),
                             err == -ENAMETOOLONG
                                 ? "the path is too long for a unix socket"
                                 : "not *, inet:*, inet6:*, an IP address or an absolute path");
    }
    alloc_free(text);
    return err;
}

static int read_bool(mtev_conf_section_t section, const char *path, bool otherwise, bool *out)
{
    int err = conf_get_bool(section, path, out);
    if (err == -ENOENT)
        *out = otherwise;
    return err == -ENOENT ? 0 : err;
}

/* What there is no code for yet is an error, not a promise that is not kept. */
static int refuse_tls(mtev_conf_section_t section)
{
    bool ssl;
    int err = read_bool(section, INHERITED("ssl"), false, &ssl);
    if (err == 0 && ssl) {
        conf_value_error(section, INHERITED("ssl"), "TLS is not part of this version");
        err = -EINVAL;
    }
    return err;
}

static int read_stanza(mtev_conf_section_t section, struct listen_socket *s, int64_t *backlog,
                       bool *no_delay)
{
    int err = read_type(section, s);
    if (err == 0)
        err = read_address(section, &s->address);
    if (err == 0)
        err = refuse_tls(section);
    if (err == 0)
        err = read_bool(section, INHERITED("fanout"), s->pool->count > 1, &s->fans_out);
    if (err == 0)
        err = read_bool(section, "ancestor-or-self::node()/config/no_delay", true, no_delay);
    if (err == 0) {
        err = conf_get_int(section, INHERITED("backlog"), 1, BACKLOG_MAX, backlog);
        if (err == -ENOENT) {
            *backlog = SOCKET_BACKLOG_DEFAULT;
            err = 0;
        }
    }
    return err == -ENOENT ? -EINVAL : err; /* what a stanza must have */
}

static int out_of_memory(void)
{
    mtevL(mtev_error, "mtev_listener_init: out of memory\n");
    return -ENOMEM;
}

/* Returns 0, or -errno when one line has said why. */
static int open_stanza(mtev_conf_section_t section)
{
    int64_t backlog = 0;
    bool no_delay = true;
    struct listen_socket *s = alloc_zeroed(1, sizeof(*s));
    if (s == NULL)
        return out_of_memory();
    s->fd = -1;
    s->pool = pool_first_loop()->pool;
    int err = read_stanza(section, s, &backlog, &no_delay);
    if (err == -ENOMEM) {
        (void)out_of_memory();
    } else if (err == 0) {
        err = listen_socket_bind(s, (int)backlog, no_delay);
        if (err != 0) {
            address_format(&s->address, s->text);
            conf_error(section, "cannot listen on %s: %s", s->text, strerror(-err));
        }
    }
    if (err != 0) {
        alloc_free(s);
        return err;
    }
    pthread_mutex_lock(&lock);
    struct listen_socket **last = &sockets;
    while (*last != NULL)
        last = &(*last)->next;
    *last = s;
    bool start = has_started;
    pthread_mutex_unlock(&lock);
    return start && listen_socket_start(s) != 0 ? out_of_memory() : 0;
}

/* ---- all of them ----------------------------------------------------------------- */

static void start_all(void)
{
    pthread_mutex_lock(&lock);
    has_started = true;
    for (struct listen_socket *s = sockets; s != NULL; s = s->next)
        if (s->e == NULL && s->fd >= 0 && listen_socket_start(s) != 0)
            mtevL(mtev_error, "listener %s: out of memory; it accepts nothing\n", s->text);
    pthread_mutex_unlock(&lock);
}

static void stop_all(void)
{
    pthread_mutex_lock(&lock);
    for (struct listen_socket *s = sockets; s != NULL; s = s->next)
        listen_socket_stop(s);
    pthread_mutex_unlock(&lock);
}

void listener_stop_accepting(void)
{
    pthread_mutex_lock(&lock);
    for (struct listen_socket *s = sockets; s != NULL; s = s->next)
        listen_socket_hand_over(s);
    pthread_mutex_unlock(&lock);
}

static void forget_all(void)
{
    stop_all();
    while (sockets != NULL) {
        struct listen_socket *s = sockets;
        sockets = s->next;
        alloc_free(s);
    }
}

static bool is_strict(void)
{
    mtev_boolean strict = mtev_false;
    mtev_conf_get_boolean(MTEV_CONF_ROOT, "listeners/@strict", &strict);
    return strict == mtev_true;
}

int listener_init(const char *toplevel, bool strict)
{
    int count = 0, err = 0;
    (void)toplevel;
    if (pool_first_loop() == NULL) {
        mtevL(mtev_error, "mtev_listener_init: eventer_init() was not called\n");
        return -EINVAL;
    }
    if (!has_hooks) {
        has_hooks = true;
        if (pool_at_start(start_all) != 0 || pool_at_stop(stop_all) != 0)
            return -ENOSPC;
    }
    mtev_conf_section_t *sections = mtev_conf_get_sections_read(
        MTEV_CONF_ROOT, "listeners//listener|include/listeners//listener", &count);
    for (int i = 0; i < count && (err == 0 || !strict); i++)
        err = open_stanza(sections[i]);
    mtev_conf_release_sections_read(sections, count);
    if (strict && err != 0)
        forget_all();
    return strict ? err : 0;
}

void mtev_listener_init(const char *toplevel)
{
    if (listener_init(toplevel, is_strict()) != 0)
        exit(2);
}

void listener_each(void (*fn)(const char *address, void *closure), void *closure)
{
    pthread_mutex_lock(&lock);
    for (struct listen_socket *s = sockets; s != NULL; s = s->next)
        if (s->fd >= 0)
            fn(s->text, closure);
    pthread_mutex_unlock(&lock);
}

void listener_each_socket(void (*fn)(int fd, const char *address, void *closure), void *closure)
{
    pthread_mutex_lock(&lock);
    for (struct listen_socket *s = sockets; s != NULL; s = s->next)
        if (s->fd >= 0)
            fn(s->fd, s->text, closure);
    pthread_mutex_unlock(&lock);
}
