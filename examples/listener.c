/* SPDX-License-Identifier: MIT */
/*
 * listener.c - a listener that gives each connection a coroutine: an adding machine.
 *
 * Usage: listener listener.conf.  Send numbers, a line each; every line is answered with the sum so
 * far.  The sum is a local variable: it waits with its coroutine.
 */
#include <eventer/eventer.h>
#include <mtev_listener.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#include <stdio.h>

struct reader { /* takes lines from a connection, which may arrive in pieces or several at once */
    eventer_aco_t e;
    size_t len; /* of what has arrived and was not taken */
    char bytes[128];
};

/* Copy the next line to line, which has room for sizeof(r->bytes).  False: no more, or too long. */
static bool next_line(struct reader *r, char *line, struct timeval *patience)
{
    char *end;
    while ((end = memchr(r->bytes, '\n', r->len)) == NULL) {
        int len =
            r->len == sizeof(r->bytes)
                ? 0
                : eventer_aco_read(r->e, r->bytes + r->len, sizeof(r->bytes) - r->len, patience);
        if (len <= 0)
            return false;
        r->len += (size_t)len;
    }
    *end = '\0';
    size_t taken = (size_t)(end + 1 - r->bytes);
    memcpy(line, r->bytes, taken);
    r->len -= taken;
    memmove(r->bytes, end + 1, r->len);
    return true;
}

static void adder(void)
{
    struct reader r = {.e = eventer_aco_arg()};
    struct timeval patience = {.tv_sec = 2};
    char line[sizeof(r.bytes)];
    long long sum = 0;
    errno = 0;
    while (next_line(&r, line, &patience)) {
        long long number = strtoll(line, NULL, 10);
        if (__builtin_add_overflow(sum, number, &sum))
            break;
        int len = snprintf(line, sizeof(line), "%lld\n", sum);
        if (eventer_aco_write(r.e, line, (size_t)len, NULL) != len)
            break;
    }
    if (errno == ETIME)
        eventer_aco_write(r.e, "too slow\n", 9, NULL);
    eventer_aco_close(r.e);
    eventer_aco_free(r.e);
}

static int child_main(void)
{
    if (eventer_init() != 0)
        return 2;
    mtev_listener_register_aco_function("adder", adder);
    mtev_listener_init("listener");
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: listener FILE.conf\n");
        return 2;
    }
    mtev_memory_init();
    return mtev_main("listener", argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
