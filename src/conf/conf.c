/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/section_impl.h"
#include "conf/xml.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER; /* one load at a time */
static char *current_path; /* owned; NULL for a built-in text; guarded by load_lock */

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static struct xml_doc *current; /* NULL until something is loaded; guarded by current_lock */

static char app_name[CONF_NAME_MAX + 1];

struct xml_doc *conf_share_current(void)
{
    pthread_mutex_lock(&current_lock);
    struct xml_doc *doc = current == NULL ? NULL : xml_share(current);
    pthread_mutex_unlock(&current_lock);
    return doc;
}

/* Make doc (taken; NULL: nothing) what is current. */
static void set_current(struct xml_doc *doc)
{
    pthread_mutex_lock(&current_lock);
    struct xml_doc *old = current;
    current = doc;
    pthread_mutex_unlock(&current_lock);
    xml_release(old);
}

static int read_all(int fd, struct buf *out)
{
    for (;;) {
        int err = buf_reserve(out, READ_SIZE);
        if (err != 0)
            return err;
        ssize_t len = read(fd, out->bytes + out->len, READ_SIZE);
        if (len == -1 && errno != EINTR)
            return -errno;
        if (len == 0)
            return out->len > CONF_BYTES_MAX ? -ENOSPC : 0;
        if (len > 0)
            out->len += (size_t)len;
    }
}

static int read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd == -1)
        return -errno;
    int err = read_all(fd, out);
    close(fd);
    return err == -ENOSPC ? -EFBIG : err;
}

/* Log, for a reload that is to become another program's configuration. */
static int check_same_root(const struct xml_doc *doc)
{
    struct xml_doc *old = conf_share_current();
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

/* Parse and make current; logs what is wrong. */
static int load_bytes(const char *name, const char *bytes, size_t len, bool is_reload)
{
    struct xml_error error;
    struct xml_doc *doc = NULL;
    int err = len > CONF_BYTES_MAX ? -EFBIG : xml_parse(name, bytes, len, &doc, &error);
    if (err == -EINVAL)
        mtevL(mtev_error, "%s:%ld: %s\n", name, error.line, error.reason);
    else if (err == -EFBIG)
        mtevL(mtev_error, "%s: longer than %d bytes\n", name, CONF_BYTES_MAX);
    else if (err != 0)
        mtevL(mtev_error, "%s: cannot be loaded: %s\n", name, strerrordesc_np(-err));
    else if (is_reload)
        err = check_same_root(doc);
    if (err != 0) {
        xml_release(doc);
        return err;
    }
    set_current(doc);
    return 0;
}

/* load_lock is held */
static int load_file(const char *path, bool is_reload)
{
    struct buf text;
    buf_init(&text, CONF_BYTES_MAX + READ_SIZE + 1);
    int err = read_file(path, &text);
    if (err == 0)
        err = load_bytes(path, text.bytes, text.len, is_reload);
    else if (err == -EFBIG)
        mtevL(mtev_error, "%s: longer than %d bytes\n", path, CONF_BYTES_MAX);
    else
        mtevL(mtev_error, "%s: cannot be read: %s\n", path, strerrordesc_np(-err));
    buf_free(&text);
    return err;
}

/* load_lock is held */
static int reload(void)
{
    if (current_path != NULL)
        return load_file(current_path, true);
    struct xml_doc *doc = conf_share_current();
    bool is_loaded = doc != NULL;
    xml_release(doc);
    if (is_loaded) /* a built-in text cannot have changed */
        return 0;
    mtevL(mtev_error, "no configuration file was named\n");
    return -EINVAL;
}

/* Load path and remember it; load_lock is held. */
static int load_new(const char *path)
{
    char *copy = alloc_text(path);
    if (copy == NULL) {
        mtevL(mtev_error, "%s: cannot be read: %s\n", path, strerrordesc_np(ENOMEM));
        return -ENOMEM;
    }
    int err = load_file(path, false);
    if (err != 0) {
        alloc_free(copy);
        return err;
    }
    alloc_free(current_path);
    current_path = copy;
    return 0;
}

int conf_load(const char *path)
{
    pthread_mutex_lock(&load_lock);
    int err = path == NULL ? reload() : load_new(path);
    pthread_mutex_unlock(&load_lock);
    return err;
}

int conf_load_text(const char *name, const char *text)
{
    pthread_mutex_lock(&load_lock);
    int err = load_bytes(name, text, strlen(text), false);
    if (err == 0) {
        alloc_free(current_path);
        current_path = NULL;
    }
    pthread_mutex_unlock(&load_lock);
    return err;
}

void conf_unload(void)
{
    pthread_mutex_lock(&load_lock);
    set_current(NULL);
    alloc_free(current_path);
    current_path = NULL;
    pthread_mutex_unlock(&load_lock);
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
    struct xml_doc *doc = conf_share_current();
    if (doc == NULL)
        return -ENOENT;
    char *name = alloc_text(xml_node_name(xml_root(doc)));
    xml_release(doc);
    if (name == NULL)
        return -ENOMEM;
    *out = name;
    return 0;
}

int conf_set_app_name(const char *name)
{
    size_t len = strlen(name);
    if (len > CONF_NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(app_name, name, len + 1);
    return 0;
}

const char *conf_app_name(void)
{
    return app_name;
}
