/* SPDX-License-Identifier: MIT */
#include "conf/journal.h"

#include "base/alloc.h"
#include "base/siphash.h"
#include "conf/conf.h"
#include "conf/file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEAD            "eventer-journal 1\n"
#define LINE_LEN_MAX    64                   /* bytes of a line that is not a path or a text */
#define BYTES_MAX       (CONF_BYTES_MAX * 2) /* of a journal: the texts, paths and lines */
#define ENTRIES_MAX     (CONF_INCLUDES_MAX + 1)
#define PATH_OF_JOURNAL PATH_MAX

uint64_t journal_digest(const char *bytes, size_t len)
{
    static const uint64_t key[2];
    return siphash(bytes, len, key);
}

static int path_of(const char *path, char out[static PATH_OF_JOURNAL])
{
    int len = snprintf(out, PATH_OF_JOURNAL, "%s.journal", path);
    return len < PATH_OF_JOURNAL ? 0 : -ENAMETOOLONG;
}

/* ---- reading --------------------------------------------------------------------- */

struct cursor {
    char *at;
    size_t left;
};

/* Take len bytes and the newline behind them, which becomes a NUL.  NULL: there is no such thing.
 */
static char *take(struct cursor *cursor, size_t len)
{
    char *taken = cursor->at;
    if (len >= cursor->left || taken[len] != '\n')
        return NULL;
    taken[len] = '\0';
    cursor->at += len + 1;
    cursor->left -= len + 1;
    return taken;
}

static char *take_line(struct cursor *cursor)
{
    size_t longest = cursor->left < LINE_LEN_MAX ? cursor->left : LINE_LEN_MAX;
    const char *end = memchr(cursor->at, '\n', longest);
    return end == NULL ? NULL : take(cursor, (size_t)(end - cursor->at));
}

/* Read what a line says of the file behind it. */
static bool take_entry(struct cursor *cursor, const char *line, struct journal_entry *out)
{
    size_t path_len, len;
    int used = 0;
    if (sscanf(line, "%16" SCNx64 " %zu %zu%n", &out->digest, &path_len, &len, &used) != 3 ||
        line[used] != '\0')
        return false;
    const char *path = take(cursor, path_len);
    const char *text = path == NULL ? NULL : take(cursor, len);
    if (text == NULL || strlen(path) != path_len)
        return false;
    out->path = path;
    out->text = text;
    out->len = len;
    return true;
}

/* Is it whole?  Says where its last line is. */
static bool is_whole(const struct buf *bytes, size_t *ret_len)
{
    char last[LINE_LEN_MAX];
    size_t len = (size_t)snprintf(last, sizeof(last), "end %016x\n", 0);
    if (bytes->len < len)
        return false;
    *ret_len = bytes->len - len;
    snprintf(last, sizeof(last), "end %016" PRIx64 "\n", journal_digest(bytes->bytes, *ret_len));
    return memcmp(bytes->bytes + *ret_len, last, len) == 0;
}

/* Find the entries in the bytes.  0, -EINVAL or -ENOMEM. */
static int find_entries(struct journal *journal)
{
    struct cursor cursor = {.at = journal->bytes.bytes};
    if (!is_whole(&journal->bytes, &cursor.left))
        return -EINVAL;
    journal->entries = alloc_zeroed(ENTRIES_MAX, sizeof(*journal->entries));
    if (journal->entries == NULL)
        return -ENOMEM;
    const char *line = take_line(&cursor);
    if (line == NULL || strncmp(line, HEAD, strlen(HEAD) - 1) != 0)
        return -EINVAL;
    while (cursor.left > 0) {
        line = take_line(&cursor);
        if (line == NULL || journal->count == ENTRIES_MAX ||
            !take_entry(&cursor, line, &journal->entries[journal->count]))
            return -EINVAL;
        journal->count++;
    }
    return 0;
}

int journal_read(const char *path, struct journal *out)
{
    char name[PATH_OF_JOURNAL];
    struct stat stat;
    *out = (struct journal){.count = 0};
    buf_init(&out->bytes, (size_t)BYTES_MAX * 2);
    int err = path_of(path, name);
    if (err == 0)
        err = file_read(name, BYTES_MAX, true, &out->bytes, &stat);
    if (err == -ENOENT || err == -ENAMETOOLONG)
        return 0;
    if (err == 0)
        err = find_entries(out);
    if (err == 0)
        return 0;
    journal_free(out);
    mtevL(mtev_error, "%s: %s\n", name,
          err == -EINVAL ? "not a whole journal; it is not used" : strerrordesc_np(-err));
    return err == -ENOMEM ? err : 0;
}

void journal_free(struct journal *journal)
{
    alloc_free(journal->entries);
    buf_free(&journal->bytes);
    journal->entries = NULL;
    journal->count = 0;
}

const struct journal_entry *journal_find(const struct journal *journal, const char *path)
{
    for (size_t i = 0; journal != NULL && i < journal->count; i++)
        if (strcmp(journal->entries[i].path, path) == 0)
            return &journal->entries[i];
    return NULL;
}

/* ---- writing --------------------------------------------------------------------- */

static int append_entry(struct buf *bytes, const struct journal_entry *entry)
{
    int err = buf_appendf(bytes, "%016" PRIx64 " %zu %zu\n%s\n", entry->digest, strlen(entry->path),
                          entry->len, entry->path);
    if (err == 0)
        err = buf_append(bytes, entry->text, entry->len);
    return err == 0 ? buf_append(bytes, "\n", 1) : err;
}

int journal_write(const char *path, const struct journal_entry *entries, size_t count)
{
    char name[PATH_OF_JOURNAL];
    struct buf bytes;
    int err = path_of(path, name);
    if (err != 0)
        return err;
    if (count == 0)
        return unlink(name) == 0 || errno == ENOENT ? 0 : -errno;
    buf_init(&bytes, BYTES_MAX);
    err = buf_append(&bytes, HEAD, strlen(HEAD));
    for (size_t i = 0; i < count && err == 0; i++)
        err = append_entry(&bytes, &entries[i]);
    if (err == 0)
        err = buf_appendf(&bytes, "end %016" PRIx64 "\n", journal_digest(bytes.bytes, bytes.len));
    if (err == 0)
        err = file_replace(name, bytes.bytes, bytes.len);
    buf_free(&bytes);
    return err;
}
