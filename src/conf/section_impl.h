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

/* Return a share of what is current, or NULL.  (conf.c) */
struct xml_doc *conf_share_current(void);

/* Hold the element that section is.  False for none, and for the root while nothing is loaded. */
bool section_hold(mtev_conf_section_t section, struct section_place *out);
void section_let_go(struct section_place *place);

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
