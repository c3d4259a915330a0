/* SPDX-License-Identifier: MIT */
#include "main/notify.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/number.h"

#include <mtev_log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD     3   /* the sockets that are passed in begin there */
#define TEXT_SIZE    512 /* of a message */
#define WAIT_S       1   /* for a manager that takes no more messages */
#define ALIVE_NS_MIN CLOCK_NS_PER_MS

static struct sockaddr_un manager; /* sun_family 0: there is none */
static socklen_t manager_len;
static uint64_t alive_every_ns;
static int sockets[NOTIFY_SOCKETS_MAX];
static int socket_count;

/* A number in the environment, or 0; one that is wrong is said. */
static uint64_t number_of(const char *name, uint64_t max)
{
    const char *text = secure_getenv(name);
    uint64_t number = 0;
    if (text != NULL && number_u64(text, strlen(text), max, &number) != 0)
        mtevL(mtev_error, "%s=\"%s\" in the environment: not a number up to %" PRIu64 "\n", name,
              text, max);
    return number;
}

static void take_address(void)
{
    const char *path = secure_getenv("NOTIFY_SOCKET");
    if (path == NULL)
        return;
    if ((path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(manager.sun_path)) {
        mtevL(mtev_error,
              "NOTIFY_SOCKET=\"%s\" in the environment: neither a path nor @ and a name, of up to "
              "%zu bytes\n",
              path, sizeof(manager.sun_path) - 1);
        return;
    }
    manager.sun_family = AF_UNIX;
    manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    memcpy(manager.sun_path, path, strlen(path));
    if (path[0] == '@') /* an abstract name */
        manager.sun_path[0] = '\0';
}

static void take_watchdog(void)
{
    const uint64_t pid = number_of("WATCHDOG_PID", INT_MAX);
    if (pid != 0 && pid != (uint64_t)getpid())
        return;
    alive_every_ns = number_of("WATCHDOG_USEC", UINT64_MAX / CLOCK_NS_PER_US) * CLOCK_NS_PER_US / 2;
    if (alive_every_ns != 0)
        alive_every_ns = MAX(alive_every_ns, ALIVE_NS_MIN);
}

static void take_sockets(void)
{
    int count = 0;
    if (number_of("LISTEN_PID", INT_MAX) == (uint64_t)getpid())
        count = (int)number_of("LISTEN_FDS", NOTIFY_SOCKETS_MAX);
    for (int fd = FIRST_FD; fd < FIRST_FD + count; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            sockets[socket_count++] = fd;
        else
            mtevL(mtev_error, "LISTEN_FDS=%d in the environment: fd %d: %s\n", count, fd,
                  strerrordesc_np(errno));
}

void notify_begin(void)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_PID",    "LISTEN_FDS",    "LISTEN_FDNAMES"};
    take_address();
    take_watchdog();
    take_sockets();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

/* With MSG_DONTWAIT in flags it may be lost; else the manager has a moment to take it. */
static int send_text(const char *text, int flags)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    ssize_t len = sendto(fd, text, strlen(text), MSG_NOSIGNAL | flags,
                         (const struct sockaddr *)&manager, manager_len);
    int err = len < 0 ? -errno : 0;
    close(fd);
    return err;
}

void notify_say(const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list list;
    if (manager.sun_family == 0)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    int err = send_text(text, 0);
    if (err != 0)
        mtevL(mtev_error, "the service manager is not told %.*s: %s\n", (int)strcspn(text, "\n"),
              text, strerrordesc_np(-err));
}

void notify_ready(const char *text)
{
    notify_say("READY=1\nMAINPID=%d\nSTATUS=%s", (int)getpid(), text);
}

void notify_reloading(void)
{
    notify_say("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Loading its configuration anew",
               clock_mono_ns() / CLOCK_NS_PER_US);
}

void notify_stopping(void)
{
    notify_say("STOPPING=1\nSTATUS=Answering what is in flight");
}

uint64_t notify_alive_every_ns(void)
{
    return alive_every_ns;
}

void notify_alive(void)
{
    if (manager.sun_family != 0)
        (void)send_text("WATCHDOG=1", MSG_DONTWAIT); /* a loop calls; the next one comes soon */
}

int notify_sockets(const int **out)
{
    *out = sockets;
    return socket_count;
}
