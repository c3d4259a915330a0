/* SPDX-License-Identifier: MIT */
#include "conf/xml.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/xml_impl.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS                                                                                    \
    (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |               \
     XML_PARSE_BIG_LINES)

struct parse { /* what the callbacks of a parser need */
    xmlParserCtxt *parser;
    struct xml_error *error;
    bool failed;
};

/* Keep the first fault: the ones after it are mostly its consequences. */
static void fail_at(struct parse *parse, long line, const char *reason)
{
    if (parse->failed)
        return;
    parse->failed = true;
    parse->error->line = line;
    snprintf(parse->error->reason, sizeof(parse->error->reason), "%s", reason);
    for (char *c = parse->error->reason; *c != '\0'; c++) /* it is told as one line */
        if (*c == '\n')
            *c = c[1] == '\0' ? '\0' : ' ';
}

static void on_error(void *userdata, xmlError *error)
{
    const xmlParserCtxt *parser = userdata;
    if (error->level >= XML_ERR_ERROR)
        fail_at(parser->_private, error->line, error->message);
}

static void on_path_error(void *userdata, xmlError *error)
{
    (void)userdata; /* xml_find() says that the path is wrong by what it returns */
    (void)error;
}

static void on_document_type(void *userdata, const xmlChar *name, const xmlChar *external,
                             const xmlChar *system)
{
    xmlParserCtxt *parser = userdata;
    (void)name;
    (void)external;
    (void)system;
    fail_at(parser->_private, xmlSAX2GetLineNumber(parser), "a <!DOCTYPE> is not accepted");
    xmlStopParser(parser);
}

const xmlNode *xml_too_deep(const xmlNode *root)
{
    size_t depth = 1;
    const xmlNode *at = root;
    while (at != NULL) {
        if (at->type == XML_ELEMENT_NODE && depth > XML_DEPTH_MAX)
            return at;
        if (at->type == XML_ELEMENT_NODE && at->children != NULL) {
            at = at->children;
            depth++;
            continue;
        }
        while (at != root && at->next == NULL) {
            at = at->parent;
            depth--;
        }
        at = at == root ? NULL : at->next;
    }
    return NULL;
}

static xmlDoc *parse_tree(const char *name, const char *bytes, size_t len, struct parse *parse)
{
    xmlParserCtxt *parser = parse->parser;
    parser->_private = parse;
    parser->sax->serror = on_error;
    parser->sax->internalSubset = on_document_type;
    xmlDoc *tree = xmlCtxtReadMemory(parser, bytes, (int)len, name, NULL, OPTIONS);
    const xmlNode *root = tree == NULL ? NULL : xmlDocGetRootElement(tree);
    if (root == NULL)
        fail_at(parse, 1, "there is no element in it");
    else if (xml_too_deep(root) != NULL)
        fail_at(parse, xmlGetLineNo(xml_too_deep(root)), "elements are nested too deep");
    if (!parse->failed)
        return tree;
    xmlFreeDoc(tree);
    return NULL;
}

static void init_library(void)
{
    xmlInitParser();
}

struct xml_doc *xml_wrap(xmlDoc *tree, const char *name)
{
    struct xml_doc *doc = alloc_zeroed(1, sizeof(*doc));
    if (doc == NULL)
        goto fail;
    doc->name = alloc_text(name);
    if (doc->name == NULL)
        goto fail_doc;
    pthread_mutex_init(&doc->lock, NULL);
    doc->tree = tree;
    doc->shares = 1;
    return doc;

fail_doc:
    alloc_free(doc);
fail:
    xmlFreeDoc(tree);
    return NULL;
}

int xml_parse(const char *name, const char *bytes, size_t len, struct xml_doc **out,
              struct xml_error *ret_error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);

    struct parse parse = {.parser = xmlNewParserCtxt(), .error = ret_error};
    if (parse.parser == NULL)
        return -ENOMEM;
    xmlDoc *tree = parse_tree(name, bytes, len, &parse);
    xmlFreeParserCtxt(parse.parser);
    if (tree == NULL)
        return -EINVAL;
    struct xml_doc *doc = xml_wrap(tree, name);
    if (doc == NULL)
        return -ENOMEM;
    doc->origin.bytes = len;
    *out = doc;
    return 0;
}

int xml_parse_snippet(const char *name, const char *bytes, size_t len, struct xml_doc **out,
                      struct xml_error *ret_error)
{
    static const char before[] = "<snippet>", behind[] = "</snippet>";
    struct buf text;
    buf_init(&text, len + sizeof(before) + sizeof(behind));
    int err = buf_append(&text, before, strlen(before));
    if (err == 0)
        err = buf_append(&text, bytes, len);
    if (err == 0)
        err = buf_append(&text, behind, strlen(behind));
    if (err == 0)
        err = xml_parse(name, text.bytes, text.len, out, ret_error);
    buf_free(&text);
    if (err == 0) {
        (*out)->origin.bytes = len;
        (*out)->origin.is_snippet = true;
    }
    return err;
}

struct xml_doc *xml_share(struct xml_doc *doc)
{
    atomic_fetch_add_explicit(&doc->shares, 1, memory_order_relaxed);
    return doc;
}

