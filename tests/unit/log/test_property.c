/* SPDX-License-Identifier: MIT */
/*
 * Goal: streams can be listed, removed, asked what they are and given properties, of which some
 * apply; functions of the program's own and hooks get each line once; speculations are said or
 * forgotten; bytes are shown.
 * Method: streams on a pipe, functions that count.
 */
#include "said.h"

#include "log/outlet.h"

#include "base/alloc.h"

#include <errno.h>
#include <mtev_hash.h>

/* ---- streams --------------------------------------------------------------------- */

static void all_streams_are_listed(void **state)
{
    mtev_log_stream_t all[LOG_STREAMS_MAX];
    int before = mtev_log_list(all, LOG_STREAMS_MAX);
    mtev_log_stream_t made = mtev_log_stream_find("listed");
    int count = mtev_log_list(all, LOG_STREAMS_MAX), found = 0;
    assert_int_equal(count, before + 1);
    for (int i = 0; i < count; i++)
        found += all[i] == made || all[i] == mtev_error;
    assert_int_equal(found, 2);
    assert_int_equal(mtev_log_list(all, count), count);
    assert_int_equal(mtev_log_list(all, count - 1), -count);
    assert_int_equal(mtev_log_list(NULL, 0), -count);
}

static void a_removed_stream_says_nothing_until_it_is_made_again(void **state)
{
    mtev_log_stream_t top = mtev_log_stream_find("above");
    mtev_log_stream_t ls = mtev_log_stream_find("gone");
    mtev_log_stream_add_stream(top, ls);
    mtev_log_stream_add_stream(ls, said_stream);
    mtevL(top, "heard\n");
    assert_string_equal(said(), "heard\n");
    mtev_log_stream_remove("gone");
    assert_false(mtev_log_stream_exists("gone"));
    assert_false(N_L_S_ON(ls));
    assert_false(N_L_S_ON(top));
    assert_null(mtev_log_stream_remove_stream(top, "gone"));
    for (int i = 0; i < 2 * LOG_STREAMS_MAX; i++) { /* it costs nothing to do so again and again */
        assert_ptr_equal(mtev_log_stream_find("gone"), ls);
        mtev_log_stream_remove("gone");
    }
    mtev_log_stream_remove("error");
    assert_true(mtev_log_stream_exists("error"));
    mtev_log_stream_remove("never there");
    mtev_log_stream_remove(NULL);
}

static void a_stream_tells_what_it_is(void **state)
{
    static int mine;
    mtev_log_stream_t ls = mtev_log_stream_new("tell \"me\"", "memory", "1,2", &mine, NULL);
    mtev_log_stream_add_stream(ls, said_stream);
    assert_string_equal(mtev_log_stream_get_name(ls), "tell \"me\"");
    assert_string_equal(mtev_log_stream_get_type(ls), "memory");
    assert_string_equal(mtev_log_stream_get_path(ls), "1,2");
    assert_ptr_equal(mtev_log_stream_get_ctx(ls), &mine);
    mtev_log_stream_set_ctx(ls, state);
    assert_ptr_equal(mtev_log_stream_get_ctx(ls), state);
    char *json = mtev_log_stream_to_json(ls);
    assert_string_equal(json, "{\"name\":\"tell \\\"me\\\"\",\"enabled\":true,\"debug\":false,"
                              "\"timestamps\":false,\"facility\":false,\"type\":\"memory\","
                              "\"path\":\"1,2\",\"written\":0,\"lost\":0,\"outlets\":[\"said\"]}");
    free(json);
    mtev_log_stream_close(ls);
    assert_null(mtev_log_stream_get_type(ls));
    assert_null(mtev_log_stream_get_path(NULL));
    assert_null(mtev_log_stream_get_name(NULL));
    assert_null(mtev_log_stream_get_ctx(NULL));
    assert_null(mtev_log_stream_to_json(NULL));
    mtev_log_stream_set_ctx(NULL, NULL);
}

