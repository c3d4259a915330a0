/* SPDX-License-Identifier: MIT */
/*
 * xml_part.c - documents of several files: what was included, copies, and each file's text.
 */
#include "base/alloc.h"
#include "conf/xml_impl.h"

#include <errno.h>
#include <libxml/xmlsave.h>
#include <string.h>

/* Of an <include> that has one. */
static struct xml_doc *file_of(const struct xml_node *include)
{
    return ((const struct xml_part *)inner_const(include)->_private)->file;
}

struct xml_doc *xml_part(const struct xml_node *include)
{
    const struct xml_part *part = inner_const(include)->_private;
    return part == NULL ? NULL : part->file;
}

/* The <include> itself and its attributes are of the file around it. */
struct xml_node *xml_include_of(struct xml_node *node)
{
    xmlNode *at = inner(xml_element(node))->parent;
    while (at != NULL && (at->type != XML_ELEMENT_NODE || at->_private == NULL))
        at = at->parent;
    return at == NULL ? NULL : outer(at);
}

const char *xml_file(const struct xml_doc *doc, struct xml_node *node)
{
    const struct xml_node *include = xml_include_of(node);
    return include == NULL ? doc->name : file_of(include)->name;
}

/* Have include, an element of doc, be what file (taken, also on failure) was included for. */
static int attach(struct xml_doc *doc, xmlNode *include, struct xml_doc *file)
{
    struct xml_part *part = alloc_bytes(sizeof(*part));
    if (part == NULL) {
        xml_release(file);
        return -ENOMEM;
    }
    *part = (struct xml_part){.next = doc->parts, .file = file};
    doc->parts = part;
    include->_private = part;
    return 0;
}

int xml_include(struct xml_doc *doc, struct xml_node *include, struct xml_doc *part, long *ret_line)
{
    xmlNode *root = xmlDocGetRootElement(part->tree);
    xmlNode *children =
        root->children == NULL ? NULL : xmlDocCopyNodeList(doc->tree, root->children);
    if (children == NULL && root->children != NULL) {
        xml_release(part);
        return -ENOMEM;
    }
    xmlFreeNodeList(root->children);
    root->children = root->last = NULL;
    int err = attach(doc, inner(include), part);
    if (err != 0) {
        xmlFreeNodeList(children);
        return err;
    }
    xmlFreeNodeList(inner(include)->children); /* blanks and comments */
    inner(include)->children = inner(include)->last = NULL;
    if (children != NULL)
        xmlAddChildList(inner(include), children);
    const xmlNode *deep = xml_too_deep(xmlDocGetRootElement(doc->tree));
    if (deep != NULL) {
        *ret_line = xmlGetLineNo(deep);
        return -EINVAL;
    }
    return 0;
}

/* The node behind node in the order of the document, in the tree of top.  NULL: none. */
static xmlNode *step(xmlNode *node, const xmlNode *top)
{
    if (node->type == XML_ELEMENT_NODE && node->children != NULL)
        return node->children;
    while (node != top && node->next == NULL)
        node = node->parent;
    return node == top ? NULL : node->next;
}

/* Give the copy, node by node, what libxml2 does not copy: parts, and lines above 65535. */
static int copy_rest(struct xml_doc *doc, struct xml_doc *copy)
{
    xmlNode *from_root = xmlDocGetRootElement(doc->tree), *from = from_root;
    xmlNode *to_root = xmlDocGetRootElement(copy->tree), *to = to_root;
    for (; from != NULL && to != NULL; from = step(from, from_root), to = step(to, to_root)) {
        if (from->type == XML_TEXT_NODE)
            to->psvi = from->psvi;
        const struct xml_part *part = from->type == XML_ELEMENT_NODE ? from->_private : NULL;
        if (part != NULL && attach(copy, to, xml_share(part->file)) != 0)
            return -ENOMEM;
    }
    return 0;
}

