/* SPDX-License-Identifier: MIT */
/*
 * keys.h - all that a configuration may hold, in tables: what `eventer check` and the schema are
 * made from, and what a test compares with what the library reads and with eventer.conf(5).
 *
 * Program: eventer.  Nothing here changes.
 *
 * Each part of the library has a file keys_PART.c with one struct key_block; keys.c lists them.
 * docs/internals/conf.md says how a key is added.
 */
#ifndef EVENTER_COMMAND_KEYS_H
#define EVENTER_COMMAND_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check;
struct xml_node;

enum key_type { /* what a value must be */
    KEY_NONE = 0,
    KEY_TEXT,    /* anything */
    KEY_NUMBER,  /* from min to max */
    KEY_BOOLEAN, /* true, on, false, off */
    KEY_WORDS,   /* one of words, which | separates */
    KEY_FILE,    /* the name of a file that can be read */
    KEY_FOLDER,  /* the name of a folder */
    KEY_CHECKED  /* what is_right says; form describes it */
};

#define KEY_INHERITED 1U /* may stand on any element around its own */
#define KEY_REQUIRED  2U
#define KEY_PREFIX    4U /* the name is the beginning of many */
#define KEY_SECRET    8U /* its value is not shown */

struct key {
    const char *element; /* where it belongs: the path of a struct key_element; "": the root */
    const char *name;    /* of an attribute, after @, or of a child element */
    enum key_type type;
    int64_t min, max;
    const char *words;
    bool (*is_right)(const char *name, const char *value);
    const char *form;
    const char *otherwise; /* what holds without it; NULL: nothing that can be written */
    unsigned flags;
    const char *says; /* one sentence */
};

#define KEY_OPEN 1U /* may have keys that only the program knows */

/*
 * An element.  The path begins with the block's name; "logs//log" is a <log> at any depth under
 * <logs>, where the elements between them only group and have any name.
 */
struct key_element {
    const char *path;
    unsigned flags;
    /* What else must hold of it; NULL: nothing.  Tells faults with check_fault(). */
    void (*check)(struct check *check, struct xml_node *element);
};

struct key_block { /* an element directly under the root */
    const char *name;
    const struct key_element *elements;
    size_t element_count;
    const struct key *keys;
    size_t key_count;
};

#define KEY_BLOCK(block, elements_of_it, keys_of_it)                                               \
    {                                                                                              \
        .name = (block), .elements = (elements_of_it),                                             \
        .element_count = sizeof(elements_of_it) / sizeof((elements_of_it)[0]),                     \
        .keys = (keys_of_it), .key_count = sizeof(keys_of_it) / sizeof((keys_of_it)[0])            \
    }

extern const struct key_block *const key_blocks[]; /* ends with NULL; the first is the root */

/* The attributes that any element may have. */
extern const struct key key_everywhere[];
extern const size_t key_everywhere_count;

#endif