static void properties_are_kept(void **state)
{
    char name[PATH_MAX];
    mtev_log_stream_set_property(said_stream, "colour", "red");
    mtev_log_stream_set_property(said_stream, "shape", "round");
    assert_string_equal(mtev_log_stream_get_property(said_stream, "colour"), "red");
    mtev_log_stream_set_property(said_stream, "colour", "blue");
    assert_string_equal(mtev_log_stream_get_property(said_stream, "colour"), "blue");
    mtev_log_stream_set_property(said_stream, "colour", NULL);
    assert_null(mtev_log_stream_get_property(said_stream, "colour"));
    assert_string_equal(mtev_log_stream_get_property(said_stream, "shape"), "round");
    assert_null(mtev_log_stream_get_property(said_stream, "weight"));
    assert_null(mtev_log_stream_get_property(NULL, "shape"));
    mtev_log_stream_set_property(NULL, "shape", "flat");
    mtev_log_stream_t many = mtev_log_stream_new("error", NULL, NULL, NULL, NULL);
    assert_ptr_equal(many, mtev_error);
    mtev_log_stream_add_stream(mtev_error, said_stream);
    for (int i = 0; i <= 64; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        mtev_log_stream_set_property(mtev_notice, name, "x");
    }
    assert_string_equal(said(), "log notice: property p64=\"x\": No space left on device\n");
    memset(name, 'n', 300);
    name[256] = '\0';
    mtev_log_stream_set_property(mtev_debug, name, "x");
    assert_null(mtev_log_stream_get_property(mtev_debug, name));
    assert_non_null(strstr(said(), "No space left"));
    name[255] = '\0';
    mtev_log_stream_set_property(mtev_debug, name, "x");
    assert_string_equal(mtev_log_stream_get_property(mtev_debug, name), "x");
}

static void check_limit(const char *name, const char *value, bool is_possible)
{
    mtev_log_stream_t ls = mtev_log_stream_find("limited");
    mtev_log_stream_set_property(ls, name, NULL);
    mtev_log_stream_set_property(ls, name, value);
    if ((mtev_log_stream_get_property(ls, name) != NULL) != is_possible)
        fail_msg("%s=%s", name, value);
    assert_int_equal(strlen(said()) == 0, is_possible);
}

static void numbers_have_bounds(void **state)
{
    static const struct {
        const char *name, *below, *least, *most, *above;
    } cases[] = {
        {"rotate_seconds", "599", "600", "315360000", "315360001"},
        {"rotate_bytes", "102399", "102400", "1125899906842624", "1125899906842625"},
        {"retain_seconds", "-1", "1", "315360000", "315360001"},
        {"retain_bytes", "-1", "1", "1125899906842624", "1125899906842625"},
        {"dedup_seconds", "-1", "1", "86400", "86401"},
        {"queue_bytes", "65535", "65536", "1073741824", "1073741825"},
    };
    assert_non_null(mtev_log_stream_new("limited", "memory", "1,1", NULL, NULL));
    mtev_log_stream_add_stream(mtev_error, said_stream);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_limit(cases[i].name, cases[i].below, false);
        check_limit(cases[i].name, cases[i].least, true);
        check_limit(cases[i].name, cases[i].most, true);
        check_limit(cases[i].name, cases[i].above, false);
        check_limit(cases[i].name, "0", true);
        check_limit(cases[i].name, "1x", false);
    }
    mtev_log_stream_close(mtev_log_stream_find("limited"));
}

static void options_are_properties(void **state)
{
    mtev_hash_table options = MTEV_HASH_EMPTY;
    mtev_hash_dict_store(&options, "queue_bytes", "65536");
    mtev_hash_dict_store(&options, "colour", "red");
    mtev_log_stream_t ls = mtev_log_stream_new("options", "file", "/dev/null", NULL, &options);
    assert_string_equal(mtev_log_stream_get_property(ls, "colour"), "red");
    assert_string_equal(mtev_log_stream_get_property(ls, "queue_bytes"), "65536");
    mtev_hash_destroy(&options, free, free);
    mtev_log_stream_close(ls);
}

/* ---- functions of the program's own ---------------------------------------------- */

static char given[1024];
static int opened, closed, reopened, renamed, culled;

static int open_own(mtev_log_stream_t ls)
{
    opened++;
    errno = EACCES;
    return strcmp(mtev_log_stream_get_name(ls), "own refused") == 0 ? -1 : 0;
}

