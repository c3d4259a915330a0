/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include "base/alloc.h"
#include "conf/document_impl.h"
#include "conf/file.h"
#include "conf/include.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static char
    *current_name; /* owned: as it was given; NULL for a built-in text; both are guarded ... */
static char *current_path; /* ... by the lock of writers; owned: how it is opened again */

static char app_name[CONF_NAME_MAX + 1];
static char app_version[CONF_NAME_MAX + 1];

static void log_fault(void *closure, const char *file, long line, const char *what)
{
    (void)closure;
    if (line > 0)
        mtevL(mtev_error, "%s:%ld: %s\n", file, line, what);
    else
        mtevL(mtev_error, "%s: %s\n", file, what);
}

static const struct conf_faults logged = {.tell = log_fault};

/* Log, for a reload that is to become another program's configuration. */
static int check_same_root(const struct xml_doc *doc)
{
    struct xml_doc *old = document_share();
    int err = 0;
    if (old != NULL) {
        const char *was = xml_node_name(xml_root(old));
        const char *is = xml_node_name(xml_root(doc));
        if (strcmp(was, is) != 0) {
            mtevL(mtev_error, "%s:%ld: the root element is <%s>, it was <%s>\n", xml_name(doc),
                  xml_line(xml_root(doc)), is, was);
            err = -EINVAL;
        }
    }
    xml_release(old);
    return err;
}

/* Make doc (taken) current if err is 0, and it may be; the lock is held. */
static int take_over(struct xml_doc *doc, int err, bool is_reload)
{
    if (err == 0 && is_reload)
        err = check_same_root(doc);
    if (err == 0)
        document_publish(doc);
    else
        xml_release(doc);
    return err;
}

/* The lock is held. */
static int load_file(const char *name, const char *path, bool is_reload)
{
    struct xml_doc *doc = NULL;
    struct journal journal;
    int err = journal_read(path, &journal);
    if (err == 0)
        err = include_read_file(name, path, &journal, &logged, &doc);
    journal_free(&journal);
    return take_over(doc, err, is_reload);
}

static bool is_lost(struct xml_doc *doc)
{
    const struct xml_origin *origin = xml_origin(doc);
    return origin->is_changed && !origin->is_kept;
}

/* Are there changes that are neither written nor journalled?  The lock is held. */
static bool has_unkept_changes(void)
{
    struct xml_doc *doc = document_share();
    bool has_loss = doc != NULL && is_lost(doc);
    struct xml_node *node = doc == NULL ? NULL : xml_root(doc);
    for (; node != NULL && !has_loss; node = xml_next(node))
        has_loss = xml_part(node) != NULL && is_lost(xml_part(node));
    xml_release(doc);
    return has_loss;
}

/* The lock is held. */
static int reload(void)
{
    if (current_path != NULL) {
        bool has_loss = has_unkept_changes();
        int err = load_file(current_name, current_path, true);
        if (err == 0 && has_loss)
            mtevL(mtev_error, "%s: it is loaded anew, without changes that were not written\n",
                  current_name);
        return err;
    }
    struct xml_doc *doc = document_share();
    bool is_loaded = doc != NULL;
    xml_release(doc);
    if (is_loaded) /* a built-in text cannot have changed */
        return 0;
    mtevL(mtev_error, "no configuration file was named\n");
    return -EINVAL;
}

/* Both are taken; the lock is held. */
static void set_path(char *name, char *path)
{
    alloc_free(current_name);
    alloc_free(current_path);
    current_name = name;
    current_path = path;
}

/* Load path and remember it; the lock is held. */
static int load_new(const char *path)
{
    char *name = alloc_text(path);
    char *whole = name == NULL ? NULL : file_absolute(path);
    int err = -ENOMEM;
    if (whole == NULL)
        mtevL(mtev_error, "%s: cannot be read: %s\n", path, strerrordesc_np(ENOMEM));
    else
        err = load_file(name, whole, false);
    if (err == 0) {
        set_path(name, whole);
        return 0;
    }
    alloc_free(whole);
    alloc_free(name);
    return err;
}

/* Take the lock for a load; who is writing cannot, because the draft would undo it. */
static int begin_load(void)
{
    if (document_draft() != NULL) {
        mtevL(mtev_error, "a configuration cannot be loaded while a section is held for writing\n");
        return -EDEADLK;
    }
    document_lock();
    return 0;
}

int conf_load(const char *path)
{
    int err = begin_load();
    if (err != 0)
        return err;
    err = path == NULL ? reload() : load_new(path);
    document_unlock();
    return err;
}

/* Make before current again if loaded still is. */
static void restore(struct xml_doc *before, const struct xml_doc *loaded)
{
    document_lock();
    struct xml_doc *now = document_share();
    if (now == loaded && before != NULL)
        document_publish(xml_share(before));
    document_unlock();
    xml_release(now);
}

int conf_load_again(int (*follow)(void))
{
    struct xml_doc *before = document_share();
    int err = conf_load(NULL);
    if (err == 0) {
        struct xml_doc *loaded = document_share();
        err = follow();
        if (err != 0)
            restore(before, loaded);
        xml_release(loaded);
    }
    xml_release(before);
    return err;
}

static int (*_Atomic reload_all)(void);

void conf_set_reload(int (*fn)(void))
{
    atomic_store(&reload_all, fn);
}

int conf_reload(void)
{
    int (*fn)(void) = atomic_load(&reload_all);
    return fn != NULL ? fn() : conf_load(NULL);
}

int conf_load_text(const char *name, const char *text)
{
    struct xml_doc *doc = NULL;
    int err = begin_load();
    if (err != 0)
        return err;
    err = include_read_text(name, text, strlen(text), &logged, &doc);
    err = take_over(doc, err, false);
    if (err == 0)
        set_path(NULL, NULL);
    document_unlock();
    return err;
}

void conf_publish(struct xml_doc *doc)
{
    document_lock();
    document_publish(xml_share(doc));
    set_path(NULL, NULL);
    document_unlock();
}

void conf_unload(void)
{
    document_lock();
    document_publish(NULL);
    set_path(NULL, NULL);
    document_unlock();
}

int mtev_conf_load(const char *path)
{
    int err = conf_load(path);
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

int conf_root_name(char **out)
{
    struct xml_doc *doc = document_share();
    if (doc == NULL)
        return -ENOENT;
    char *name = alloc_text(xml_node_name(xml_root(doc)));
    xml_release(doc);
    if (name == NULL)
        return -ENOMEM;
    *out = name;
    return 0;
}

static int set_name(char *out, const char *name)
{
    size_t len = strlen(name);
    if (len > CONF_NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(out, name, len + 1);
    return 0;
}

int conf_set_app_name(const char *name)
{
    return set_name(app_name, name);
}

const char *conf_app_name(void)
{
    return app_name;
}

/* Say what was wrong with a name, which the program gave. */
static void complain_of_name(const char *call, int err)
{
    if (err != 0)
        mtevL(mtev_error, "%s: the name is longer than %d bytes\n", call, CONF_NAME_MAX);
}

void mtev_set_app_name(const char *name)
{
    complain_of_name("mtev_set_app_name", set_name(app_name, name == NULL ? "" : name));
}

const char *mtev_get_app_name(void)
{
    return app_name;
}

void mtev_set_app_version(const char *version)
{
    complain_of_name("mtev_set_app_version", set_name(app_version, version == NULL ? "" : version));
}

const char *mtev_get_app_version(void)
{
    return app_version;
}
