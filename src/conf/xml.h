/* SPDX-License-Identifier: MIT */
/*
 * xml.h - a parsed XML document that is asked by XPath; nothing beyond the files xml*.c knows
 * libxml2.
 *
 * Layer: conf.  Any thread that has a share of a document may ask it.  Only one that nobody else
 * has a share of is changed.  A node lives as long as its document, also when it was taken out of
 * it.  Nothing here logs.
 * Source: XML 1.0 (5th edition), XPath 1.0.  Document types are refused, so there are no entities
 * to expand and nothing to fetch.
 */
#ifndef EVENTER_CONF_XML_H
#define EVENTER_CONF_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define XML_DEPTH_MAX   64  /* elements in elements, those of included files counted */
#define XML_REASON_SIZE 200 /* bytes of an explanation, with its NUL */

struct xml_doc;  /* counted */
struct xml_node; /* an element or an attribute; belongs to its document */

struct xml_error { /* the first thing that is wrong */
    long line;
    char reason[XML_REASON_SIZE];
};

struct xml_origin { /* what a document was read from; xml.c only keeps it */
    char *path;     /* owned; NULL: no file */
    dev_t device;
    ino_t inode;
    size_t bytes;
    uint64_t digest; /* of these bytes */
    bool is_snippet; /* several elements, without one around them */
    bool is_changed; /* it is not what the file holds any more ... */
    bool is_kept;    /* ... but the journal has it */
};

/*
 * Parse the len (<= INT_MAX) bytes at bytes; name (copied) is what errors call them.
 * Returns 0 with a share in *out, -EINVAL with *ret_error filled, or -ENOMEM.
 */
int xml_parse(const char *name, const char *bytes, size_t len, struct xml_doc **out,
              struct xml_error *ret_error);

/* As xml_parse() for bytes that are any number of elements, texts and comments: a snippet. */
int xml_parse_snippet(const char *name, const char *bytes, size_t len, struct xml_doc **out,
                      struct xml_error *ret_error);

/* Take another share; give one back (NULL: no-op): the last one frees the document. */
struct xml_doc *xml_share(struct xml_doc *doc);
void xml_release(struct xml_doc *doc);

/* The name it was parsed under, its root element, and what it was read from (borrowed). */
const char *xml_name(const struct xml_doc *doc);
struct xml_node *xml_root(const struct xml_doc *doc);
struct xml_origin *xml_origin(struct xml_doc *doc);

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

/* The name of the file that node is from: that of the document, or what was included. */
const char *xml_file(const struct xml_doc *doc, struct xml_node *node);

/* The prefix of node's name, or NULL. */
const char *xml_prefix(const struct xml_node *node);

/* The element around an element; its first child element; the next element beside it.  Or NULL. */
struct xml_node *xml_parent(struct xml_node *node);
struct xml_node *xml_first_child(struct xml_node *node);
struct xml_node *xml_next_sibling(struct xml_node *node);

/* The element that follows in the order of the document: a child, if it has one.  Or NULL. */
struct xml_node *xml_next(struct xml_node *node);

/* The attribute of an element, or NULL; its first attribute; the next one beside it. */
struct xml_node *xml_attribute(struct xml_node *node, const char *name);
struct xml_node *xml_first_attribute(struct xml_node *node);
struct xml_node *xml_next_attribute(struct xml_node *node);

/* ---- parts: xml_part.c ------------------------------------------------------------------ */

/* What was included below an <include>, or NULL (borrowed). */
struct xml_doc *xml_part(const struct xml_node *include);

/* The innermost <include> with a part that is around node (borrowed), or NULL: doc's own file. */
struct xml_node *xml_include_of(struct xml_node *node);

/*
 * Move the children of part's root element below include, an element of doc without any; part
 * (a share that is taken, also on failure) stays what they are from.  Returns 0; -ENOMEM; or
 * -EINVAL: nested too deep, with the line of the element that is.
 */
int xml_include(struct xml_doc *doc, struct xml_node *include, struct xml_doc *part,
                long *ret_line);

/* Copy doc, with shares of the same parts; the copy is the caller's alone.  0 or -ENOMEM. */
int xml_copy(struct xml_doc *doc, struct xml_doc **out);

/*
 * Give the text of a file: of doc itself (include NULL) or of what was included there, without what
 * is included in it.  The caller owns *out, which is NUL-terminated.  0 or -ENOMEM.
 */
int xml_write(struct xml_doc *doc, struct xml_node *include, char **out, size_t *ret_len);

/* ---- schemas: xml_schema.c -------------------------------------------------------------- */

/*
 * Hold doc against the RELAX NG schema of len bytes, and tell all that it does not allow.
 * Returns 0, -EINVAL (no schema) or -ENOMEM.
 */
int xml_validate(struct xml_doc *doc, const char *schema, size_t len,
                 void (*tell)(void *closure, const char *file, long line, const char *what),
                 void *closure);

/* ---- changes: xml_edit.c, of a document that is the caller's alone ----------------------- */

/* May text (NUL-terminated) stand in a document?  Only UTF-8 without control characters may. */
bool xml_is_text(const char *text);

/* Make text all that there is in node.  0 or -ENOMEM. */
int xml_set_text(struct xml_doc *doc, struct xml_node *node, const char *text);

/* Add an attribute, or a child behind the last one.  0, -EINVAL (not a name) or -ENOMEM. */
int xml_add_attribute(struct xml_doc *doc, struct xml_node *element, const char *name,
                      const char *text);
int xml_add_child(struct xml_doc *doc, struct xml_node *element, const char *name,
                  struct xml_node **out);

/* Take node, which is not the root element, out of doc. */
void xml_remove(struct xml_doc *doc, struct xml_node *node);

#endif
