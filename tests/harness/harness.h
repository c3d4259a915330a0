/* SPDX-License-Identifier: MIT */
/*
 * harness.h - what every test program shares: a main() that finds leaked fds, and small helpers.
 *
 * A test program includes this instead of cmocka.h, lists its tests and ends with HARNESS_MAIN:
 *
 *     static const struct CMUnitTest tests[] = {cmocka_unit_test(adds_one)};
 *     HARNESS_MAIN(tests)
 *
 * Every helper fails the running test (as assert_true() does) when the system refuses what it asks.
 */
#ifndef EVENTER_TESTS_HARNESS_H
#define EVENTER_TESTS_HARNESS_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A main() that runs the array of struct CMUnitTest; status 0 if all passed and no fd leaked. */
#define HARNESS_MAIN(tests)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        return harness_run(__FILE__, (tests), sizeof(tests) / sizeof((tests)[0]));                 \
    }

/*
 * Run the count tests at tests as a group called name.  Prints what cmocka prints, then each fd
 * that is open now and was not before.  Returns the exit status: 0, or 1.
 */
int harness_run(const char *name, const struct CMUnitTest *tests, size_t count);

/*
 * Declare that the fds open now live as long as the process, so that they are no leak.  For what
 * a library opens once, such as its loops' own fds.  Call it where they have just been opened.
 */
void harness_keep_fds(void);

/* Make a connected pair of non-blocking, close-on-exec stream sockets; the caller owns both. */
void harness_socketpair(int fds[2]);

/*
 * Return a non-blocking, close-on-exec TCP socket that listens on 127.0.0.1, with its port (host
 * order), which the kernel chose, in *ret_port.  The caller owns the fd.
 */
int harness_listen(uint16_t *ret_port);

/* Remove a folder that the test has made with mkdtemp(3), and all that is in it. */
void harness_remove_folder(const char *folder);

/*
 * Call run(closure) again and again: with the 1st allocation failing, then the 2nd, and so on,
 * until a run asks for fewer; then all of it again with every later allocation failing too.  run
 * must leave nothing behind, and must bear both outcomes.  Counts what goes through base/alloc.h
 * only.
 */
void harness_fail_each_allocation(void (*run)(void *closure), void *closure);

#endif
