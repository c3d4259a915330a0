/* SPDX-License-Identifier: MIT */
/*
 * Goal: a service manager is told what it should know and its sockets are taken, whatever it has
 * put into the environment; and one that hears nothing holds nobody up.
 * Method: each test is a process of its own, with an environment and a socket as the manager has.
 */
#include "child.h"
#include "harness.h"

#include "base/clock.h"
#include "main/notify.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NAME_MAX_LEN 107 /* bytes of a path or a name */

static int manager = -1; /* its end */

/* Listen at path; @ in place of the first byte is an abstract name. */
static void listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address, len), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    notify_begin();
}

static void assert_heard(const char *wanted)
{
    char text[1024];
    ssize_t len = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(len >= 0);
    text[len] = '\0';
    assert_string_equal(text, wanted);
}

/* A name that no other process has. */
static const char *abstract_name(void)
{
    static char name[64];
    snprintf(name, sizeof(name), "@eventer-test-notify-%d", (int)getpid());
    return name;
}

static int say_all(void)
{
    char wanted[128];
    listen_at(abstract_name());
    assert_null(getenv("NOTIFY_SOCKET")); /* a program that is started is no service */
    notify_ready("Fine");
    snprintf(wanted, sizeof(wanted), "READY=1\nMAINPID=%d\nSTATUS=Fine", (int)getpid());
    assert_heard(wanted);
    notify_stopping();
    assert_heard("STOPPING=1\nSTATUS=Answering what is in flight");
    notify_alive();
    assert_heard("WATCHDOG=1");
    return 0;
}

static void all_is_said_at_an_abstract_name(void **state)
{
    assert_int_equal(child_status(say_all), 0);
    assert_string_equal(child_said, "");
}

static int say_at_path(void)
{
    char path[NAME_MAX_LEN + 1], folder[] = "/tmp/test_notify.XXXXXX";
    assert_non_null(mkdtemp(folder));
    int len = snprintf(path, sizeof(path), "%s/", folder);
    memset(path + len, 'x', NAME_MAX_LEN - (size_t)len); /* as long as there may be one */
    path[NAME_MAX_LEN] = '\0';
    listen_at(path);
    notify_say("STATUS=%d", 7);
    assert_heard("STATUS=7");
    unlink(path);
    notify_say("STATUS=Nobody\nis there");
    return rmdir(folder);
}

static void a_path_may_go_away(void **state)
{
    assert_int_equal(child_status(say_at_path), 0);
    assert_string_equal(child_said,
                        "the service manager is not told STATUS=Nobody: No such file or "
                        "directory\n");
}

static int say_nowhere(void)
{
    notify_begin();
    notify_ready("Alone");
    notify_alive();
    return 0;
}

static void without_a_manager_nothing_is_said(void **state)
{
    assert_int_equal(child_status(say_nowhere), 0);
    assert_string_equal(child_said, "");
}