void xml_release(struct xml_doc *doc)
{
    /* acq_rel: whoever frees it sees that all others are done with it */
    if (doc == NULL || atomic_fetch_sub_explicit(&doc->shares, 1, memory_order_acq_rel) > 1)
        return;
    while (doc->removed != NULL) {
        xmlNode *node = doc->removed;
        doc->removed = node->next;
        node->next = NULL;
        if (node->type == XML_ATTRIBUTE_NODE)
            xmlFreeProp((xmlAttr *)(void *)node);
        else
            xmlFreeNode(node);
    }
    while (doc->parts != NULL) {
        struct xml_part *part = doc->parts;
        doc->parts = part->next;
        xml_release(part->file);
        alloc_free(part);
    }
    xmlFreeDoc(doc->tree);
    pthread_mutex_destroy(&doc->lock);
    alloc_free(doc->origin.path);
    alloc_free(doc->name);
    alloc_free(doc);
}

const char *xml_name(const struct xml_doc *doc)
{
    return doc->name;
}

struct xml_node *xml_root(const struct xml_doc *doc)
{
    return outer(xmlDocGetRootElement(doc->tree));
}

struct xml_origin *xml_origin(struct xml_doc *doc)
{
    return &doc->origin;
}

/* Copy the elements and attributes of set, which is in the order of the document. */
static int copy_nodes(const xmlNodeSet *set, struct xml_node ***out, size_t *ret_count)
{
    size_t count = 0;
    size_t size = set == NULL ? 0 : (size_t)set->nodeNr;
    if (size == 0)
        return -ENOENT;
    struct xml_node **nodes = alloc_zeroed(size, sizeof(struct xml_node *));
    if (nodes == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < size; i++) {
        xmlNode *node = set->nodeTab[i];
        if (node->type == XML_ELEMENT_NODE || node->type == XML_ATTRIBUTE_NODE)
            nodes[count++] = outer(node);
    }
    if (count == 0) {
        alloc_free(nodes);
        return -ENOENT;
    }
    *out = nodes;
    *ret_count = count;
    return 0;
}

int xml_find(struct xml_doc *doc, struct xml_node *from, const char *path, struct xml_node ***out,
             size_t *ret_count)
{
    int err = -ENOMEM;
    pthread_mutex_lock(&doc->lock);
    xmlXPathContext *context = xmlXPathNewContext(doc->tree);
    if (context == NULL)
        goto fail;
    context->error = on_path_error;
    context->node = inner(from);
    xmlXPathObject *found = xmlXPathEvalExpression((const xmlChar *)path, context);
    err = -EINVAL;
    if (found == NULL)
        goto fail_context;
    if (found->type == XPATH_NODESET)
        err = copy_nodes(found->nodesetval, out, ret_count);
    xmlXPathFreeObject(found);
fail_context:
    xmlXPathFreeContext(context);
fail:
    pthread_mutex_unlock(&doc->lock);
    return err;
}

int xml_text(struct xml_doc *doc, struct xml_node *node, char **out)
{
    pthread_mutex_lock(&doc->lock);
    xmlChar *content = xmlNodeGetContent(inner(node));
    pthread_mutex_unlock(&doc->lock);
    if (content == NULL)
        return -ENOMEM;
    char *text = alloc_text((const char *)content);
    xmlFree(content);
    if (text == NULL)
        return -ENOMEM;
    *out = text;
    return 0;
}

bool xml_is_element(const struct xml_node *node)
{
    return inner_const(node)->type == XML_ELEMENT_NODE;
}

struct xml_node *xml_element(struct xml_node *node)
{
    return xml_is_element(node) ? node : outer(inner(node)->parent);
}

long xml_line(const struct xml_node *node)
{
    const xmlNode *element = inner_const(node);
    return xmlGetLineNo(element->type == XML_ELEMENT_NODE ? element : element->parent);
}

const char *xml_node_name(const struct xml_node *node)
{
    return (const char *)inner_const(node)->name;
}

const char *xml_prefix(const struct xml_node *node)
{
    const xmlNs *ns = inner_const(node)->ns;
    return ns == NULL ? NULL : (const char *)ns->prefix;
}

struct xml_node *xml_parent(struct xml_node *node)
{
    xmlNode *parent = inner(node)->parent;
    return parent == NULL || parent->type != XML_ELEMENT_NODE ? NULL : outer(parent);
}

/* Return node or the first element behind it. */
static struct xml_node *element_from(xmlNode *node)
{
    while (node != NULL && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node == NULL ? NULL : outer(node);
}

struct xml_node *xml_first_child(struct xml_node *node)
{
    return element_from(inner(node)->children);
}

struct xml_node *xml_next_sibling(struct xml_node *node)
{
    return element_from(inner(node)->next);
}

struct xml_node *xml_next(struct xml_node *node)
{
    struct xml_node *next = xml_first_child(node);
    while (next == NULL && node != NULL) {
        next = xml_next_sibling(node);
        node = xml_parent(node);
    }
    return next;
}

struct xml_node *xml_attribute(struct xml_node *node, const char *name)
{
    xmlAttr *found = xmlHasNsProp(inner(node), (const xmlChar *)name, NULL);
    return (struct xml_node *)(void *)found;
}

struct xml_node *xml_first_attribute(struct xml_node *node)
{
    return (struct xml_node *)(void *)inner(node)->properties;
}

struct xml_node *xml_next_attribute(struct xml_node *node)
{
    return outer(inner(node)->next);
}
