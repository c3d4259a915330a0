/* SPDX-License-Identifier: MIT */
/*
 * Goal: modules are loaded, told of their keys and begun, in the order of the configuration; one
 * that cannot be is one line and a failure, and the others go on.
 * Method: an image with modules of each kind (module.c), and configurations that name them.
 */
#include "configured.h"
#include "dies.h"

#include "base/alloc.h"
#include "main/dso.h"

#include <dlfcn.h>
#include <stdlib.h>

#define AT "test.conf:"

static char *calls; /* of the image: what was called */

MTEV_RUNTIME_RESOLVE(answer, module_answer, int, (int number), (number))
MTEV_RUNTIME_AVAIL(answer, module_answer)
MTEV_RUNTIME_RESOLVE(question, module_question, int, (int number), (number))
MTEV_RUNTIME_AVAIL(question, module_question)

/* Load modules as the stanzas say; returns how many more failures there are then. */
static int load(const char *attributes, const char *stanzas)
{
    char text[2048];
    int before = mtev_dso_load_failures();
    if (calls != NULL)
        calls[0] = '\0';
    snprintf(text, sizeof(text), "<test><modules %s>\n%s\n</modules></test>", attributes, stanzas);
    assert_int_equal(conf_load_text("test.conf", text), 0);
    assert_int_equal(mtev_dso_init(), 0);
    return mtev_dso_load_failures() - before;
}

#define IN_FOLDER "directory='" MODULE_FOLDER "'"

static void no_modules_are_no_failure(void **state)
{
    assert_int_equal(mtev_dso_init(), 0); /* nothing is configured at all */
    assert_int_equal(load("", ""), 0);
    assert_int_equal(load("directory=''", ""), 0);
    assert_int_equal(load("directory='/nonexistent'", ""), 0);
    assert_false(answer_available());
}

