/* SPDX-License-Identifier: MIT */
/*
 * Goal: a wait for an fd ends by readiness, time-out or close, whichever is first, for whoever
 * waits, and leaves nothing behind; who may not wait is told so.
 * Method: coroutines that wait, and others that time, close and free what they wait for, in
 * every order that can be arranged.
 */
#include "io_helpers.h"

#include <string.h>

static struct pair shared;

/* ---- time-outs ---- */

static void time_out(void *closure)
{
    static char large[65536];
    char byte = 0;
    struct timeval timeouts[] = {{0, 5000}, {0, 0}, {-1, 0}, {0, 1}};
    struct pair pair = pair_open(SOCK_STREAM);
    while (write(((eventer_t)pair.e)->fd, large, sizeof(large)) > 0)
        ; /* until it is full */
    for (size_t i = 0; i < 4; i++) {
        uint64_t begun_ns = clock_mono_ns();
        errno = 0;
        check_int(eventer_aco_read(pair.e, &byte, 1, &timeouts[i]), -1);
        check_int(errno, ETIME);
        check_int(errno, ETIMEDOUT);
        check(i != 0 || clock_mono_ns() - begun_ns >= 5 * CLOCK_NS_PER_MS);
        errno = 0;
        check_int(eventer_aco_write(pair.e, &byte, 1, &timeouts[i]), -1);
        check_int(errno, ETIME);
    }
    check_int(write(pair.peer, "x", 1), 1);
    check_int(eventer_aco_read(pair.e, &byte, 1, &timeouts[1]), 1); /* it is there already */
    pair_close(&pair);
}

static void a_wait_ends_after_its_time_out(void **state)
{
    in_coroutine(0, time_out, NULL);
}

static void accept_in_time(void *closure)
{
    struct sockaddr_in address;
    eventer_aco_t e = adopt(listen_on_loopback(&address));
    check_int(eventer_aco_accept(e, NULL, NULL, &(struct timeval){0, 1000}), -1);
    check_int(errno, ETIME);
    end_event(e);
}

static void an_accept_has_a_time_out_too(void **state)
{
    in_coroutine(0, accept_in_time, NULL);
}

static void use_default_timeouts(void *closure)
{
    static char large[65536];
    char byte = 0;
    struct timeval soon = {0, 1000}, later = {3600, 0};
    struct pair pair = pair_open(SOCK_STREAM);
    while (write(((eventer_t)pair.e)->fd, large, sizeof(large)) > 0)
        ;
    eventer_aco_set_read_timeout(pair.e, &soon);
    eventer_aco_set_write_timeout(pair.e, &soon);
    check_int(eventer_aco_read(pair.e, &byte, 1, NULL), -1);
    check_int(errno, ETIME);
    check_int(eventer_aco_write(pair.e, &byte, 1, NULL), -1);
    check_int(errno, ETIME);
    eventer_aco_set_read_timeout(pair.e, &later); /* the call's own goes before it */
    check_int(eventer_aco_read(pair.e, &byte, 1, &soon), -1);
    eventer_aco_set_read_timeout(pair.e, NULL);
    check_int(((eventer_t)pair.e)->timeouts->read_ns, 0);
    pair_close(&pair);

    struct sockaddr_in address;
    eventer_aco_t e = adopt(listen_on_loopback(&address));
    eventer_aco_set_accept_timeout(e, &soon);
    check_int(eventer_aco_accept(e, NULL, NULL, NULL), -1);
    check_int(errno, ETIME);
    end_event(e);
}

static void an_event_has_default_time_outs(void **state)
{
    in_coroutine(0, use_default_timeouts, NULL);
}

static void set_timeout_without_memory(void *closure)
{
    struct timeval soon = {0, 1000};
    struct pair pair = pair_open(SOCK_STREAM);
    alloc_fail_nth(1, 1);
    eventer_aco_set_read_timeout(pair.e, &soon);
    eventer_aco_set_write_timeout(pair.e, &soon);
    eventer_aco_set_accept_timeout(pair.e, &soon);
    alloc_fail_nth(0, 0);
    pair_close(&pair);
}

static void without_memory_a_default_time_out_is_not_set_and_logged(void **state)
{
    in_coroutine(0, set_timeout_without_memory, NULL);
    assert_logged(3, "the time-out is not set");
}

