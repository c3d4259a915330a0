/* SPDX-License-Identifier: MIT */
/*
 * listening.h - listeners in this process, configured by a text.
 *
 * Call listening_begin() in main().  A listener stays until the process ends, or listening_stop().
 */
#ifndef EVENTER_TESTS_LISTENING_H
#define EVENTER_TESTS_LISTENING_H

#include "in_coroutine.h"
#include "logged.h"

#include "conf/conf.h"
#include "listener/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char listening_on[256]; /* the address of the listener that was bound last */
static unsigned listening_count;

static inline void listening_note(const char *address, void *closure)
{
    (void)closure;
    listening_count++; /* the newest comes last */
    snprintf(listening_on, sizeof(listening_on), "%s", address);
}

/* Return how many listeners are bound. */
static inline unsigned listening_look(void)
{
    listening_count = 0;
    listening_on[0] = '\0';
    listener_each(listening_note, NULL);
    return listening_count;
}

/* Configure <listeners> with that inside.  Returns what listener_init() does. */
static inline int listen_to(const char *stanzas, bool strict)
{
    char text[4096];
    snprintf(text, sizeof(text), "<test>\n<listeners>\n%s\n</listeners>\n</test>\n", stanzas);
    assert_int_equal(conf_load_text("test.conf", text), 0);
    int err = listener_init("test", strict);
    listening_look();
    return err;
}

static inline void listening_begin(unsigned loops)
{
    logged_begin();
    start_loops(loops);
    if (conf_load_text("test.conf", "<test/>") != 0 || listener_init("test", true) != 0)
        exit(1);
}

/*
 * Run the count tests at tests, called name, while the loops run and folder, which is made by
 * mkdtemp(3), is there.  Returns the exit status.
 */
static inline int listening_run(const char *name, const struct CMUnitTest *tests, size_t count,
                                char *folder)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    eventer_loop_return();
    int status = harness_run(name, tests, count);
    rmdir(folder);
    return status;
}

/* Make a blocking socket of address's family. */
static inline int open_socket(const char *address)
{
    const struct timeval patience = {.tv_sec = 30};
    int family = address[0] == '/' ? AF_UNIX : address[0] == '[' ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static inline void connect_socket(int fd, const char *address)
{
    struct sockaddr_storage to = {.ss_family = AF_INET};
    const char *colon = strrchr(address, ':');
    socklen_t len = sizeof(struct sockaddr_in);
    if (address[0] == '/') {
        struct sockaddr_un *local = (struct sockaddr_un *)&to;
        local->sun_family = AF_UNIX;
        snprintf(local->sun_path, sizeof(local->sun_path), "%.100s", address);
        len = sizeof(*local);
    } else if (address[0] == '[') {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&to;
        v6->sin6_family = AF_INET6;
        v6->sin6_addr = in6addr_loopback;
        v6->sin6_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        len = sizeof(*v6);
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&to;
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        v4->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    }
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, len), 0);
}

/* Connect to what was bound last, or to a path; returns a blocking fd. */
static inline int connect_to(const char *address)
{
    int fd = open_socket(address);
    connect_socket(fd, address);
    return fd;
}

/* Read up to the end, and close. */
static inline void read_all(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t count;
    while (len < size - 1 && (count = recv(fd, text + len, size - 1 - len, 0)) > 0)
        len += (size_t)count;
    text[len] = '\0';
    close(fd);
}

static inline void assert_hears(const char *address, const char *wanted)
{
    char text[256];
    read_all(connect_to(address), text, sizeof(text));
    assert_string_equal(text, wanted);
}

#endif