static int begin_with_wrong_path(void)
{
    char path[NAME_MAX_LEN + 2];
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
    notify_begin();
    memset(path, '/', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    setenv("NOTIFY_SOCKET", path, 1);
    notify_begin();
    notify_ready("Alone");
    return 0;
}

static void a_wrong_address_is_said(void **state)
{
    assert_int_equal(child_status(begin_with_wrong_path), 0);
    const char *second = strchr(child_said, '\n') + 1;
    assert_int_equal(strncmp(child_said,
                             "NOTIFY_SOCKET=\"vsock:2:1234\" in the environment: neither a path "
                             "nor @ and a name, of up to 107 bytes\n",
                             (size_t)(second - child_said)),
                     0);
    assert_non_null(strstr(second, "///\" in the environment: neither a path nor"));
}

static int overwhelm(void)
{
    listen_at(abstract_name());
    for (int i = 0; i < 5000; i++) /* more than any system keeps for a manager that is busy */
        notify_alive();
    notify_say("STATUS=Full");
    return 0;
}

static void a_manager_that_hears_nothing_holds_nobody_up(void **state)
{
    assert_int_equal(child_status(overwhelm), 0);
    assert_string_equal(child_said, "the service manager is not told STATUS=Full: Resource "
                                    "temporarily unavailable\n");
}

/* ---- the watchdog ---------------------------------------------------------------- */

static uint64_t alive_every_ns(const char *us, const char *pid)
{
    setenv("WATCHDOG_USEC", us, 1);
    if (pid != NULL)
        setenv("WATCHDOG_PID", pid, 1);
    notify_begin();
    return notify_alive_every_ns();
}

static int be_watched(void)
{
    char self[16];
    snprintf(self, sizeof(self), "%d", (int)getpid());
    assert_true(alive_every_ns("3000000", NULL) == 1500000000);
    assert_true(alive_every_ns("4000000", self) == 2000000000);
    assert_true(alive_every_ns("7200000000", NULL) == 3600 * CLOCK_NS_PER_S); /* over 2^32 */
    assert_true(alive_every_ns("1", NULL) == CLOCK_NS_PER_MS); /* or nothing else would be done */
    assert_true(alive_every_ns("0", NULL) == 0);
    assert_true(alive_every_ns("18446744073709551", NULL) > 0);
    assert_true(alive_every_ns("18446744073709552", NULL) == 0);
    return 0;
}

static void a_manager_says_how_often_it_wants_to_hear(void **state)
{
    assert_int_equal(child_status(be_watched), 0);
    assert_string_equal(child_said, "WATCHDOG_USEC=\"18446744073709552\" in the environment: not a "
                                    "number up to 18446744073709551\n");
}

static int be_somebody_else(void)
{
    return alive_every_ns("1000000", "1") == 0 ? 0 : 1;
}

static void somebody_elses_watchdog_is_left_alone(void **state)
{
    assert_int_equal(child_status(be_somebody_else), 0);
}

/* ---- sockets --------------------------------------------------------------------- */

/* How many there are, with fd 3 and 5 open. */
static int count_sockets(const char *count, bool is_ours)
{
    char self[16];
    const int *fds;
    snprintf(self, sizeof(self), "%d", is_ours ? (int)getpid() : 1);
    for (int fd = 3; fd < 16; fd++)
        close(fd);
    int null = open("/dev/null", O_RDONLY); /* the lowest that is free: 3 */
    assert_int_equal(null, 3);
    assert_int_equal(dup2(null, 5), 5);
    setenv("LISTEN_PID", self, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "web", 1);
    notify_begin();
    assert_null(getenv("LISTEN_FDNAMES"));
    int found = notify_sockets(&fds);
    for (int i = 0; i < found; i++)
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    assert_true(found == 0 || fds[0] == 3);
    assert_true(found < 2 || fds[1] == 5);
    return found;
}

static int take_one(void)
{
    return count_sockets("1", true);
}

static int take_three(void)
{
    return count_sockets("3", true);
}

static int take_none(void)
{
    return count_sockets("many", true) + count_sockets("1025", true) + count_sockets("-1", true);
}

static int take_somebody_elses(void)
{
    return count_sockets("1", false);
}

static void sockets_that_are_open_are_taken(void **state)
{
    assert_int_equal(child_status(take_one), 1);
    assert_string_equal(child_said, "");
    assert_int_equal(child_status(take_three), 2);
    assert_string_equal(child_said, "LISTEN_FDS=3 in the environment: fd 4: Bad file descriptor\n");
}

static void a_wrong_number_of_sockets_is_said(void **state)
{
    assert_int_equal(child_status(take_none), 0);
    assert_string_equal(child_said,
                        "LISTEN_FDS=\"many\" in the environment: not a number up to 1024\n"
                        "LISTEN_FDS=\"1025\" in the environment: not a number up to 1024\n"
                        "LISTEN_FDS=\"-1\" in the environment: not a number up to 1024\n");
}

static void somebody_elses_sockets_are_left_alone(void **state)
{
    assert_int_equal(child_status(take_somebody_elses), 0);
    assert_string_equal(child_said, "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_is_said_at_an_abstract_name),
    cmocka_unit_test(a_path_may_go_away),
    cmocka_unit_test(without_a_manager_nothing_is_said),
    cmocka_unit_test(a_wrong_address_is_said),
    cmocka_unit_test(a_manager_that_hears_nothing_holds_nobody_up),
    cmocka_unit_test(a_manager_says_how_often_it_wants_to_hear),
    cmocka_unit_test(somebody_elses_watchdog_is_left_alone),
    cmocka_unit_test(sockets_that_are_open_are_taken),
    cmocka_unit_test(a_wrong_number_of_sockets_is_said),
    cmocka_unit_test(somebody_elses_sockets_are_left_alone),
};

HARNESS_MAIN(tests)
