/* SPDX-License-Identifier: MIT */
/*
 * configured.c - the listeners of the configuration: at the start, and when it is read anew.
 */
#include "conf/conf.h"
#include "eventer/pool.h"
#include "listener/inherit.h"
#include "listener/listener_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INHERITED(name) "ancestor-or-self::node()/@" name
#define STANZAS         CONF_BLOCK("listeners") "//listener"

struct stanza {
    mtev_conf_section_t section;
    struct listen_settings *settings; /* owned; NULL: it is wrong, or was handed on */
    struct listener *listener;        /* that is, or was made, for it; borrowed */
    bool is_new;
};

struct stanzas { /* owned */
    mtev_conf_section_t *sections;
    int count;
    struct stanza *list;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one start or reload at a time */

/* ---- those to be left out -------------------------------------------------------- */

struct skipped {
    struct skipped *next;
    bool has_address;
    int port;
    struct address address;
};

static struct skipped *all_skipped; /* guarded by lock */

void mtev_listener_skip(const char *address, int port)
{
    struct skipped *skipped = alloc_zeroed(1, sizeof(*skipped));
    bool is_dual;
    int err = skipped == NULL ? -ENOMEM : 0;
    if (err == 0 && address != NULL)
        err = address_parse(address, (uint16_t)port, &skipped->address, &is_dual);
    if (err != 0) {
        mtevL(mtev_error, "mtev_listener_skip: %s: %s\n", address == NULL ? "(any)" : address,
              strerror(-err));
        alloc_free(skipped);
        return;
    }
    skipped->has_address = address != NULL;
    skipped->port = port;
    pthread_mutex_lock(&lock);
    skipped->next = all_skipped;
    all_skipped = skipped;
    pthread_mutex_unlock(&lock);
}

static bool is_skipped(const struct address *a)
{
    for (const struct skipped *at = all_skipped; at != NULL; at = at->next) {
        bool fits =
            at->has_address ? address_is_same(&at->address, a, false) : address_port(a) == at->port;
        if (fits)
            return true;
    }
    return false;
}

/* ---- reading --------------------------------------------------------------------- */

static int out_of_memory(void)
{
    mtevL(mtev_error, "mtev_listener_init: out of memory\n");
    return -ENOMEM;
}

static void free_stanzas(struct stanzas *all)
{
    for (int i = 0; i < all->count; i++)
        settings_release(all->list[i].settings);
    alloc_free(all->list);
    mtev_conf_release_sections_read(all->sections, all->count);
}

/*
 * Read what the configuration says.  goes_on: what is wrong is left out.  Returns 0 with *out to be
 * freed, or, logged, -errno.
 */
static int read_all(bool goes_on, struct stanzas *out)
{
    struct stanzas all = {.count = 0};
    int err = 0;
    all.sections = mtev_conf_get_sections_read(MTEV_CONF_ROOT, STANZAS, &all.count);
    all.list = alloc_zeroed((size_t)all.count + 1, sizeof(*all.list));
    if (all.list == NULL) {
        mtev_conf_release_sections_read(all.sections, all.count);
        return out_of_memory();
    }
    for (int i = 0; i < all.count && (err == 0 || goes_on); i++) {
        struct stanza *stanza = &all.list[i];
        stanza->section = all.sections[i];
        err = settings_read(stanza->section, &stanza->settings);
        if (err == 0 && is_skipped(&stanza->settings->v.address)) {
            settings_release(stanza->settings);
            stanza->settings = NULL;
        }
    }
    if (err != 0 && !goes_on) {
        free_stanzas(&all);
        return err;
    }
    *out = all;
    return 0;
}

/* Make the listener of a stanza; it does not accept yet.  0, or, logged, -errno. */
static int open_one(struct stanza *stanza)
{
    char text[ADDRESS_TEXT_MAX];
    struct listen_settings *settings = stanza->settings;
    address_format(&settings->v.address, text);
    stanza->settings = NULL;
    int err = listener_open(settings, true, &stanza->listener);
    if (err == -ENOMEM)
        return out_of_memory();
    if (err != 0) {
        conf_error(stanza->section, "cannot listen on %s: %s", text, strerror(-err));
        return err;
    }
    stanza->is_new = true;
    return 0;
}

/* Have all accept: the new ones, and those that could not before. */
static void begin_all(const struct stanzas *all)
{
    for (int i = 0; i < all->count; i++) {
        struct listener *l = all->list[i].listener;
        int err = l == NULL ? 0 : listener_begin(l);
        if (err != 0)
            mtevL(mtev_error, "listener %s: %s; it accepts nothing\n", l->text, strerror(-err));
    }
}

/* ---- the start ------------------------------------------------------------------- */

static void end_configured(struct listener *l, void *closure)
{
    (void)closure;
    if (l->is_configured)
        listener_end(l);
}

static int open_all(const struct stanzas *all, bool strict)
{
    int err = 0;
    for (int i = 0; i < all->count; i++)
        if (all->list[i].settings != NULL)
            inherited_reserve(&all->list[i].settings->v.address);
    for (int i = 0; i < all->count && (err == 0 || !strict); i++)
        if (all->list[i].settings != NULL)
            err = open_one(&all->list[i]);
    return strict ? err : 0;
}

int listener_init(const char *toplevel, bool strict)
{
    struct stanzas all;
    (void)toplevel;
    if (pool_first_loop() == NULL) {
        mtevL(mtev_error, "mtev_listener_init: eventer_init() was not called\n");
        return -EINVAL;
    }
    pthread_mutex_lock(&lock);
    int err = read_all(!strict, &all);
    if (err == 0) {
        err = open_all(&all, strict);
        if (err == 0)
            begin_all(&all);
        free_stanzas(&all);
    }
    if (err != 0 && strict)
        listener_each_of_all(end_configured, NULL);
    pthread_mutex_unlock(&lock);
    return strict ? err : 0;
}

static bool is_strict(void)
{
    mtev_boolean strict = mtev_false;
    mtev_conf_get_boolean(MTEV_CONF_ROOT, CONF_BLOCK("listeners") "/@strict", &strict);
    return strict == mtev_true;
}

void mtev_listener_init(const char *toplevel)
{
    if (listener_init(toplevel, is_strict()) != 0)
        exit(2);
}

/* ---- looking at it only ---------------------------------------------------------- */

static void serve_nobody(void)
{
}

/* Have the type of a stanza be known. */
static int know_type(mtev_conf_section_t section)
{
    char *name = NULL;
    int err = conf_get_text(section, INHERITED("type"), &name);
    if (err == 0)
        err = type_add(name, &(struct listener_type){.coroutine = serve_nobody});
    alloc_free(name);
    return err == -ENOMEM ? out_of_memory() : 0;
}

int listener_check(void)
{
    int count = 0, result = 0;
    mtev_conf_section_t *sections = mtev_conf_get_sections_read(MTEV_CONF_ROOT, STANZAS, &count);
    for (int i = 0; i < count; i++) {
        struct listen_settings *settings = NULL;
        int err = know_type(sections[i]);
        if (err == 0)
            err = settings_read(sections[i], &settings);
        settings_release(settings);
        result = err != 0 ? err : result;
    }
    mtev_conf_release_sections_read(sections, count);
    return result;
}

/* ---- reading it anew ------------------------------------------------------------- */

struct search {
    const struct stanzas *all;
    struct stanza *stanza;
};

static bool is_taken(const struct stanzas *all, const struct listener *l)
{
    for (int i = 0; i < all->count; i++)
        if (all->list[i].listener == l)
            return true;
    return false;
}

/* Is l the one that the stanza is about? */
static void match(struct listener *l, void *closure)
{
    struct search *search = closure;
    struct stanza *stanza = search->stanza;
    if (stanza->listener == NULL && l->is_configured && !is_taken(search->all, l) &&
        l->settings->v.is_dual == stanza->settings->v.is_dual &&
        address_is_same(&l->settings->v.address, &stanza->settings->v.address, false))
        stanza->listener = l;
}

static void match_all(struct stanzas *all)
{
    for (int i = 0; i < all->count; i++)
        if (all->list[i].settings != NULL)
            listener_each_of_all(match, &(struct search){all, &all->list[i]});
}

/* Bind what is new; if one cannot be had, none stays.  0, or, logged, -errno. */
static int open_new(struct stanzas *all)
{
    int err = 0;
    for (int i = 0; i < all->count && err == 0; i++)
        if (all->list[i].settings != NULL && all->list[i].listener == NULL)
            err = open_one(&all->list[i]);
    for (int i = 0; i < all->count && err != 0; i++)
        if (all->list[i].is_new)
            listener_end(all->list[i].listener);
    return err;
}

/* Have the listener of a stanza be as it says now. */
static void change_one(struct stanza *stanza)
{
    struct listener *l = stanza->listener;
    struct listen_settings *settings = stanza->settings;
    if (settings_are_same(l->settings, settings))
        return;
    if (settings->v.shares_port != l->settings->v.shares_port) {
        conf_error(stanza->section, "reuseport of %s changes when the program starts anew",
                   l->text);
        settings->v.shares_port = l->settings->v.shares_port;
    }
    stanza->settings = NULL;
    int err = listener_change(l, settings);
    if (err != 0)
        conf_error(stanza->section, "%s does not change as it should: %s", l->text, strerror(-err));
}

static void end_if_gone(struct listener *l, void *closure)
{
    if (l->is_configured && !is_taken(closure, l))
        listener_end(l);
}

int listener_reload(void)
{
    struct stanzas all;
    pthread_mutex_lock(&lock);
    int err = read_all(false, &all);
    if (err == 0) {
        match_all(&all);
        err = open_new(&all);
        for (int i = 0; err == 0 && i < all.count; i++)
            if (all.list[i].settings != NULL)
                change_one(&all.list[i]);
        if (err == 0) {
            listener_each_of_all(end_if_gone, &all);
            begin_all(&all);
        }
        free_stanzas(&all);
    }
    pthread_mutex_unlock(&lock);
    return err;
}