static void what_is_wrong_is_one_line_and_a_failure(void **state)
{
    static const struct {
        const char *attributes, *stanza, *line;
    } cases[] = {
        {IN_FOLDER, "<generic name='first'/>", AT "2: <generic> has no image\n"},
        {IN_FOLDER, "<generic image='test_module'/>", AT "2: <generic> has no name\n"},
        {"", "<generic image='test_module' name='first'/>",
         AT "2: <generic> image=\"test_module\": it is below no <modules directory=\"/...\">\n"},
        {"directory='modules'", "<generic image='test_module' name='first'/>",
         AT "2: <generic> image=\"test_module\": it is below no <modules directory=\"/...\">\n"},
        {"directory='/nonexistent'", "<generic image='test_module' name='first'/>",
         AT "2: <generic> image=\"test_module\": /nonexistent/test_module.so: "},
        {IN_FOLDER, "<generic image='test_module' name='third'/>",
         AT "2: <generic> name=\"third\": the image has no such variable\n"},
        {IN_FOLDER, "<generic image='test_module' name='stranger'/>",
         AT "2: <generic> name=\"stranger\": the variable is no module\n"},
        {IN_FOLDER, "<generic image='test_module' name='outdated'/>",
         AT "2: <generic> name=\"outdated\": the module is made for another version of the "
            "library\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(load(cases[i].attributes, cases[i].stanza), 1);
        assert_logged_one_line(cases[i].line);
    }
}

/* The keys that a module was given, which it has left in its image. */
static mtev_hash_table *keys_of(const char *name)
{
    mtev_dso_generic_t *generic = dlsym(RTLD_DEFAULT, name);
    assert_non_null(generic);
    return generic->hdr.opaque_handle;
}

static void end_keys(const char *name)
{
    mtev_hash_table *keys = keys_of(name);
    mtev_hash_destroy(keys, free, free);
    free(keys);
}

static void a_module_may_depend_on_the_environment(void **state)
{
    unsetenv("TEST_DSO");
    assert_int_equal(
        load(IN_FOLDER " require_env='TEST_DSO'", "<generic image='test_module' name='empty'/>"),
        0);
    assert_int_equal(
        load(IN_FOLDER, "<generic image='test_module' name='empty' require_env='TEST_DSO=1'/>"), 0);
    assert_false(answer_available());
}

static void note_name(const mtev_image_t *image, void *closure)
{
    strncat(closure, image->name, 20);
    strncat(closure, ",", 2);
}

static void modules_begin_in_their_order_and_once(void **state)
{
    char names[100] = "";
    const char *stanzas =
        "<config><a>1</a><b>2</b></config>"
        "<generic image='test_module' name='empty'/>"
        "<generic image='test_module.so' name='first'><config><b>3</b></config></generic>"
        "<generic image='" MODULE_FOLDER "/test_module' name='second'/>";
    assert_int_equal(load(IN_FOLDER, stanzas), 0);
    calls = dlsym(RTLD_DEFAULT, "module_calls");
    assert_non_null(calls);
    assert_string_equal(calls, "first onload\nfirst config\nfirst init\n"
                               "second onload\nsecond init\n");
    assert_string_equal(mtev_hash_dict_get(keys_of("first"), "a"), "1");
    assert_string_equal(mtev_hash_dict_get(keys_of("first"), "b"), "3");
    assert_int_equal(mtev_hash_size(keys_of("first")), 2);
    assert_int_equal(load(IN_FOLDER, stanzas), 0);
    assert_string_equal(calls, "");
    dso_each(note_name, names);
    assert_string_equal(names, "empty,first,second,");
    end_keys("first");
}

static void a_module_that_fails_does_not_stop_others(void **state)
{
    assert_int_equal(load(IN_FOLDER, "<generic image='test_module' name='not_loading'/>\n"
                                     "<generic image='test_module' name='not_configured'/>\n"
                                     "<generic image='test_module' name='not_beginning'/>\n"
                                     "<generic image='test_module' name='first'/>"),
                     3);
    assert_string_equal(calls, "not_loading onload\nnot_configured onload\nnot_configured config\n"
                               "not_beginning onload\nnot_beginning init\n");
    assert_logged_lines(
        AT "2: <generic> name=\"not_loading\": the module cannot be used: its onload failed\n" AT
           "3: <generic> name=\"not_configured\": the module refuses its configuration\n" AT
           "4: <generic> name=\"not_beginning\": the module cannot be used: its init failed\n");
    end_keys("not_configured");
}

static void what_a_module_offers_is_found_when_it_is_there(void **state)
{
    assert_true(answer_available());
    assert_true(answer_available());
    assert_int_equal(answer(41), 42);
    assert_int_equal(answer(1), 2);
    assert_false(question_available());
}

static void ask(void)
{
    (void)question(1);
}

static void to_call_what_is_nowhere_ends_the_process(void **state)
{
    assert_dies(ask, SIGABRT, "module_question: no module that is loaded has it");
}

static mtev_hook_return_t count_one(void *closure)
{
    ++*(int *)closure;
    return MTEV_HOOK_ABORT;
}

static void what_comes_after_all_is_called_once(void **state)
{
    static int count;
    assert_int_equal(dso_post_init_hook_register("count", count_one, &count), MTEV_HOOK_CONTINUE);
    assert_int_equal(mtev_dso_post_init(), -1);
    assert_int_equal(count, 1);
    assert_int_equal(mtev_dso_post_init(), 0);
    assert_int_equal(count, 1);
}

static void load_without_memory(void *closure)
{
    static const char text[] = "<test><modules " IN_FOLDER "><generic image='test_module' "
                               "name='not_configured'/></modules></test>";
    if (conf_load_text("test.conf", text) == 0) {
        int before = mtev_dso_load_failures();
        keys_of("not_configured"); /* it is loaded already, and stays so */
        ((mtev_dso_generic_t *)dlsym(RTLD_DEFAULT, "not_configured"))->hdr.opaque_handle = NULL;
        assert_int_equal(mtev_dso_init(), 0);
        assert_in_range(mtev_dso_load_failures() - before, 0, 1);
        mtev_hash_table *keys = keys_of("not_configured");
        if (strstr(calls, "not_configured config") != NULL && keys != NULL)
            end_keys("not_configured");
        calls[0] = '\0';
    }
    conf_unload();
    logged_clear();
}

static void each_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(load_without_memory, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(to_call_what_is_nowhere_ends_the_process), /* as long as errors go to stderr */
    configured_test(no_modules_are_no_failure),
    configured_test(what_is_wrong_is_one_line_and_a_failure),
    configured_test(a_module_may_depend_on_the_environment),
    configured_test(modules_begin_in_their_order_and_once),
    configured_test(a_module_that_fails_does_not_stop_others),
    configured_test(what_a_module_offers_is_found_when_it_is_there),
    configured_test(what_comes_after_all_is_called_once),
    configured_test(each_allocation_may_fail),
};

HARNESS_MAIN(tests)
