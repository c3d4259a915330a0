/* SPDX-License-Identifier: MIT */
/*
 * Goal: well-formed text becomes a document that answers paths in order; whatever else it is
 * becomes the first fault with its line; nothing is fetched or expanded. Method: small texts, each
 * wrong in one way, and texts at the limits.
 */
#include "harness.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "conf/xml.h"

#include <errno.h>
#include <string.h>

static struct xml_doc *parse(const char *text)
{
    struct xml_doc *doc = NULL;
    struct xml_error error;
    assert_int_equal(xml_parse("test", text, strlen(text), &doc, &error), 0);
    return doc;
}

static void assert_fails(const char *text, long line, const char *reason)
{
    struct xml_doc *doc = NULL;
    struct xml_error error;
    assert_int_equal(xml_parse("test", text, strlen(text), &doc, &error), -EINVAL);
    assert_null(doc);
    assert_int_equal(error.line, line);
    assert_null(strchr(error.reason, '\n'));
    if (reason != NULL)
        assert_string_equal(error.reason, reason);
}

static void finds_in_the_order_of_the_document(void **state)
{
    struct xml_doc *doc = parse("<a x='1'>\n<b x='2'>t<c x='3'/>u</b>\n</a>");
    struct xml_node **nodes;
    size_t count;
    char *text;
    assert_string_equal(xml_name(doc), "test");
    assert_string_equal(xml_node_name(xml_root(doc)), "a");
    assert_int_equal(xml_find(doc, xml_root(doc), "b/c", &nodes, &count), 0);
    assert_int_equal(count, 1);
    assert_true(xml_is_element(nodes[0]));
    struct xml_node *c = nodes[0];
    alloc_free(nodes);
    assert_int_equal(xml_find(doc, c, "ancestor-or-self::node()/@x", &nodes, &count), 0);
    assert_int_equal(count, 3);
    assert_false(xml_is_element(nodes[2]));
    assert_ptr_equal(xml_element(nodes[2]), c);
    assert_int_equal(xml_line(nodes[2]), 2);
    assert_int_equal(xml_text(doc, nodes[2], &text), 0);
    assert_string_equal(text, "3");
    alloc_free(text);
    alloc_free(nodes);
    xml_release(doc);
}

static void the_text_of_an_element_is_all_text_in_it(void **state)
{
    struct xml_doc *doc = parse("<a>x &lt;<!-- not this --><b>y</b><![CDATA[<z>]]></a>");
    char *text;
    assert_int_equal(xml_text(doc, xml_root(doc), &text), 0);
    assert_string_equal(text, "x <y<z>");
    alloc_free(text);
    xml_release(doc);
}

static void a_path_that_finds_nothing_or_is_none_is_told_apart(void **state)
{
    struct xml_doc *doc = parse("<a>text</a>");
    struct xml_node **nodes;
    size_t count;
    assert_int_equal(xml_find(doc, xml_root(doc), "b", &nodes, &count), -ENOENT);
    assert_int_equal(xml_find(doc, xml_root(doc), "text()", &nodes, &count), -ENOENT);
    assert_int_equal(xml_find(doc, xml_root(doc), "][", &nodes, &count), -EINVAL);
    assert_int_equal(xml_find(doc, xml_root(doc), "count(a)", &nodes, &count), -EINVAL);
    assert_int_equal(xml_find(doc, xml_root(doc), "unknown:b", &nodes, &count), -EINVAL);
    xml_release(doc);
}

static void encodings_are_read(void **state)
{
    struct xml_doc *doc = parse("<?xml version=\"1.0\" encoding=\"utf8\" standalone=\"yes\"?>\n"
                                "<a>\xc3\xa9</a>");
    char *text;
    assert_int_equal(xml_text(doc, xml_root(doc), &text), 0);
    assert_string_equal(text, "\xc3\xa9");
    alloc_free(text);
    xml_release(doc);
}

static void the_first_fault_is_told_with_its_line(void **state)
{
    assert_fails("", 1, NULL);
    assert_fails("no xml", 1, NULL);
    assert_fails("<a>\n<b>\n</a>\n", 3, "Opening and ending tag mismatch: b line 2 and a");
    assert_fails("<a>\n<b x='1' x='2'/>\n<c></a>", 2, "Attribute x redefined");
    assert_fails("<a>\n\n<b x=1/></a>", 3, NULL);
    assert_fails("<a/>\n<b/>", 2, NULL);
    assert_fails("<a>\n&unknown;</a>", 2, "Entity 'unknown' not defined");
    assert_fails("<a>\n\xff</a>", 2, NULL);
    assert_fails("<?xml version=\"1.0\" encoding=\"klingon\"?><a/>", 1, NULL);
}