static int write_own(mtev_log_stream_t ls, const struct timeval *when, const void *bytes,
                     size_t len)
{
    size_t at = strlen(given);
    snprintf(given + at, sizeof(given) - at, "%s:%.*s", (const char *)mtev_log_stream_get_ctx(ls),
             (int)len, (const char *)bytes);
    mtevL(ls, "and this does not come back\n");
    return strstr(given, "refuse") != NULL ? -1 : (int)len;
}

static int count_close(mtev_log_stream_t ls)
{
    return closed++, 0;
}

static int count_reopen(mtev_log_stream_t ls)
{
    return reopened++, 0;
}

static size_t own_size(mtev_log_stream_t ls)
{
    return 77;
}

static int count_rename(mtev_log_stream_t ls, const char *name)
{
    return renamed++, 0;
}

static int count_cull(mtev_log_stream_t ls, int age, ssize_t bytes)
{
    return culled++, -1;
}

static logops_t own = {.openop = open_own,
                       .writeop = write_own,
                       .closeop = count_close,
                       .reopenop = count_reopen,
                       .sizeop = own_size,
                       .renameop = count_rename,
                       .cullop = count_cull};
static logops_t second;

static void functions_of_ones_own_get_lines(void **state)
{
    char text[] = "mine";
    mtev_register_logops("own", &own);
    mtev_register_logops("own", &second); /* too late */
    mtev_register_logops("file", &second);
    mtev_register_logops(NULL, &second);
    mtev_log_stream_t ls = mtev_log_stream_new("own stream", "own", NULL, text, NULL);
    assert_non_null(ls);
    mtev_log_stream_set_flags(ls, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_FACILITY);
    mtevL(ls, "one\n");
    assert_string_equal(given, "mine:[own stream] one\n");
    assert_int_equal(mtev_log(ls, NULL, "f", 1, "refuse\n"), -1);
    assert_int_equal(log_stream_lost(ls), 1);
    assert_int_equal(mtev_log_stream_reopen(ls), 0);
    assert_int_equal(mtev_log_reopen_type("own"), 0);
    assert_int_equal(mtev_log_stream_size(ls), 77);
    assert_int_equal(mtev_log_stream_rename(ls, "x"), 0);
    assert_int_equal(mtev_log_stream_cull(ls, 1, 1), -1);
    assert_int_equal(log_flush(1), 0);
    mtev_log_stream_close(ls);
    assert_int_equal(opened * 10000 + closed * 1000 + reopened * 100 + renamed * 10 + culled,
                     11211);
    assert_null(mtev_log_stream_new("own refused", "own", NULL, text, NULL));
    assert_int_equal(errno, EACCES);
    assert_false(N_L_S_ON(mtev_log_stream_find("own refused")));
}

static mtev_log_stream_t hooked;
static int plain_calls, line_calls;

static mtev_hook_return_t on_plain(void *closure, mtev_log_stream_t ls, const struct timeval *when,
                                   const char *text, size_t len)
{
    if (ls != hooked)
        return MTEV_HOOK_CONTINUE;
    plain_calls++;
    mtevL(hooked, "from the hook\n");
    return memmem(text, len, "secret", 6) != NULL ? MTEV_HOOK_ABORT : MTEV_HOOK_CONTINUE;
}

static mtev_hook_return_t on_line(void *closure, mtev_log_stream_t ls, const struct timeval *when,
                                  const char *file, int line, const char *text, size_t len)
{
    line_calls += ls == hooked && line > 0 && strstr(file, "test_property.c") != NULL;
    return MTEV_HOOK_CONTINUE;
}

static void hooks_see_each_line_and_may_keep_it(void **state)
{
    hooked = said_stream;
    assert_int_equal(mtev_log_plain_hook_register("test", on_plain, NULL), MTEV_HOOK_CONTINUE);
    assert_int_equal(mtev_log_line_hook_register("test", on_line, NULL), MTEV_HOOK_CONTINUE);
    mtevL(hooked, "open\n");
    mtevL(hooked, "a secret\n");
    assert_string_equal(said(), "from the hook\nopen\nfrom the hook\n");
    assert_int_equal(plain_calls, 2);
    assert_int_equal(line_calls, 2);
    hooked = NULL;
}

