/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "base/alloc.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HARNESS_FD_MAX         65536  /* fds at or past it are not watched */
#define HARNESS_ALLOCATION_MAX 100000 /* a run that asks for more is taken to be endless */

static bool fd_is_known[HARNESS_FD_MAX];

/* Call visit for each open fd, the one that reads the directory left out. */
static void each_fd(void (*visit)(int fd, void *closure), void *closure)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        perror("harness: /proc/self/fd");
        exit(1);
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && fd < HARNESS_FD_MAX && fd != dirfd(dir))
            visit((int)fd, closure);
    }
    closedir(dir);
}

static void know(int fd, void *closure)
{
    fd_is_known[fd] = true;
}

static void report_unknown(int fd, void *closure)
{
    int *leaked = closure;
    if (fd_is_known[fd])
        return;
    char path[64];
    char target[256] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof(target) - 1) < 0)
        snprintf(target, sizeof(target), "unknown");
    fprintf(stderr, "harness: fd %d leaked: %s\n", fd, target);
    *leaked += 1;
}

void harness_keep_fds(void)
{
    each_fd(know, NULL);
}

int harness_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    const char *slash = strrchr(name, '/');
    int leaked = 0;

    harness_keep_fds();
    int failed =
        _cmocka_run_group_tests(slash == NULL ? name : slash + 1, tests, count, NULL, NULL);
    alloc_fail_nth(0, 0); /* a test that failed may have left the hook on */
    each_fd(report_unknown, &leaked);
    fflush(NULL);
    return failed != 0 || leaked != 0;
}

void harness_socketpair(int fds[2])
{
    int status = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds);
    assert_int_equal(status, 0);
}

int harness_listen(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, SOMAXCONN), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

void harness_remove_folder(const char *folder)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

void harness_fail_each_allocation(void (*run)(void *closure), void *closure)
{
    for (int and_after = 0; and_after <= 1; and_after++) {
        uint64_t nth = 0;
        uint64_t asked = 0;
        do {
            nth++;
            assert_true(nth <= HARNESS_ALLOCATION_MAX);
            alloc_fail_nth(nth, and_after);
            run(closure);
            asked = alloc_asked();
            alloc_fail_nth(0, 0);
        } while (asked >= nth);
    }
}
