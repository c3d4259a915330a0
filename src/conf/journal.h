/* SPDX-License-Identifier: MIT */
/*
 * journal.h - FILE.journal: what the files of a configuration are to become, until it is written
 * back to them.
 *
 * Layer: conf, for this layer alone.  Any thread, one at a time.  Blocks on the disk.
 *
 * It holds whole files, each with a digest of what its changes were made to, so that it is used
 * only for what is still the same:
 *
 *     eventer-journal 1
 *     DIGEST PATH-LENGTH LENGTH          for each file, digests in 16 hexadecimal digits
 *     PATH
 *     TEXT
 *     end DIGEST                         of all before this line
 */
#ifndef EVENTER_CONF_JOURNAL_H
#define EVENTER_CONF_JOURNAL_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct journal_entry {
    const char *path;
    uint64_t digest; /* of what the file held */
    const char *text;
    size_t len;
};

struct journal {
    struct buf bytes; /* owned: what the entries are in */
    struct journal_entry *entries;
    size_t count;
};

/* The digest of what a file holds. */
uint64_t journal_digest(const char *bytes, size_t len);

/*
 * Read the journal of the configuration file path.  Without one it is empty; what is none, or not
 * whole, is logged, and it is empty, too.  End it with journal_free().  0, or -ENOMEM, logged.
 */
int journal_read(const char *path, struct journal *out);
void journal_free(struct journal *journal);

/* Return the entry of the file path, or NULL (also for no journal). */
const struct journal_entry *journal_find(const struct journal *journal, const char *path);

/* Replace the journal of path by one of these; none: remove it.  0 or -errno as file_replace(). */
int journal_write(const char *path, const struct journal_entry *entries, size_t count);

#endif
