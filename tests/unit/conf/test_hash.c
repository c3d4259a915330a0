/* SPDX-License-Identifier: MIT */
/*
 * Goal: the keys of a <config> are merged from the root to the leaf, with what they inherit and
 * what is included, as a table or one by one.
 * Method: built-in configurations, and tables turned into one sorted line.
 */
#include "configured.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char text[] =
    "<app xmlns:x='x' xmlns:y='y'>\n"
    "<shelf><bin id='base'><a>base</a><z>base</z></bin>\n"
    "<bin id='more' inherit='base'><a>more</a><m>more</m></bin></shelf>\n"
    "<config><a>root</a><r>root</r><x:p>1</x:p><x:q>1</x:q></config>\n"
    "<b><config inherit='more'><r>own</r><w>{{ENV:d:{HASH_TEST}}}</w><x:p>2</x:p></config>\n"
    "<c><config><a>leaf</a></config></c></b>\n"
    "<bad><config><g>1</g><h>{{f:1:{k}}}</h></config></bad>\n"
    "<gone><config inherit='nobody'><g>1</g></config></gone>\n"
    "<round><config id='ring' inherit='ring'/></round>\n"
    "</app>";

static int set_up(void **state)
{
    logged_set_up(state);
    unsetenv("HASH_TEST");
    assert_int_equal(conf_load_text("t", text), 0);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Write the table (taken) as "a=1 b=2 " into line. */
static void write_table(mtev_hash_table *table, char *line, size_t size)
{
    const char *names[64];
    size_t count = 0, len = 0;
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    assert_non_null(table);
    while (mtev_hash_adv(table, &iter))
        names[count++] = iter.key.str;
    qsort(names, count, sizeof(names[0]), compare);
    line[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(line + len, size - len, "%s=%s ", names[i],
                                mtev_hash_dict_get(table, names[i]));
    mtev_hash_destroy(table, free, free);
    free(table);
}

static void assert_hash(const char *path, const char *wanted)
{
    char line[256];
    mtev_conf_section_t section = mtev_conf_get_section_read(MTEV_CONF_ROOT, path);
    write_table(mtev_conf_get_hash(section, "config"), line, sizeof(line));
    assert_string_equal(line, wanted);
    mtev_conf_release_section_read(section);
}

static void outer_keys_then_inherited_then_own(void **state)
{
    assert_hash("self::app", "a=root r=root ");
    assert_hash("b", "a=more m=more r=own w=d z=base ");
    assert_hash("b/c", "a=leaf m=more r=own w=d z=base ");
    assert_hash("shelf", "a=root r=root ");
}

static void there_is_always_a_table(void **state)
{
    char line[256];
    write_table(mtev_conf_get_hash(MTEV_CONF_EMPTY, "config"), line, sizeof(line));
    assert_string_equal(line, "");
    write_table(mtev_conf_get_hash(MTEV_CONF_ROOT, "nothing"), line, sizeof(line));
    assert_string_equal(line, "");
}

static void a_value_that_cannot_be_read_is_left_out(void **state)
{
    assert_hash("bad", "a=root g=1 r=root ");
    assert_logged_lines("t:7: <h> \"{{f:1:{k}}}\": \"f\" is no facility (ENV, hwloc)\n");
}

static void what_is_inherited_must_be_there_and_end(void **state)
{
    assert_hash("gone", "a=root r=root ");
    assert_logged_lines("t:8: <config> inherit=\"nobody\": no element has that id\n");
    assert_hash("round", "a=root r=root ");
    assert_logged_lines(
        "t:9: <config> inherit=\"ring\": elements inherit from each other too deep\n");
}

static void names_have_spaces_of_their_own(void **state)
{
    char line[256];
    mtev_conf_section_t b = mtev_conf_get_section_read(MTEV_CONF_ROOT, "b");
    write_table(mtev_conf_get_namespaced_hash(b, "config", "x"), line, sizeof(line));
    assert_string_equal(line, "p=2 q=1 ");
    assert_null(mtev_conf_get_namespaced_hash(b, "config", "y"));
    assert_null(mtev_conf_get_namespaced_hash(b, "nothing", "x"));
    mtev_conf_release_section_read(b);
}

static int collect(void *closure, mtev_conf_section_t key, const char *name, const char *value)
{
    conf_error(key, "%s=%s", name, value);
    return 0;
}

static void a_key_knows_its_place(void **state)
{
    mtev_conf_section_t section = mtev_conf_get_section_read(MTEV_CONF_ROOT, "b/c");
    assert_int_equal(conf_each_key(section, "config", collect, NULL), 0);
    assert_logged_lines("t:6: a=leaf\nt:5: r=own\nt:2: z=base\nt:3: m=more\nt:5: w=d\n");
    mtev_conf_release_section_read(section);
}

/* A chain of elements that inherit, of that length. */
static void check_chain(unsigned length, bool is_right)
{
    char line[256];
    struct buf made;
    buf_init(&made, 1 << 16);
    assert_int_equal(buf_appendf(&made, "<app><config inherit='1'/>"), 0);
    for (unsigned i = 1; i <= length; i++)
        assert_int_equal(buf_appendf(&made, "<e id='%u' %s='%u'><k>%u</k></e>", i,
                                     i < length ? "inherit" : "last", i + 1, i),
                         0);
    assert_int_equal(buf_append(&made, "</app>", 7), 0);
    assert_int_equal(conf_load_text("t", made.bytes), 0);
    write_table(mtev_conf_get_hash(MTEV_CONF_ROOT, "config"), line, sizeof(line));
    assert_string_equal(line, is_right ? "k=1 " : "");
    if (!is_right)
        assert_logged_one_line("t:1: <e> inherit=\"9\": elements inherit from each other too deep");
    buf_free(&made);
}

static void elements_inherit_only_so_deep(void **state)
{
    check_chain(CONF_INHERIT_DEPTH_MAX - 1, true);
    check_chain(CONF_INHERIT_DEPTH_MAX, true);
    check_chain(CONF_INHERIT_DEPTH_MAX + 1, false);
}

static void make_table(void *closure)
{
    char line[256];
    mtev_conf_section_t c = mtev_conf_get_section_read(MTEV_CONF_ROOT, "b/c");
    mtev_hash_table *table = mtev_conf_get_hash(c, "config");
    if (table != NULL) {
        write_table(table, line, sizeof(line));
        if (!mtev_conf_section_is_empty(c))
            assert_string_equal(line, "a=leaf m=more r=own w=d z=base ");
    }
    mtev_conf_release_section_read(c);
    logged_clear();
}

static void no_memory_is_no_table(void **state)
{
    harness_fail_each_allocation(make_table, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, configured_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(outer_keys_then_inherited_then_own),      TEST(there_is_always_a_table),
    TEST(a_value_that_cannot_be_read_is_left_out), TEST(what_is_inherited_must_be_there_and_end),
    TEST(names_have_spaces_of_their_own),          TEST(a_key_knows_its_place),
    TEST(elements_inherit_only_so_deep),           TEST(no_memory_is_no_table),
};
HARNESS_MAIN(tests)
