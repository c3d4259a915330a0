/* SPDX-License-Identifier: MIT */
/*
 * Goal: whatever the kernel answers to a call, at any moment, the server goes on: no connection is
 * lost but the one whose own socket failed, what there is to answer is answered, nothing is left
 * behind; and where it happens at the start, the start says so, and succeeds when it is tried
 * again. Method: a life of a mixed server (mixed_server.h) with one call of one kind failing in one
 * way (kernel_faults.h), for each of the first occurrences of each kind: in a child for the start,
 * then in this process, one life after the other.
 */
#include "mixed_server.h"
#include "tools.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define OCCURRENCES_MAX 50
#if TOOLS_SLOWNESS > 1
#define STEP 7 /* every so many occurrences */
#else
#define STEP 1
#endif

#define ERRORS_MAX 6

/*
 * What may happen, after the manual pages, and how many connections may die of it: the one whose
 * own socket it is.  A comment says what a line has found.
 */
struct fault {
    enum fault_call call;
    int dead_max;
    int errors[ERRORS_MAX + 1];
};

static const struct fault at_start[] = {
    {FAULT_EPOLL_CREATE1, 0, {EMFILE, ENFILE, ENOMEM}},
    {FAULT_EVENTFD, 0, {EMFILE, ENFILE, ENOMEM}},
    /* A listener that could not be watched at first never was. */
    {FAULT_EPOLL_ADD, 1, {ENOMEM, ENOSPC}},
    {FAULT_THREAD, 0, {EAGAIN}},
    {FAULT_MMAP, 1, {ENOMEM}},
    /* That memory was short was said twice. */
    {FAULT_SOCKET, 0, {EMFILE, ENFILE, ENOMEM}},
    {FAULT_BIND, 0, {EADDRINUSE, ENOMEM}},
    {FAULT_LISTEN, 0, {EADDRINUSE}},
    {FAULT_TIMERFD_CREATE, 0, {EMFILE, ENFILE, ENOMEM}},
};

