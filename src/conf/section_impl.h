/* SPDX-License-Identifier: MIT */
/*
 * section_impl.h - from a section to its document, and from a path to a value; for this layer
 * alone.
 */
#ifndef EVENTER_CONF_SECTION_IMPL_H
#define EVENTER_CONF_SECTION_IMPL_H

#include "conf/conf.h"
#include "conf/xml.h"

struct section_place { /* an element, held */
    struct xml_doc *doc;
    struct xml_node *node;
};

struct section_value {
    struct xml_node *node; /* where it stands */
    char *text;            /* owned: alloc_free() */
};

/* Hold the element that section is.  False for none, and for the root while nothing is loaded. */
bool section_hold(mtev_conf_section_t section, struct section_place *out);
void section_let_go(struct section_place *place);

/*
 * xml_find(), without what is off (env.h) and logged: 0, -ENOENT, -EINVAL or -ENOMEM.
 */
int section_find(const struct section_place *place, const char *path, struct xml_node ***out,
                 size_t *ret_count);

/*
 * Read the text of node with what its references stand for; the caller owns it.  0 or, logged,
 * -EINVAL or -ENOMEM.  path is what it was found by.
 */
int section_read_node(const struct section_place *place, struct xml_node *node, const char *path,
                      char **out);

/* Log err, which is not the fault of the configuration, with the place; return it. */
int section_fail(const struct section_place *place, int err);

/* Read what path finds last.  0, -ENOENT, or, logged, -EINVAL or -ENOMEM. */
int section_read(const struct section_place *place, const char *path, struct section_value *out);

/*
 * Give the elements that path finds, in the order of the document: *out is to be released with
 * mtev_conf_release_sections_read().  0, -ENOENT, or, logged, -EINVAL or -ENOMEM.
 */
int section_find_all(mtev_conf_section_t section, const char *path, mtev_conf_section_t **out,
                     int *ret_count);

/* Log "FILE:LINE: <element> name="value": ..." for value. */
void section_complain(const struct section_place *place, const struct section_value *value,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
