/* SPDX-License-Identifier: MIT */
/*
 * Goal: syslog and journald get each line as one datagram; nobody waits for them; a daemon that is
 * slow or started anew loses nothing; what is too large goes as a sealed file; a path that is none
 * is refused.
 * Method: datagram sockets of our own in a temporary folder.
 */
#include "said.h"

#include "log/outlet.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

static char text[8192];

static int open_daemon(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", folder_path(name));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static const char *receive(int fd)
{
    ssize_t len = recv(fd, text, sizeof(text) - 1, 0); /* waits for it */
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static mtev_log_stream_t open_syslog(const char *where)
{
    char path[128];
    snprintf(path, sizeof(path), "%.20s@%.100s", where, folder_path("log"));
    return mtev_log_stream_new("to syslog", "syslog", path, NULL, NULL);
}

static void syslog_gets_a_datagram_a_line(void **state)
{
    int fd = open_daemon("log");
    mtev_log_stream_t ls = open_syslog("local0.warning");
    assert_non_null(ls);
    mtevL(ls, "first\n");
    mtevL(ls, "second\n");
    const char *at = receive(fd);
    assert_int_equal(strncmp(at, "<132>", 5), 0);
    assert_string_equal(strstr(at, "]: "), "]: first");
    assert_string_equal(strstr(receive(fd), "]: "), "]: second");
    mtev_log_stream_close(ls);
    ls = open_syslog("user,rfc5424");
    mtevEL(ls, MLKV(MLKV_NUM("n", 1), MLKV_END), "third\n");
    assert_non_null(strstr(receive(fd), "[eventer@32473 n=\"1\"] third"));
    assert_int_equal(mtev_log_stream_set_format(ls, MTEV_LOG_FORMAT_JSON), -1);
    assert_int_equal(errno, EINVAL);
    mtev_log_stream_close(ls);
    close(fd);
}

static void a_slow_daemon_holds_nobody_up(void **state)
{
    int fd = open_daemon("log");
    mtev_log_stream_t ls = open_syslog("daemon");
    for (int i = 0; i < 2000; i++) /* far more than a socket's queue takes */
        mtevL(ls, "line %d\n", i);
    for (int i = 0; i < 2000; i++) {
        char wanted[32];
        snprintf(wanted, sizeof(wanted), "]: line %d", i);
        assert_string_equal(strstr(receive(fd), "]: "), wanted);
    }
    assert_int_equal(log_stream_lost(ls), 0);
    mtev_log_stream_close(ls);
    close(fd);
}

static void a_daemon_that_is_started_anew_is_found_again(void **state)
{
    int fd = open_daemon("log");
    mtev_log_stream_t ls = open_syslog("daemon");
    close(fd);
    unlink(folder_path("log"));
    mtevL(ls, "meanwhile\n");
    assert_int_equal(log_flush(CLOCK_NS_PER_MS), -EAGAIN);
    fd = open_daemon("log");
    assert_string_equal(strstr(receive(fd), "]: "), "]: meanwhile");
    mtev_log_stream_close(ls);
    close(fd);
}

static void no_daemon_is_an_error_at_the_start(void **state)
{
    assert_null(open_syslog("daemon"));
    assert_int_equal(errno, ENOENT);
}

static void an_address_that_is_none_is_refused(void **state)
{
    static const char *const paths[] = {"",         "nobody",  "local8",         "daemon.loud",
                                        "daemon,x", "daemon@", "daemon.err,",    "daemon.",
                                        ".err",     "daemonx", "daemon,rfc54244"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        errno = 0;
        assert_null(mtev_log_stream_new("no syslog", "syslog", paths[i], NULL, NULL));
        assert_int_equal(errno, EINVAL);
    }
    char path[256];
    snprintf(path, sizeof(path), "daemon@/%0*d", 107, 0);
    assert_null(mtev_log_stream_new("no syslog", "syslog", path, NULL, NULL));
    assert_int_equal(errno, ENAMETOOLONG);
    path[strlen(path) - 1] = '\0';
    assert_null(mtev_log_stream_new("no syslog", "syslog", path, NULL, NULL));
    assert_int_equal(errno, ENOENT);
}

static void the_journal_gets_fields(void **state)
{
    int fd = open_daemon("journal");
    mtev_log_stream_t ls =
        mtev_log_stream_new("to journal", "journald", folder_path("journal"), NULL, NULL);
    assert_non_null(ls);
    mtevEL(ls, MLKV(MLKV_STR("request id", "42"), MLKV_END), "hello\n");
    receive(fd);
    assert_non_null(strstr(text, "\nREQUEST_ID=42\n"));
    assert_non_null(strstr(text, "\nMESSAGE=hello\n"));
    mtev_log_stream_close(ls);
    close(fd);
}

static void what_is_too_large_goes_as_a_sealed_file(void **state)
{
    static char large[8000];
    char control[CMSG_SPACE(sizeof(int))];
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
    static const struct outlet_settings none;
    struct outlet *o = NULL;
    int fd = open_daemon("journal"), least = 1, sealed = -1;
    assert_int_equal(outlet_new(&outlet_journal, folder_path("journal"), -1, NULL, &none, &o), 0);
    assert_int_equal(setsockopt(o->fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 2] = '\n';
    assert_int_equal(o->ops->write(o, large, sizeof(large) - 1), sizeof(large) - 1);
    assert_int_equal(recvmsg(fd, &message, 0), 0);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL)
        fail_msg("no file came");
    else
        memcpy(&sealed, CMSG_DATA(header), sizeof(sealed));
    assert_int_equal(pread(sealed, text, sizeof(text), 0), sizeof(large) - 1);
    assert_memory_equal(text, large, sizeof(large) - 1);
    assert_int_equal(fcntl(sealed, F_GET_SEALS),
                     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    close(sealed);
    outlet_end(o);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_set_up, folder_tear_down)

static const struct CMUnitTest tests[] = {
    TEST(syslog_gets_a_datagram_a_line),
    TEST(a_slow_daemon_holds_nobody_up),
    TEST(a_daemon_that_is_started_anew_is_found_again),
    TEST(no_daemon_is_an_error_at_the_start),
    TEST(an_address_that_is_none_is_refused),
    TEST(the_journal_gets_fields),
    TEST(what_is_too_large_goes_as_a_sealed_file),
};
HARNESS_MAIN(tests)
