/* SPDX-License-Identifier: MIT */
/*
 * xml.h - a parsed XML document that is asked by XPath; nothing beyond this file knows libxml2.
 *
 * Layer: conf, for this layer alone.  A document never changes after it was made; any thread that
 * has a share of it may ask it.  A node lives as long as its document.  Nothing here logs.
 * Source: XML 1.0 (5th edition), XPath 1.0.  Document types are refused, so there are no entities
 * to expand and nothing to fetch.
 */
#ifndef EVENTER_CONF_XML_H
#define EVENTER_CONF_XML_H

#include <stdbool.h>
#include <stddef.h>

#define XML_DEPTH_MAX   64  /* elements in elements */
#define XML_REASON_SIZE 200 /* bytes of an explanation, with its NUL */

struct xml_doc;  /* counted */
struct xml_node; /* an element or an attribute; belongs to its document */

struct xml_error { /* the first thing that is wrong */
    long line;
    char reason[XML_REASON_SIZE];
};

/*
 * Parse the len (<= INT_MAX) bytes at bytes; name (copied) is what errors call them.
 * Returns 0 with a share in *out, -EINVAL with *ret_error filled, or -ENOMEM.
 */
int xml_parse(const char *name, const char *bytes, size_t len, struct xml_doc **out,
              struct xml_error *ret_error);

/* Take another share; give one back (NULL: no-op): the last one frees the document. */
struct xml_doc *xml_share(struct xml_doc *doc);
void xml_release(struct xml_doc *doc);

/* The name it was parsed under, and its root element. */
const char *xml_name(const struct xml_doc *doc);
struct xml_node *xml_root(const struct xml_doc *doc);

/*
 * Find what the XPath path selects from the element from: *out is an owned (alloc_free()) array of
 * *ret_count > 0 nodes, elements and attributes, in the order of the document.
 * Returns 0, -ENOENT (none), -EINVAL (not a path) or -ENOMEM.
 */
int xml_find(struct xml_doc *doc, struct xml_node *from, const char *path, struct xml_node ***out,
             size_t *ret_count);

/* Copy the text of node, with that of all elements in it; the caller owns it.  0 or -ENOMEM. */
int xml_text(struct xml_doc *doc, struct xml_node *node, char **out);

/* The line on which node's start tag ends; its name; the element that it is or belongs to. */
long xml_line(const struct xml_node *node);
const char *xml_node_name(const struct xml_node *node);
bool xml_is_element(const struct xml_node *node);
struct xml_node *xml_element(struct xml_node *node);

#endif
