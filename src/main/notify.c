/* SPDX-License-Identifier: MIT */
#include "main/notify.h"

#include "base/clock.h"
#include "base/number.h"

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

#define FIRST_FD  3   /* the sockets that are passed in begin there */
#define TEXT_SIZE 512 /* of a message */

static struct sockaddr_un manager; /* sun_family 0: there is none */
static socklen_t manager_len;
static uint64_t alive_every_ns;
static int sockets[NOTIFY_SOCKETS_MAX];
static int socket_count;

/* A number in the environment, or 0. */
static uint64_t number_of(const char *name, uint64_t max)
{
    const char *text = secure_getenv(name);
    uint64_t number = 0;
    if (text != NULL)
        (void)number_u64(text, strlen(text), max, &number);
    return number;
}

static void take_address(void)
{
    const char *path = secure_getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(manager.sun_path))
        return;
    manager.sun_family = AF_UNIX;
    manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    memcpy(manager.sun_path, path, strlen(path));
    if (path[0] == '@') /* an abstract name */
        manager.sun_path[0] = '\0';
}

static void take_watchdog(void)
{
    const uint64_t pid = number_of("WATCHDOG_PID", INT_MAX);
    if (pid == 0 || pid == (uint64_t)getpid())
        alive_every_ns = number_of("WATCHDOG_USEC", UINT32_MAX) * CLOCK_NS_PER_US / 2;
}

static void take_sockets(void)
{
    if (number_of("LISTEN_PID", INT_MAX) == (uint64_t)getpid())
        socket_count = (int)number_of("LISTEN_FDS", NOTIFY_SOCKETS_MAX);
    for (int i = 0; i < socket_count; i++) {
        sockets[i] = FIRST_FD + i;
        (void)fcntl(sockets[i], F_SETFD, FD_CLOEXEC);
    }
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

void notify_say(const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list list;
    if (manager.sun_family == 0)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&manager,
                 manager_len);
    close(fd);
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
    notify_say("WATCHDOG=1");
}

int notify_sockets(const int **out)
{
    *out = sockets;
    return socket_count;
}
