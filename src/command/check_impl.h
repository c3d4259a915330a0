/* SPDX-License-Identifier: MIT */
/*
 * check_impl.h - what the files check*.c share.
 */
#ifndef EVENTER_COMMAND_CHECK_IMPL_H
#define EVENTER_COMMAND_CHECK_IMPL_H

#include "command/check.h"

struct told { /* a fault that was told, so that no other one is for the same line */
    struct told *next;
    long line;
    char file[];
};

struct check {
    const char *path; /* the file */
    struct xml_doc *doc;
    struct told *told; /* owned */
    size_t faults;
};

/* Tell a fault of a line (0: of the file) that is no element's. */
void check_tell(struct check *check, const char *file, long line, const char *what);

/* Was a fault told for that line? */
bool check_was_told(const struct check *check, const char *file, long line);

/* Tell what is wrong with the value of node, an attribute or element that key is about. */
void check_value(struct check *check, const struct key *key, struct xml_node *node);

/* Check every element by the tables. */
void check_elements(struct check *check);

/* Forget what was told, and give the document back. */
void check_end(struct check *check);

#endif
