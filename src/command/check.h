/* SPDX-License-Identifier: MIT */
/*
 * check.h - `eventer check`: all that is wrong with a configuration, without starting anything.
 *
 * Program: eventer.  One thread.
 */
#ifndef EVENTER_COMMAND_CHECK_H
#define EVENTER_COMMAND_CHECK_H

#include "command/keys.h"
#include "conf/xml.h"

struct check; /* the checking of one file */

/* `eventer check [-n NAME] FILE`; argv[0] is "check".  Returns the exit status: 0, or 2. */
int check_main(int argc, char **argv);

/*
 * Tell that something is wrong with element, or with one of its keys (attribute or child element),
 * of which the value is shown; the format is of a sentence without its end.
 */
void check_fault(struct check *check, struct xml_node *element, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_value_fault(struct check *check, struct xml_node *key, const char *value,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Tell what may be right, but may be a mistake, too. */
void check_note(struct check *check, struct xml_node *element, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Note where a path is looked for, if that depends on how the program is started. */
void check_relative(struct check *check, struct xml_node *node, const char *path);

/*
 * Tell when nothing can be made at path; of a folder that is missing, which the system may make for
 * the program, only a note.
 */
void check_place(struct check *check, struct xml_node *node, const char *path);

/* Does element, or one around it, have the attribute called name? */
bool check_inherits(struct check *check, struct xml_node *element, const char *name);

/* That attribute, or NULL. */
struct xml_node *check_find_inherited(struct xml_node *element, const char *name);

/*
 * Copy the value of the innermost attribute called name of element and those around it, with what
 * its references stand for; the caller owns it.  NULL: there is none, or none that can be read.
 */
char *check_inherited(struct check *check, struct xml_node *element, const char *name);

/* The value of one attribute of element, in the same way. */
char *check_attribute(struct check *check, struct xml_node *element, const char *name);

/* ---- what concerns several elements: check_more.c ------------------------------------------ */

/* Of the root: its lock file.  Of all elements: that what they inherit is there, and what is
 * included and does not count. */
void check_references(struct check *check);

/* Of <logs>: that every outlet leads somewhere. */
void check_outlets(struct check *check, struct xml_node *logs);

/* How many <outlet> count in element itself. */
size_t check_count_outlets(const struct check *check, struct xml_node *element);

/* Of a <listener>: that it has a port, and a type that is known here, or else a note. */
void check_listener(struct check *check, struct xml_node *listener);

/* ---- names: near.c --------------------------------------------------------------------------- */

#define NEAR_NAME_LEN_MAX 63 /* bytes of a name that is compared */

struct near { /* the nearest of the names that were offered, if one is near enough */
    const char *wanted;
    const char *found; /* borrowed, or NULL */
    size_t len;        /* of found */
    size_t distance;
};

/* Begin to look for what is nearest to wanted (borrowed). */
struct near near_begin(const char *wanted);

/*
 * Offer the len bytes at name (borrowed).  Near enough is what differs by a third of the letters of
 * the shorter one: inserted, left out, replaced, or two exchanged.
 */
void near_offer(struct near *near, const char *name, size_t len);

#endif