static void document_types_and_so_entities_are_refused(void **state)
{
    static const char reason[] = "a <!DOCTYPE> is not accepted";
    assert_fails("<!DOCTYPE a>\n<a/>", 1, reason);
    assert_fails("\n\n<!DOCTYPE a SYSTEM \"file:///etc/passwd\">\n<a/>", 3, reason);
    assert_fails("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\n<a>&e;</a>", 1, reason);
    assert_fails("<!DOCTYPE a [<!ENTITY e \"eeee\"><!ENTITY f \"&e;&e;\">]><a b='&f;'/>", 1,
                 reason);
    assert_fails("<!DOCTYPE a [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;]><a/>", 1, reason);
}

/* Return the text of depth elements in each other; the caller frees it. */
static struct buf nested(size_t depth)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(buf_append(&text, "<a>\n", 4), 0);
    for (size_t i = 0; i < depth; i++)
        assert_int_equal(buf_append(&text, "</a>", 4), 0);
    return text;
}

static void check_depth(size_t depth, int wanted)
{
    struct buf text = nested(depth);
    struct xml_doc *doc = NULL;
    struct xml_error error = {0};
    assert_int_equal(xml_parse("test", text.bytes, text.len, &doc, &error), wanted);
    if (wanted != 0)
        assert_int_equal(error.line, depth < 1000 ? XML_DEPTH_MAX + 1 : error.line);
    xml_release(doc);
    buf_free(&text);
}

static void elements_nest_only_so_deep(void **state)
{
    check_depth(XML_DEPTH_MAX - 1, 0);
    check_depth(XML_DEPTH_MAX, 0);
    check_depth(XML_DEPTH_MAX + 1, -EINVAL);
    check_depth(20000, -EINVAL);
}

static void depth_is_counted_on_every_branch(void **state)
{
    struct xml_doc *doc = parse("<a><b><c/><c/></b>t<b/><b><c><d/></c></b><!-- c --></a>");
    xml_release(doc);
}

static void a_share_keeps_a_document(void **state)
{
    struct xml_doc *doc = parse("<a/>");
    struct xml_doc *share = xml_share(doc);
    xml_release(doc);
    assert_string_equal(xml_node_name(xml_root(share)), "a");
    xml_release(share);
    xml_release(NULL);
}

static void a_nul_byte_ends_in_an_error(void **state)
{
    static const char text[] = "<a>\n\0</a>";
    struct xml_doc *doc = NULL;
    struct xml_error error;
    assert_int_equal(xml_parse("test", text, sizeof(text) - 1, &doc, &error), -EINVAL);
}

static void use_document(void *closure)
{
    struct xml_doc *doc = NULL;
    struct xml_error error;
    struct xml_node **nodes;
    size_t count;
    char *text;
    if (xml_parse("test", "<a><b/></a>", 11, &doc, &error) != 0)
        return;
    int err = xml_find(doc, xml_root(doc), "b", &nodes, &count);
    assert_true(err == 0 || err == -ENOMEM);
    if (err == 0)
        alloc_free(nodes);
    err = xml_text(doc, xml_root(doc), &text);
    assert_true(err == 0 || err == -ENOMEM);
    if (err == 0)
        alloc_free(text);
    xml_release(doc);
}

static void no_memory_is_an_error(void **state)
{
    harness_fail_each_allocation(use_document, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(finds_in_the_order_of_the_document),
    cmocka_unit_test(the_text_of_an_element_is_all_text_in_it),
    cmocka_unit_test(a_path_that_finds_nothing_or_is_none_is_told_apart),
    cmocka_unit_test(encodings_are_read),
    cmocka_unit_test(the_first_fault_is_told_with_its_line),
    cmocka_unit_test(document_types_and_so_entities_are_refused),
    cmocka_unit_test(elements_nest_only_so_deep),
    cmocka_unit_test(depth_is_counted_on_every_branch),
    cmocka_unit_test(a_share_keeps_a_document),
    cmocka_unit_test(a_nul_byte_ends_in_an_error),
    cmocka_unit_test(no_memory_is_an_error),
};
HARNESS_MAIN(tests)
