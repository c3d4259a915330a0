/* SPDX-License-Identifier: MIT */
/*
 * xml_edit.c - changes to a document.  What is taken out is kept until the document ends, because a
 * section may hold it.
 */
#include "base/alloc.h"
#include "conf/xml_impl.h"

#include <errno.h>
#include <string.h>

bool xml_is_text(const char *text)
{
    if (xmlCheckUTF8((const unsigned char *)text) == 0)
        return false;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        bool is_control = *c < 0x20 && *c != '\t' && *c != '\n' && *c != '\r';
        bool is_no_character = c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe; /* U+FFFE, U+FFFF */
        if (is_control || is_no_character)
            return false;
    }
    return true;
}

static void keep(struct xml_doc *doc, xmlNode *node)
{
    xmlUnlinkNode(node);
    node->next = doc->removed;
    doc->removed = node;
}

int xml_set_text(struct xml_doc *doc, struct xml_node *node, const char *text)
{
    xmlNode *at = inner(node);
    xmlNode *content = xmlNewDocText(doc->tree, (const xmlChar *)text);
    if (content == NULL)
        return -ENOMEM;
    while (at->children != NULL)
        keep(doc, at->children);
    xmlAddChild(at, content);
    return 0;
}

int xml_add_attribute(struct xml_doc *doc, struct xml_node *element, const char *name,
                      const char *text)
{
    if (xmlValidateNCName((const xmlChar *)name, 0) != 0)
        return -EINVAL;
    xmlAttr *made = xmlNewProp(inner(element), (const xmlChar *)name, (const xmlChar *)"");
    if (made == NULL)
        return -ENOMEM;
    return xml_set_text(doc, (struct xml_node *)(void *)made, text);
}

static bool is_blank(const xmlNode *node)
{
    return node != NULL && node->type == XML_TEXT_NODE && xmlIsBlankNode(node);
}

/* Put child behind the last child of parent, indented as the others are. */
static void add_indented(struct xml_doc *doc, xmlNode *parent, xmlNode *child)
{
    const xmlNode *first = parent->children;
    xmlNode *last = parent->last;
    if (!is_blank(first) || !is_blank(last) || first == last) {
        xmlAddChild(parent, child);
        return;
    }
    xmlAddPrevSibling(last, child);
    xmlNode *indent = xmlNewDocText(doc->tree, first->content);
    if (indent != NULL) /* without memory it is only less neat */
        xmlAddPrevSibling(child, indent);
}

int xml_add_child(struct xml_doc *doc, struct xml_node *element, const char *name,
                  struct xml_node **out)
{
    if (xmlValidateNCName((const xmlChar *)name, 0) != 0)
        return -EINVAL;
    xmlNode *child = xmlNewDocNode(doc->tree, NULL, (const xmlChar *)name, NULL);
    if (child == NULL)
        return -ENOMEM;
    child->line = inner(element)->line;
    add_indented(doc, inner(element), child);
    *out = outer(child);
    return 0;
}

void xml_remove(struct xml_doc *doc, struct xml_node *node)
{
    xmlNode *at = inner(node);
    xmlNode *before = at->prev;
    if (at->type == XML_ELEMENT_NODE && is_blank(before)) /* its indent goes with it */
        keep(doc, before);
    keep(doc, at);
}