static void write_later(void)
{
    sleep_ms(1);
    check_int(write(shared.peer, "x", 1), 1);
}

static void read_before_the_time_out(void *closure)
{
    char byte;
    shared = pair_open(SOCK_STREAM);
    for (int i = 0; i < 20; i++) {
        eventer_aco_start(write_later, NULL);
        check_int(eventer_aco_read(shared.e, &byte, 1, &(struct timeval){3600, 0}), 1);
        check(!wheel_is_armed(&this_coroutine()->timer)); /* nothing is left of it */
    }
    pair_close(&shared);
}

static void a_time_out_that_was_not_needed_is_gone(void **state)
{
    in_coroutine(0, read_before_the_time_out, NULL);
}

/* ---- two at once, and a third ---- */

static _Atomic int reader_got, writer_got;

static void read_one(void)
{
    char byte;
    reader_got = eventer_aco_read(shared.e, &byte, 1, NULL);
    if (reader_got < 0)
        reader_got = -errno;
}

static void write_one(void)
{
    writer_got = eventer_aco_write(shared.e, "w", 1, NULL);
    if (writer_got < 0)
        writer_got = -errno;
}

static void fill(void)
{
    static char large[65536];
    while (write(((eventer_t)shared.e)->fd, large, sizeof(large)) > 0)
        ;
}

static void drain(void)
{
    static char large[65536];
    while (read(shared.peer, large, sizeof(large)) > 0)
        ;
}

static void open_with_reader_and_writer(void)
{
    shared = pair_open(SOCK_STREAM);
    fill();
    reader_got = writer_got = 99;
    eventer_aco_start(read_one, NULL);
    eventer_aco_start(write_one, NULL);
    check_int(reader_got, 99);
    check_int(writer_got, 99);
}

static void wait_twice_at_once(void *closure)
{
    char byte;
    open_with_reader_and_writer();
    check_int(eventer_aco_read(shared.e, &byte, 1, NULL), -1);
    check_int(errno, EBUSY);
    check_int(eventer_aco_accept(shared.e, NULL, NULL, NULL), -1);
    check_int(errno, EBUSY);
    check_int(eventer_aco_write(shared.e, "x", 1, NULL), -1);
    check_int(errno, EBUSY);
    check_int(write(shared.peer, "x", 1), 1);
    while (reader_got == 99)
        sleep_ms(1);
    check_int(reader_got, 1);
    check_int(writer_got, 99); /* each is woken by its own readiness */
    drain();
    while (writer_got == 99)
        sleep_ms(1);
    check_int(writer_got, 1);
    pair_close(&shared);
}

static void one_reads_while_another_writes_and_a_third_is_refused(void **state)
{
    in_coroutine(0, wait_twice_at_once, NULL);
}

/* ---- who else may not wait ---- */

static void use_in_another_loop(void *closure)
{
    char byte;
    struct timeval soon = {0, 1};
    check_int(eventer_aco_read(shared.e, &byte, 1, &soon), -1);
    check_int(errno, EXDEV);
    check_int(eventer_aco_write(shared.e, &byte, 1, &soon), -1);
    check_int(errno, EXDEV);
    check_int(eventer_aco_accept(shared.e, NULL, NULL, &soon), -1);
    check_int(errno, EXDEV);
}

static void use_plainly(void *closure)
{
    char byte;
    struct timeval later = {3600, 0};
    check_int(eventer_aco_read(shared.e, &byte, 1, &later), -1);
    check_int(errno, EAGAIN); /* a plain call, which does not wait */
    check_int(write(shared.peer, "x", 1), 1);
    check_int(eventer_aco_read(shared.e, &byte, 1, &later), 1);
    check_int(eventer_aco_write(shared.e, "y", 1, &later), 1);
    check_int(read(shared.peer, &byte, 1), 1);
    check_int(eventer_aco_accept(shared.e, NULL, NULL, &later), -1);
    check(errno == EOPNOTSUPP || errno == EINVAL);
}

static void open_shared(void *closure)
{
    shared = pair_open(SOCK_STREAM);
}

static void close_shared(void *closure)
{
    pair_close(&shared);
}

static void use_in_job(void *closure)
{
    eventer_aco_simple_asynch(use_plainly, NULL);
}

