/* SPDX-License-Identifier: MIT */
/* chat.c - what one says, all others read: chapter 6 of the guide. */
#include <eventer_run.h>

#define OUT_SIZE 4096

static const char xml[] = "<chat><listeners address='127.0.0.1'>"
                          "<listener type='chat' port='9003'/>"
                          "</listeners></chat>";

/* Somebody who is connected.  All of them belong to one loop, so nothing here needs a lock. */
struct member {
    struct member *next;
    eventer_t e;
    char out[OUT_SIZE]; /* not sent yet: len bytes */
    size_t len;
};

static struct member *members;

static void leave(struct member *member)
{
    int mask;
    struct member **at = &members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    eventer_close(member->e, &mask); /* ends the registration, too */
    free(member);
}

/* Send what can be sent now.  Returns what to wait for next, or -1 if the peer is gone. */
static int send_some(struct member *member)
{
    int mask = 0;
    while (member->len > 0) {
        int count = eventer_write(member->e, member->out, member->len, &mask);
        if (count < 0)
            return errno == EAGAIN ? mask | EVENTER_READ : -1;
        member->len -= (size_t)count;
        memmove(member->out, member->out + count, member->len);
    }
    return EVENTER_READ | EVENTER_EXCEPTION;
}

/* Give text to everybody else.  Who has not read what was said before misses it. */
static void tell_others(const struct member *speaker, const char *text, size_t len)
{
    struct member *next;
    for (struct member *member = members; member != NULL; member = next) {
        next = member->next; /* the trigger runs at once, and may end the member */
        if (member == speaker || member->len + len > OUT_SIZE)
            continue;
        memcpy(member->out + member->len, text, len);
        member->len += len;
        eventer_trigger(member->e, EVENTER_WRITE);
    }
}

static int converse(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char text[512];
    struct member *self = closure;
    int wanted = send_some(self);
    (void)now;
    while (wanted > 0 && (mask & (EVENTER_READ | EVENTER_EXCEPTION)) != 0) {
        int ignored, count = eventer_read(e, text, sizeof(text), &ignored);
        if (count < 0 && errno == EAGAIN)
            return wanted;
        if (count <= 0) /* the end, or an error */
            wanted = -1;
        else
            tell_others(self, text, (size_t)count);
    }
    if (wanted > 0)
        return wanted;
    leave(self);
    return 0;
}

/* A new connection. */
static int enter(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct member *self = calloc(1, sizeof(*self));
    (void)closure;
    if (self == NULL) {
        eventer_close(e, &mask);
        return 0;
    }
    self->len = (size_t)snprintf(self->out, OUT_SIZE, "you are in\n");
    self->e = e;
    self->next = members;
    members = self;
    eventer_set_callback(e, converse);
    eventer_set_closure(e, self);
    return converse(e, mask, self, now);
}

int main(int argc, char **argv)
{
    eventer_propset("concurrency", "1"); /* one loop */
    eventer_name_callback("chat", enter);
    return eventer_run(argc, argv,
                       &(struct eventer_run_options){.name = "chat", .configuration = xml});
}
