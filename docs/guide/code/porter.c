/* SPDX-License-Identifier: MIT */
/* porter.c - a conversation by lines, with files counted on a job queue: chapter 2 of the guide. */
#include <eventer_run.h>

#include <fcntl.h>

#define LINE_MAX_BYTES 128

static const char xml[] = "<porter><listeners address='127.0.0.1'>"
                          "<listener type='talk' port='9001'/>"
                          "<listener type='gate' port='9002'/>"
                          "</listeners></porter>";

/* Write all of text, however often the peer makes us wait. */
static bool say(eventer_aco_t e, const char *text)
{
    struct timeval patience = {.tv_sec = 10};
    size_t len = strlen(text), sent = 0;
    while (sent < len) {
        int count = eventer_aco_write(e, text + sent, len - sent, &patience);
        if (count < 0)
            return false;
        sent += (size_t)count;
    }
    return true;
}

/* Read a line, a byte at a time, without its end.  False: no more lines, or none in time. */
static bool hear(eventer_aco_t e, char *line, size_t size)
{
    struct timeval patience = {.tv_sec = 10};
    for (size_t len = 0; len < size; len++) {
        int count = eventer_aco_read(e, line + len, 1, &patience);
        if (count < 0 && errno == ETIME)
            say(e, "you are too slow\n");
        if (count <= 0)
            return false;
        if (line[len] == '\n') {
            line[len] = '\0';
            return true;
        }
    }
    say(e, "that line is too long\n");
    return false;
}

struct file {
    const char *path;
    long bytes; /* -1: it cannot be read */
};

static void count_bytes(void *closure) /* on the job queue */
{
    struct file *file = closure;
    char bytes[4096];
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    ssize_t count = -1;
    while (fd >= 0 && (count = read(fd, bytes, sizeof(bytes))) > 0)
        file->bytes += count;
    if (count < 0)
        file->bytes = -1;
    if (fd >= 0)
        close(fd);
}

/* Count two files side by side. */
static bool compare(eventer_aco_t e, char *paths)
{
    char answer[64];
    char *second = strchr(paths, ' ');
    eventer_aco_gate_t gate = second == NULL ? NULL : eventer_aco_gate();
    if (gate == NULL)
        return say(e, "which two files?\n");
    *second++ = '\0';
    struct file a = {.path = paths}, b = {.path = second};
    eventer_aco_simple_asynch_gated(gate, count_bytes, &a);
    eventer_aco_simple_asynch_gated(gate, count_bytes, &b);
    eventer_aco_gate_wait(gate);
    snprintf(answer, sizeof(answer), "%ld and %ld bytes\n", a.bytes, b.bytes);
    return say(e, answer);
}

static void converse(eventer_aco_t e)
{
    char line[LINE_MAX_BYTES];
    while (hear(e, line, sizeof(line)) && strcmp(line, "quit") != 0)
        if (!compare(e, line))
            break;
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static void talk(void)
{
    converse(eventer_aco_arg());
}

static void talk_after_gate(void)
{
    converse(eventer_set_eventer_aco(eventer_aco_arg()));
}

/* Let in who says something at all; a connection that waits here costs no coroutine. */
static int gate(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char first;
    (void)closure, (void)now;
    ssize_t len = recv(eventer_get_fd(e), &first, 1, MSG_PEEK | MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN)
        return EVENTER_READ | EVENTER_EXCEPTION;
    eventer_remove_fde(e);
    if (len == 1)
        eventer_aco_start(talk_after_gate, e);
    if (!eventer_is_aco(e)) /* nobody took it */
        eventer_close(e, &mask);
    return 0;
}

int main(int argc, char **argv)
{
    mtev_listener_register_aco_function("talk", talk);
    eventer_name_callback("gate", gate);
    return eventer_run(argc, argv,
                       &(struct eventer_run_options){.name = "porter", .configuration = xml});
}
