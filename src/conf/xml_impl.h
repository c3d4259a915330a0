/* SPDX-License-Identifier: MIT */
/*
 * xml_impl.h - what a document is made of; for the files xml*.c alone, which know libxml2.
 */
#ifndef EVENTER_CONF_XML_IMPL_H
#define EVENTER_CONF_XML_IMPL_H

#include "conf/xml.h"

#include <libxml/tree.h>
#include <pthread.h>
#include <stdatomic.h>

/*
 * What was included for an <include>, whose _private points to this.  The children of the file's
 * root element were moved below the <include>: what is left in file is what stands around them.
 */
struct xml_part {
    struct xml_part *next;
    struct xml_doc *file; /* a share */
};

struct xml_doc {
    _Atomic size_t shares;
    xmlDoc *tree;
    char *name;             /* owned */
    pthread_mutex_t lock;   /* libxml2 may write to a tree's dictionary while it compiles a path */
    struct xml_part *parts; /* owned */
    xmlNode *removed;       /* owned: out of the tree, for sections that still hold them; by next */
    struct xml_origin origin;
};

static inline xmlNode *inner(struct xml_node *node)
{
    return (xmlNode *)(void *)node;
}

static inline const xmlNode *inner_const(const struct xml_node *node)
{
    return (const xmlNode *)(const void *)node;
}

static inline struct xml_node *outer(xmlNode *node)
{
    return (struct xml_node *)(void *)node;
}

/* Make a document of tree (taken) with one share, called name (copied).  NULL: no memory. */
struct xml_doc *xml_wrap(xmlDoc *tree, const char *name);

/* Return the first element that is nested too deep, or NULL. */
const xmlNode *xml_too_deep(const xmlNode *root);

#endif
