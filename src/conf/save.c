/* SPDX-License-Identifier: MIT */
/*
 * save.c - what was changed is written back to its files, or to the journal.
 */
#include "base/alloc.h"
#include "conf/conf.h"
#include "conf/document_impl.h"
#include "conf/file.h"
#include "conf/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_SIZE 512 /* bytes of what went wrong, with its NUL; what is longer is cut */
#define FILES_MAX   (CONF_INCLUDES_MAX + 1)

struct changed { /* a file that is to be written */
    struct xml_origin *origin;
    char *text; /* owned */
    size_t len;
};

struct saving {
    struct xml_doc *doc;
    struct changed *files; /* owned: FILES_MAX */
    size_t count;
    size_t bytes; /* of all files, as they will be */
    char reason[REASON_SIZE];
};

static int __attribute__((format(printf, 3, 4)))
fail(struct saving *saving, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(saving->reason, sizeof(saving->reason), format, args);
    va_end(args);
    return err;
}

/* How often is what stands at path included? */
static size_t count_of(struct xml_doc *doc, const char *path)
{
    size_t count = 0;
    for (struct xml_node *node = xml_root(doc); node != NULL; node = xml_next(node)) {
        struct xml_doc *part = xml_part(node);
        count += part != NULL && strcmp(xml_origin(part)->path, path) == 0;
    }
    return count;
}

/* Take up the file of doc itself (include NULL), or what is included there, if it was changed. */
static int add(struct saving *saving, struct xml_node *include)
{
    struct xml_doc *file = include == NULL ? saving->doc : xml_part(include);
    struct changed *changed = &saving->files[saving->count];
    changed->origin = xml_origin(file);
    if (!changed->origin->is_changed) {
        saving->bytes += changed->origin->bytes;
        return 0;
    }
    const char *path = changed->origin->path;
    if (include != NULL && count_of(saving->doc, path) > 1)
        return fail(saving, -EINVAL, "%s is included more than once, and was changed in one place",
                    xml_name(file));
    int err = xml_write(saving->doc, include, &changed->text, &changed->len);
    if (err != 0)
        return fail(saving, err, "%s: %s", xml_name(file), strerrordesc_np(-err));
    saving->bytes += changed->len;
    saving->count++;
    return 0;
}

/* Begin with all files that were changed; the lock is held until end(). */
static int begin(struct saving *saving)
{
    *saving = (struct saving){.count = 0};
    if (document_draft() != NULL)
        return fail(saving, -EDEADLK, "a section is held for writing");
    document_lock();
    saving->doc = document_share();
    if (saving->doc == NULL || xml_origin(saving->doc)->path == NULL)
        return fail(saving, -ENOENT, "the configuration is not from a file");
    saving->files = alloc_zeroed(FILES_MAX, sizeof(*saving->files));
    if (saving->files == NULL)
        return fail(saving, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
    int err = add(saving, NULL);
    struct xml_node *node = xml_root(saving->doc);
    for (; node != NULL && err == 0; node = xml_next(node))
        if (xml_part(node) != NULL)
            err = add(saving, node);
    if (err == 0 && saving->count > 0 && saving->bytes > CONF_BYTES_MAX) /* what is read again */
        err = fail(saving, -EFBIG, "all files together would be longer than %d bytes",
                   CONF_BYTES_MAX);
    return err;
}

static void end(struct saving *saving, int err)
{
    for (size_t i = 0; i < saving->count; i++)
        alloc_free(saving->files[i].text);
    alloc_free(saving->files);
    if (err == -EDEADLK)
        return; /* nothing was begun */
    xml_release(saving->doc);
    document_unlock();
}

/* Replace one file, unless somebody else has changed it since it was read. */
static int write_one(struct saving *saving, struct changed *changed)
{
    struct buf bytes;
    struct stat stat;
    struct xml_origin *origin = changed->origin;
    buf_init(&bytes, (size_t)CONF_BYTES_MAX * 2);
    int err = file_read(origin->path, CONF_BYTES_MAX, true, &bytes, &stat);
    const uint64_t digest = journal_digest(changed->text, changed->len);
    uint64_t found = err == 0 ? journal_digest(bytes.bytes, bytes.len) : 0;
    if (err == 0 && found != origin->digest &&
        found != digest) /* an earlier try may have done it */
        err = -EEXIST;
    buf_free(&bytes);
    if (err == -EEXIST)
        return fail(saving, err, "%s was changed since it was read; load it anew first",
                    origin->path);
    if (err == 0 || err == -ENOENT)
        err = file_replace(origin->path, changed->text, changed->len);
    if (err != 0)
        return fail(saving, err, "%s: %s", origin->path, strerrordesc_np(-err));
    origin->digest = digest;
    origin->bytes = changed->len;
    origin->is_changed = false;
    return 0;
}

static int write_files(struct saving *saving)
{
    int err = begin(saving);
    for (size_t i = 0; i < saving->count && err == 0; i++)
        err = write_one(saving, &saving->files[i]);
    if (err == 0)
        err = journal_write(xml_origin(saving->doc)->path, NULL, 0);
    if (err != 0 && saving->reason[0] == '\0')
        fail(saving, err, "the journal: %s", strerrordesc_np(-err));
    end(saving, err);
    return err;
}

int mtev_conf_write_file(char **error)
{
    struct saving saving;
    int err = write_files(&saving);
    if (err == 0)
        return 0;
    if (error != NULL)
        *error = alloc_text(saving.reason);
    else
        mtevL(mtev_error, "mtev_conf_write_file: %s\n", saving.reason);
    errno = -err;
    return -1;
}

static int write_journal(struct saving *saving)
{
    struct journal_entry entries[FILES_MAX];
    int err = begin(saving);
    for (size_t i = 0; i < saving->count && err == 0; i++) {
        const struct changed *changed = &saving->files[i];
        entries[i] = (struct journal_entry){.path = changed->origin->path,
                                            .digest = changed->origin->digest,
                                            .text = changed->text,
                                            .len = changed->len};
    }
    if (err == 0) {
        err = journal_write(xml_origin(saving->doc)->path, entries, saving->count);
        if (err != 0)
            fail(saving, err, "%s", strerrordesc_np(-err));
    }
    for (size_t i = 0; i < saving->count && err == 0; i++)
        saving->files[i].origin->is_kept = true;
    end(saving, err);
    return err;
}

int(mtev_conf_write_log)(void *unused)
{
    struct saving saving;
    (void)unused;
    int err = write_journal(&saving);
    if (err == 0)
        return 0;
    mtevL(mtev_error, "mtev_conf_write_log: %s\n", saving.reason);
    errno = -err;
    return -1;
}

char *mtev_conf_write_in_mem(size_t *len)
{
    char *text = NULL;
    struct xml_doc *doc = document_share();
    int err = doc == NULL ? -ENOENT : xml_write(doc, NULL, &text, len);
    xml_release(doc);
    if (err == 0)
        return text;
    errno = -err;
    return NULL;
}