static const struct fault while_serving[] = {
    {FAULT_ACCEPT4, 0, {EINTR, EAGAIN, ECONNABORTED, EPROTO}},
    {FAULT_ACCEPT4, 0, {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
    {FAULT_RECV, 0, {EINTR, EAGAIN, FAULT_SHORT}},
    {FAULT_RECV, 1, {ECONNRESET, ENOMEM}},
    {FAULT_SEND, 0, {EINTR, EAGAIN, FAULT_SHORT}},
    {FAULT_SEND, 1, {ECONNRESET, EPIPE, ENOMEM}},
    {FAULT_READ, 0, {EINTR, EAGAIN, FAULT_SHORT}},
    {FAULT_READ, 1, {ECONNRESET}},
    {FAULT_WRITE, 0, {EINTR, EAGAIN, FAULT_SHORT}},
    {FAULT_WRITE, 1, {ECONNRESET, EPIPE}},
    /* A wake that was interrupted was lost. */
    {FAULT_WAKE, 0, {EINTR}},
    {FAULT_EPOLL_ADD, 1, {ENOMEM, ENOSPC}},
    /* A classic event whose new mask could not be had waited for ever. */
    {FAULT_EPOLL_MOD, 1, {ENOMEM}},
    /* Without epoll_pwait2(2) there is epoll_wait(2), from then on. */
    {FAULT_EPOLL_PWAIT2, 0, {EINTR, ENOSYS}},
    {FAULT_EPOLL_WAIT, 0, {EINTR}},
};

static const char *error_text(int error)
{
    return error == FAULT_SHORT ? "short" : strerrorname_np(error);
}

/* ---- the start, in a child ------------------------------------------------------- */

struct report { /* from a child */
    unsigned counts[FAULT_CALLS];
    bool has_struck;
    int dead;
    char failures[sizeof(check_text)];
};

static struct report *report;

/* Start all; what fails must have been struck, say so, and succeed the second time. */
static void start(int error)
{
    char loops[16];
    snprintf(loops, sizeof(loops), "%d", MIXED_LOOPS);
    check_int(eventer_propset("concurrency", loops), 0);
    check_int(eventer_propset("implementation", "epoll"), 0);
    if (eventer_init() != 0) {
        check_int(errno, error);
        check_int(logged("eventer_init: cannot start the loops"), 1);
        check(fault_disarm());
        report->has_struck = true;
        check_int(eventer_init(), 0);
    }
    mixed_set_up();
    logged_clear();
    int err = mixed_listen();
    if (err != 0) {
        check_int(-err, error);
        check_int(logged("\n"), 1);
        check(fault_disarm());
        report->has_struck = true;
        check_int(mixed_listen(), 0);
    }
}

static int be_child(const struct fault *fault, int error, unsigned nth)
{
    alarm(60);
    mixed_is_child = true;
    fault_arm(fault->call, error, nth);
    start(error);
    fault_spare_thread(true);
    struct mixed_state before = mixed_look();
    report->dead = mixed_run(1, 2);
    before.fds += (int)fault_count(FAULT_TIMERFD_CREATE); /* loops make it when they need it */
    for (int i = 0; i < FAULT_CALLS; i++)
        report->counts[i] = fault_count((enum fault_call)i);
    report->has_struck |= fault_disarm();
    check(report->dead <= (report->has_struck ? fault->dead_max : 0));
    check_int(mixed_run(1, 1), 0);
    mixed_settle(&before);
    memcpy(report->failures, check_text, sizeof(check_text));
    return check_text[0] != '\0';
}

/* Returns how many such calls there were. */
static unsigned start_with(const struct fault *fault, int error, unsigned nth)
{
    int status = 0;
    *report = (struct report){.dead = -1};
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exit(be_child(fault, error, nth));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(mixed_path);
    if (status != 0)
        fail_msg("%s, occurrence %u, %s: status %x, %d died, %s", fault_name(fault->call), nth,
                 error_text(error), (unsigned)status, report->dead, report->failures);
    return report->counts[fault->call];
}

/* Returns how many lives it took. */
static unsigned with_each_occurrence(const struct fault *fault, int error,
                                     unsigned (*live)(const struct fault *fault, int error,
                                                      unsigned nth))
{
    unsigned nth = 1, lives = 1;
    while (nth <= OCCURRENCES_MAX && live(fault, error, nth) >= nth) {
        nth += STEP;
        lives++;
    }
    if (nth == 1)
        fail_msg("%s does not occur", fault_name(fault->call));
    return lives;
}

static void a_start_fails_cleanly_and_succeeds_again(void **state)
{
    unsigned lives = 0;
    for (size_t i = 0; i < sizeof(at_start) / sizeof(at_start[0]); i++)
        for (const int *error = at_start[i].errors; *error != 0; error++)
            lives += with_each_occurrence(&at_start[i], *error, start_with);
    print_message("%u lives\n", lives);
}

/* ---- while it serves ------------------------------------------------------------- */

static const struct fault *present; /* for messages */
static int present_error;
static unsigned present_nth;

/* Returns how many such calls there were. */
static unsigned serve_with(const struct fault *fault, int error, unsigned nth)
{
    const struct mixed_state before = mixed_look();
    present = fault;
    present_error = error;
    present_nth = nth;
    fault_arm(fault->call, error, nth);
    int dead = mixed_run(2, 3);
    unsigned count = fault_count(fault->call);
    bool has_struck = fault_disarm();
    if (has_struck && fault->call == FAULT_WAKE && !fault_was_repeated())
        fail_msg("a loop was not woken");
    if (dead > (has_struck ? fault->dead_max : 0))
        fail_msg("%d connections died", dead);
    dead = mixed_run(1, 1);
    if (dead != 0)
        fail_msg("%d connections died afterwards", dead);
    mixed_settle(&before);
    logged_clear();
    return count;
}

static void a_server_survives_every_fault(void **state)
{
    unsigned lives = 0;
    for (size_t i = 0; i < sizeof(while_serving) / sizeof(while_serving[0]); i++)
        for (const int *error = while_serving[i].errors; *error != 0; error++)
            lives += with_each_occurrence(&while_serving[i], *error, serve_with);
    print_message("%u lives\n", lives);
    present = NULL;
}

static int say_what_failed(void **state)
{
    if (present != NULL)
        print_message("%s, occurrence %u, %s\n", fault_name(present->call), present_nth,
                      error_text(present_error));
    return 0;
}

static int start_here(void **state)
{
    start(0);
    fault_spare_thread(true);
    (void)mixed_run(2, 2); /* whatever is made on first use */
    harness_keep_fds();
    assert_checks();
    return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_start_fails_cleanly_and_succeeds_again),
    cmocka_unit_test_setup_teardown(a_server_survives_every_fault, start_here, say_what_failed),
};

int main(void)
{
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        return 1;
    snprintf(mixed_path, sizeof(mixed_path), "/tmp/eventer-faults-%d", (int)getpid());
    logged_begin();
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    unlink(mixed_path);
    return status;
}