static void another_loop_is_refused_and_jobs_and_callbacks_do_not_wait(void **state)
{
    in_coroutine(0, open_shared, NULL);
    in_coroutine(1, use_in_another_loop, NULL);
    in_loop(1, use_in_another_loop, NULL);
    in_loop(0, use_plainly, NULL);
    in_coroutine(0, use_in_job, NULL);
    in_coroutine(0, close_shared, NULL);
    assert_logged(1, "ended with open events");
}

/* ---- closing ---- */

static void close_while_both_wait(void *closure)
{
    open_with_reader_and_writer();
    check_int(eventer_aco_close(shared.e), 0);
    check_int(reader_got, 99);  /* a close does not yield */
    eventer_aco_free(shared.e); /* they were told, and will not touch it */
    while (reader_got == 99 || writer_got == 99)
        sleep_ms(1);
    check_int(reader_got, -ECANCELED);
    check_int(writer_got, -ECANCELED);
    close(shared.peer);
}

static void a_close_wakes_reader_and_writer_with_ecanceled(void **state)
{
    in_coroutine(0, close_while_both_wait, NULL);
}

static void free_while_both_wait(void *closure)
{
    open_with_reader_and_writer();
    int fd = ((eventer_t)shared.e)->fd;
    eventer_aco_free(shared.e);
    while (reader_got == 99 || writer_got == 99)
        sleep_ms(1);
    check_int(reader_got, -ECANCELED);
    check_int(writer_got, -ECANCELED);
    check(eventer_find_fd(fd) == NULL);
    close(fd); /* a free leaves the fd open */
    close(shared.peer);
}

static void a_free_wakes_them_too(void **state)
{
    in_coroutine(0, free_while_both_wait, NULL);
}

/* They are woken in the dispatch of this turn, or by their timers; then, before they run, comes
 * this. */
static void wake_both_and_close(void *closure)
{
    eventer_t e = (eventer_t)shared.e;
    struct coro *reader = e->edge.reader, *writer = e->edge.writer;
    if (!check(reader != NULL && writer != NULL))
        return;
    int result = *(int *)closure;
    check(coro_wake(reader, reader->co.generation_, result));
    check(coro_wake(writer, writer->co.generation_, result));
    check_int(eventer_aco_close(shared.e), 0);
    eventer_aco_free(shared.e);
}

static void open_for_both(void *closure)
{
    open_with_reader_and_writer();
}

static void one_who_was_woken_already_does_not_touch_what_was_freed_since(void **state)
{
    int results[] = {0, -ETIMEDOUT};
    for (size_t i = 0; i < 2; i++) {
        in_coroutine(0, open_for_both, NULL);
        assert_logged(1, "ended with open events");
        in_loop(0, wake_both_and_close, &results[i]);
        settle(0);
        assert_int_equal(reader_got, -ECANCELED);
        assert_int_equal(writer_got, -ECANCELED);
        close(shared.peer);
    }
}

static void close_in_thread(void *closure)
{
    check_int(eventer_aco_close(shared.e), 0);
}

static void close_in_job(void *closure)
{
    open_with_reader_and_writer();
    eventer_aco_simple_asynch(close_in_thread, NULL);
    while (reader_got == 99 || writer_got == 99)
        sleep_ms(1);
    check_int(reader_got, -ECANCELED);
    check_int(writer_got, -ECANCELED);
    check_int(eventer_aco_close(shared.e), -1);
    check_int(errno, EBADFD);
    eventer_aco_free(shared.e);
    close(shared.peer);
}

static void a_job_may_close_what_a_loop_waits_for(void **state)
{
    in_coroutine(0, close_in_job, NULL);
}

static void close_in_thread_without_memory(void *closure)
{
    alloc_fail_nth(1, 0);
    check_int(eventer_aco_close(shared.e), -1);
    alloc_fail_nth(0, 0);
    check_int(errno, ENOMEM);
}

static void fail_to_close_in_job(void *closure)
{
    shared = pair_open(SOCK_STREAM);
    eventer_aco_simple_asynch(close_in_thread_without_memory, NULL);
    pair_close(&shared);
}

static void without_memory_a_job_cannot_close_and_is_told(void **state)
{
    in_coroutine(0, fail_to_close_in_job, NULL);
}