/* ---- speculation, bytes ---------------------------------------------------------- */

static void a_speculation_is_said_or_forgotten(void **state)
{
    const struct timeval when = {.tv_sec = 1000000000, .tv_usec = 5};
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    mtev_log_stream_set_flags(said_stream, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_TIMESTAMPS |
                                               MTEV_LOG_STREAM_FACILITY);
    mtev_log_stream_t spec = mtev_log_speculate(2, 1000);
    assert_true(N_L_S_ON(spec));
    for (int i = 0; i < 3; i++)
        mtevELT(spec, &when, MLKV(MLKV_STR("k", "v w"), MLKV_NUM("i", i), MLKV_END), "n %d\n", i);
    assert_string_equal(said(), "");
    mtev_log_speculate_finish(said_stream, spec);
    assert_string_equal(said(), "[2001-09-09 01:46:40.000005] [said] n 1 k=\"v w\" i=1\n"
                                "[2001-09-09 01:46:40.000005] [said] n 2 k=\"v w\" i=2\n");
    spec = mtev_log_speculate(2, 1000);
    mtevL(spec, "forgotten\n");
    mtev_log_speculate_finish(MTEV_LOG_SPECULATE_ROLLBACK, spec);
    assert_string_equal(said(), "");
    assert_null(mtev_log_speculate(0, 1));
    assert_null(mtev_log_speculate(1, 0));
    assert_int_equal(errno, EINVAL);
    mtev_log_speculate_finish(said_stream, NULL);
    mtev_log_speculate_finish(said_stream, mtev_error);
}

static void speculate_starved(void *closure)
{
    mtev_log_stream_t spec = mtev_log_speculate(3, 100);
    mtevEL(spec, MLKV(MLKV_STR("a", "b"), MLKV_END), "line\n");
    mtev_log_speculate_finish(said_stream, spec);
    char *json = mtev_log_stream_to_json(said_stream);
    free(json);
    mtev_log_stream_set_property(mtev_log_stream_find("starved"), "a", "b");
    mtev_log_stream_remove("starved");
}

static void no_memory_loses_a_speculation_only(void **state)
{
    harness_fail_each_allocation(speculate_starved, NULL);
    said();
}

static void bytes_are_shown(void **state)
{
    mtev_log_hexdump(said_stream, "Hello, world!\n\x01\xff+", 17, "%s %d", "packet", 7);
    assert_string_equal(
        said(), "packet 7: 17 bytes\n"
                "00000000  48 65 6c 6c 6f 2c 20 77 6f 72 6c 64 21 0a 01 ff  |Hello, world!...|\n"
                "00000010  2b                                               |+|\n");
    mtev_log_stream_set_flags(said_stream, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_DEBUG);
    mtev_log_hexdump_ex(said_stream, NULL, "x/y.c", 9, "", 0, NULL);
    assert_non_null(strstr(said(), ",y.c:9] : 0 bytes\n"));
    static const char zeros[LOG_HEXDUMP_MAX + 1];
    mtev_log_stream_t ring = mtev_log_stream_new("dumps", "memory", "10000,1000000", NULL, NULL);
    mtev_log_hexdump(ring, zeros, LOG_HEXDUMP_MAX - 1, "x");
    mtev_log_hexdump(ring, zeros, LOG_HEXDUMP_MAX, "x");
    mtev_log_hexdump(ring, zeros, LOG_HEXDUMP_MAX + 1, "x");
    mtev_log_hexdump(NULL, zeros, 1, "x");
    mtev_log_stream_close(ring);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, said_set_up, said_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(all_streams_are_listed),
    TEST(a_removed_stream_says_nothing_until_it_is_made_again),
    TEST(a_stream_tells_what_it_is),
    TEST(properties_are_kept),
    TEST(numbers_have_bounds),
    TEST(options_are_properties),
    TEST(functions_of_ones_own_get_lines),
    TEST(hooks_see_each_line_and_may_keep_it),
    TEST(a_speculation_is_said_or_forgotten),
    TEST(no_memory_loses_a_speculation_only),
    TEST(bytes_are_shown),
};
HARNESS_MAIN(tests)
