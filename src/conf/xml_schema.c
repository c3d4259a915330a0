/* SPDX-License-Identifier: MIT */
/*
 * xml_schema.c - documents against RELAX NG schemas.
 */
#include "conf/xml_impl.h"

#include <errno.h>
#include <libxml/relaxng.h>
#include <limits.h>
#include <mtev_defines.h>
#include <stdio.h>
#include <string.h>

struct validation {
    const struct xml_doc *doc;
    void (*tell)(void *closure, const char *file, long line, const char *what);
    void *closure;
};

static void ignore(void *closure, xmlError *error)
{
    (void)closure; /* that the schema is wrong is what xml_validate() returns */
    (void)error;
}

static void on_error(void *closure, xmlError *error)
{
    const struct validation *validation = closure;
    struct xml_node *node = error->node;
    char text[XML_REASON_SIZE];
    snprintf(text, sizeof(text), "%s", error->message == NULL ? "?" : error->message);
    text[strcspn(text, "\n")] = '\0';
    validation->tell(validation->closure,
                     node == NULL ? validation->doc->name : xml_file(validation->doc, node),
                     node == NULL ? error->line : xml_line(node), text);
}

int xml_validate(struct xml_doc *doc, const char *schema, size_t len,
                 void (*tell)(void *closure, const char *file, long line, const char *what),
                 void *closure)
{
    struct validation validation = {doc, tell, closure};
    int err = -EINVAL;
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewMemParserCtxt(schema, (int)MIN(len, INT_MAX));
    if (parser == NULL)
        return -ENOMEM;
    xmlRelaxNGSetParserStructuredErrors(parser, ignore, NULL);
    xmlRelaxNG *rules = xmlRelaxNGParse(parser);
    xmlRelaxNGFreeParserCtxt(parser);
    if (rules == NULL)
        return err;
    xmlRelaxNGValidCtxt *validator = xmlRelaxNGNewValidCtxt(rules);
    if (validator == NULL) {
        err = -ENOMEM;
        goto fail;
    }
    xmlRelaxNGSetValidStructuredErrors(validator, on_error, &validation);
    err = xmlRelaxNGValidateDoc(validator, doc->tree) < 0 ? -EINVAL : 0;
    xmlRelaxNGFreeValidCtxt(validator);
fail:
    xmlRelaxNGFree(rules);
    return err;
}