int xml_copy(struct xml_doc *doc, struct xml_doc **out)
{
    pthread_mutex_lock(&doc->lock);
    xmlDoc *tree = xmlCopyDoc(doc->tree, 1);
    pthread_mutex_unlock(&doc->lock);
    struct xml_doc *copy = tree == NULL ? NULL : xml_wrap(tree, doc->name);
    if (copy == NULL)
        return -ENOMEM;
    copy->origin = doc->origin;
    copy->origin.path = doc->origin.path == NULL ? NULL : alloc_text(doc->origin.path);
    int err = copy->origin.path == NULL && doc->origin.path != NULL ? -ENOMEM : 0;
    if (err == 0)
        err = copy_rest(doc, copy);
    if (err != 0) {
        xml_release(copy);
        return err;
    }
    *out = copy;
    return 0;
}

/* ---- text ------------------------------------------------------------------------ */

/* Add copies of first and its siblings to parent, without what is included in them. */
static int add_copies(xmlNode *parent, xmlNode *first)
{
    for (xmlNode *from = first; from != NULL; from = from->next) {
        bool is_element = from->type == XML_ELEMENT_NODE;
        xmlNode *to = xmlDocCopyNode(from, parent->doc, is_element ? 2 : 1);
        if (to == NULL)
            return -ENOMEM;
        xmlAddChild(parent, to);
        if (is_element && from->_private == NULL && add_copies(to, from->children) != 0)
            return -ENOMEM;
    }
    return 0;
}

/*
 * The name of the encoding to write tree in, borrowed; NULL: it names none.  What is not UTF-8
 * becomes it: others have not every character, or are written so that they cannot be read again.
 */
static const xmlChar *encoding_of(const xmlDoc *tree)
{
    if (tree->encoding == NULL ||
        xmlParseCharEncoding((const char *)tree->encoding) == XML_CHAR_ENCODING_UTF8)
        return tree->encoding;
    return (const xmlChar *)"UTF-8";
}

/* Copy the shell of a document: all that is there but what is in its root element. */
static xmlDoc *copy_shell(const xmlDoc *tree)
{
    xmlDoc *copy = xmlNewDoc(tree->version);
    if (copy == NULL)
        return NULL;
    copy->standalone = tree->standalone;
    if (tree->encoding != NULL)
        copy->encoding = xmlStrdup(encoding_of(tree));
    for (xmlNode *from = tree->children; from != NULL; from = from->next) {
        xmlNode *to = xmlDocCopyNode(from, copy, from->type == XML_ELEMENT_NODE ? 2 : 1);
        if (to == NULL) {
            xmlFreeDoc(copy);
            return NULL;
        }
        xmlAddChild((xmlNode *)(void *)copy, to);
    }
    return copy;
}

/* Write tree, or with is_snippet only what is in its root element. */
static int write_tree(xmlDoc *tree, bool is_snippet, xmlBuffer *buffer)
{
    const char *encoding = tree->encoding == NULL ? NULL : (const char *)tree->encoding;
    xmlSaveCtxt *save = xmlSaveToBuffer(buffer, encoding, is_snippet ? XML_SAVE_NO_DECL : 0);
    if (save == NULL)
        return -ENOMEM;
    if (!is_snippet)
        xmlSaveDoc(save, tree);
    xmlNode *child = is_snippet ? xmlDocGetRootElement(tree)->children : NULL;
    for (; child != NULL; child = child->next)
        xmlSaveTree(save, child);
    return xmlSaveClose(save) < 0 ? -ENOMEM : 0;
}

int xml_write(struct xml_doc *doc, struct xml_node *include, char **out, size_t *ret_len)
{
    const struct xml_doc *file = include == NULL ? doc : file_of(include);
    xmlNode *from = include == NULL ? xmlDocGetRootElement(doc->tree) : inner(include);
    int err = -ENOMEM;
    xmlDoc *tree = copy_shell(file->tree);
    if (tree == NULL)
        return err;
    xmlBuffer *buffer = xmlBufferCreate();
    if (buffer == NULL)
        goto fail;
    if (add_copies(xmlDocGetRootElement(tree), from->children) != 0)
        goto fail_buffer;
    err = write_tree(tree, file->origin.is_snippet, buffer);
    if (err != 0)
        goto fail_buffer;
    size_t len = (size_t)xmlBufferLength(buffer);
    char *text = alloc_text_n((const char *)xmlBufferContent(buffer), len);
    err = text == NULL ? -ENOMEM : 0;
    if (err == 0) {
        *out = text;
        *ret_len = len;
    }
fail_buffer:
    xmlBufferFree(buffer);
fail:
    xmlFreeDoc(tree);
    return err;
}