static void use_after_close(void *closure)
{
    char byte;
    struct pair pair = pair_open(SOCK_STREAM);
    check_int(eventer_aco_close(pair.e), 0);
    check_int(eventer_aco_read(pair.e, &byte, 1, NULL), -1);
    check_int(errno, EBADF);
    check_int(eventer_aco_write(pair.e, &byte, 1, NULL), -1);
    check_int(errno, EBADF);
    check_int(eventer_aco_close(pair.e), -1);
    check_int(errno, EBADFD);
    eventer_aco_free(pair.e);
    close(pair.peer);
    eventer_aco_free(NULL);
}

static void after_a_close_nothing_is_possible(void **state)
{
    in_coroutine(0, use_after_close, NULL);
}

static void close_and_reuse(void *closure)
{
    char byte;
    for (int i = 0; i < 100; i++) { /* the same fds again and again */
        struct pair pair = pair_open(SOCK_STREAM);
        check_int(eventer_aco_read(pair.e, &byte, 1, &(struct timeval){0, 1}), -1);
        check_int(errno, ETIME);
        check_int(write(pair.peer, "x", 1), 1);
        check_int(eventer_aco_read(pair.e, &byte, 1, NULL), 1);
        pair_close(&pair);
    }
}

static void an_fd_number_is_used_again_without_confusion(void **state)
{
    in_coroutine(0, close_and_reuse, NULL);
}

/* ---- triggers ---- */

static void trigger_all(void *closure)
{
    eventer_trigger((eventer_t)shared.e, EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION);
}

static void end_shared(void *closure)
{
    drain();
    check_int(write(shared.peer, "x", 1), 1);
    while (reader_got == 99 || writer_got == 99)
        sleep_ms(1);
    check_int(reader_got, 1);
    check_int(writer_got, 1);
    pair_close(&shared);
}

static void a_trigger_makes_waiters_look_again_and_wait_on(void **state)
{
    in_coroutine(0, open_for_both, NULL);
    assert_logged(1, "ended with open events");
    trigger_all(NULL); /* from this thread */
    settle(0);
    in_loop(0, trigger_all, NULL);
    settle(0);
    assert_int_equal(reader_got, 99);
    assert_int_equal(writer_got, 99);
    in_coroutine(0, end_shared, NULL);
}

/* ---- the same fd twice ---- */

static void wait_on_a_second_event(void *closure)
{
    char byte;
    struct timeval soon = {0, 1};
    struct pair pair = pair_open(SOCK_STREAM);
    eventer_aco_t second = adopt(((eventer_t)pair.e)->fd);
    check_int(eventer_aco_read(pair.e, &byte, 1, &soon), -1);
    check_int(errno, ETIME);
    check_int(eventer_aco_read(second, &byte, 1, &soon), -1);
    check_int(errno, EEXIST);
    check_int(write(pair.peer, "x", 1), 1);
    check_int(eventer_aco_read(pair.e, &byte, 1, NULL), 1);
    eventer_aco_free(second);
    pair_close(&pair);
}

static void a_second_event_for_an_fd_cannot_wait(void **state)
{
    in_coroutine(0, wait_on_a_second_event, NULL);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_wait_ends_after_its_time_out),
    clean_test(an_accept_has_a_time_out_too),
    clean_test(an_event_has_default_time_outs),
    clean_test(without_memory_a_default_time_out_is_not_set_and_logged),
    clean_test(a_time_out_that_was_not_needed_is_gone),
    clean_test(one_reads_while_another_writes_and_a_third_is_refused),
    clean_test(another_loop_is_refused_and_jobs_and_callbacks_do_not_wait),
    clean_test(a_close_wakes_reader_and_writer_with_ecanceled),
    clean_test(a_free_wakes_them_too),
    clean_test(one_who_was_woken_already_does_not_touch_what_was_freed_since),
    clean_test(a_job_may_close_what_a_loop_waits_for),
    clean_test(without_memory_a_job_cannot_close_and_is_told),
    clean_test(after_a_close_nothing_is_possible),
    clean_test(an_fd_number_is_used_again_without_confusion),
    clean_test(a_trigger_makes_waiters_look_again_and_wait_on),
    clean_test(a_second_event_for_an_fd_cannot_wait),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
