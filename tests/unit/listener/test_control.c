/* SPDX-License-Identifier: MIT */
/*
 * Goal: the first four bytes of a connection choose who serves it, however they arrive; who has no
 * delegate, or goes before, is closed.
 * Method: a listener of the type control_dispatch, and one of a callback that calls its function.
 */
#include "listening.h"

#include "base/alloc.h"

#define WORD_TELL  0x54454c4cu /* "TELL" */
#define WORD_OTHER 0x4f544852u /* "OTHR" */

static int answer(eventer_t e, void *closure, const char *text)
{
    int ignored, len = (int)strlen(text);
    check((uint32_t)strlen(text) == 4 && mtev_acceptor_closure_cmd(closure) != 0);
    check_int(eventer_write(e, text, (size_t)len, &ignored), len);
    eventer_remove_fde(e);
    eventer_close(e, &ignored);
    return 0;
}

static int tell(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)mask, (void)now;
    check_int(mtev_acceptor_closure_cmd(closure), WORD_TELL);
    check(eventer_get_callback(e) == tell);
    return answer(e, closure, "told");
}

static int tell_other(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)mask, (void)now;
    return answer(e, closure, "othr");
}

static int own_dispatch(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(mtev_acceptor_closure_dispatch(closure) == own_dispatch);
    return mtev_control_dispatch(e, mask, closure, now);
}

static void assert_answer(const char *sent, size_t split, const char *wanted)
{
    char text[16];
    int fd = connect_to(listening_on);
    assert_int_equal(send(fd, sent, split, MSG_NOSIGNAL), (ssize_t)split);
    settle_all();
    if (sent[split] != '\0')
        assert_int_equal(send(fd, sent + split, strlen(sent) - split, MSG_NOSIGNAL),
                         (ssize_t)(strlen(sent) - split));
    shutdown(fd, SHUT_WR);
    read_all(fd, text, sizeof(text));
    assert_string_equal(text, wanted);
    assert_checks();
}

static void a_word_chooses_its_delegate(void **state)
{
    (void)state;
    assert_int_equal(
        listen_to("<listener type='control_dispatch' address='127.0.0.1' port='0'/>", true), 0);
    mtev_control_dispatch_delegate(mtev_control_dispatch, WORD_TELL, tell);
    for (size_t split = 1; split <= 4; split++)
        assert_answer("TELL", split, "told");
    assert_answer("OTHR", 4, "");
    assert_answer("TEL", 3, "");
    assert_answer("tell", 4, "");
    mtev_control_dispatch_delegate(mtev_control_dispatch, WORD_OTHER, tell);
    mtev_control_dispatch_delegate(mtev_control_dispatch, WORD_OTHER, tell_other); /* replaces */
    assert_answer("OTHR", 4, "othr");
    assert_nothing_logged();
}

static void callbacks_have_words_of_their_own(void **state)
{
    (void)state;
    eventer_name_callback("own", own_dispatch);
    assert_int_equal(listen_to("<listener type='own' address='127.0.0.1' port='0'/>", true), 0);
    mtev_control_dispatch_delegate(own_dispatch, WORD_OTHER, tell_other);
    assert_answer("OTHR", 4, "othr");
    assert_answer("TELL", 4, "");
}

static void all_words_can_be_listed(void **state)
{
    (void)state;
    eventer_func_t dispatch = own_dispatch;
    uint32_t word = WORD_OTHER;
    mtev_hash_table *words =
        mtev_hash_get(mtev_listener_commands(), (const char *)&dispatch, sizeof(dispatch));
    assert_non_null(words);
    assert_int_equal(mtev_hash_size(words), 1);
    assert_ptr_equal(mtev_hash_get(words, (const char *)&word, sizeof(word)),
                     (void *)(uintptr_t)tell_other);
    mtev_control_dispatch_delegate(NULL, WORD_OTHER, tell);
    mtev_control_dispatch_delegate(own_dispatch, WORD_TELL, NULL);
    assert_logged(2, ": Invalid argument\n");
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    return 0;
}

static void delegate_without_memory(void *closure)
{
    (void)closure;
    mtev_control_dispatch_delegate(never, WORD_TELL, tell);
}

static void without_memory_it_is_a_line(void **state)
{
    (void)state;
    harness_fail_each_allocation(delegate_without_memory, NULL);
    assert_true(logged("Cannot allocate memory\n") >= 1);
    logged_clear();
}

static void all_are_closed_again(void **state)
{
    (void)state;
    assert_int_equal(listen_to("<listener/>", true), -EINVAL);
    logged_clear();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_word_chooses_its_delegate),
    cmocka_unit_test(callbacks_have_words_of_their_own),
    cmocka_unit_test(all_words_can_be_listed),
    cmocka_unit_test(without_memory_it_is_a_line),
    cmocka_unit_test(all_are_closed_again),
};

int main(void)
{
    listening_begin(2);
    eventer_loop_return();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
