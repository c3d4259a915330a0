/* SPDX-License-Identifier: MIT */
/*
 * move.c - a connection that starts as a classic event and is moved into a coroutine.
 *
 * Usage: move move.conf.  The callback is the gate: it sees the first byte, and turns away who does
 * not greet.  What follows is a dialogue, which is easier to write from top to bottom.
 */
#include <eventer/eventer.h>
#include <mtev_listener.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#include <stdio.h>

static bool say(eventer_aco_t e, const char *text)
{
    int len = (int)strlen(text);
    return eventer_aco_write(e, text, (size_t)len, NULL) == len;
}

/* Read what the peer says next, without the end of its line. */
static bool hear(eventer_aco_t e, char *line, size_t size)
{
    struct timeval patience = {.tv_sec = 10};
    int len = eventer_aco_read(e, line, size - 1, &patience);
    if (len <= 0)
        return false;
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static void dialogue(void)
{
    eventer_aco_t e = eventer_set_eventer_aco(eventer_aco_arg());
    char greeting[32], name[32], place[32], answer[128];
    if (hear(e, greeting, sizeof(greeting)) && say(e, "who are you?\n") &&
        hear(e, name, sizeof(name)) && say(e, "where from?\n") && hear(e, place, sizeof(place))) {
        snprintf(answer, sizeof(answer), "welcome, %s from %s\n", name, place);
        say(e, answer);
    }
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* Move the connection: its copy goes to a coroutine, and e itself ends with this callback. */
static int move(eventer_t e)
{
    eventer_remove_fde(e);
    eventer_t copy = eventer_alloc_copy(e);
    if (copy == NULL) {
        int mask;
        eventer_close(e, &mask);
        return 0;
    }
    eventer_aco_start(dialogue, copy);
    return 0;
}

static int on_connection(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)closure, (void)now;
    char first = 0;
    ssize_t len = recv(eventer_get_fd(e), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (len == -1 && errno == EAGAIN)
        return EVENTER_READ | EVENTER_EXCEPTION;
    if (len == 1 && (first == 'h' || first == 'H'))
        return move(e);
    eventer_remove_fde(e);
    eventer_close(e, &mask);
    return 0;
}

static int child_main(void)
{
    if (eventer_init() != 0)
        return 2;
    eventer_name_callback("gate", on_connection);
    mtev_listener_init("move");
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: move FILE.conf\n");
        return 2;
    }
    mtev_memory_init();
    return mtev_main("move", argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
