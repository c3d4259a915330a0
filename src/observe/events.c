/* SPDX-License-Identifier: MIT */
/*
 * events.c - sockets.json and timers.json: what is registered with the loops.
 */
#include "eventer/event.h"
#include "eventer/foreach.h"
#include "listener/address.h"
#include "observe/endpoints_impl.h"
#include "observe/survey_impl.h"

#include <stdio.h>

static_assert(SURVEY_END == FOREACH_END, "what a part says is handed on");

/* ---- sockets --------------------------------------------------------------------- */

#define NAME_SIZE 128 /* of a callback; longer ones are cut */

struct socket_note {
    char callback[NAME_SIZE];
    const char *impl;
    const char *pool;
    int fd, mask;
    struct address local, remote; /* len 0: none */
};

static void note_address(int (*get)(int, struct sockaddr *, socklen_t *), int fd,
                         struct address *out)
{
    out->len = sizeof(out->local);
    if (get(fd, &out->any, &out->len) != 0 || out->any.sa_family == AF_UNSPEC)
        out->len = 0;
}

static void note_socket(eventer_t e, int fd, void *closure)
{
    struct socket_note note = {.impl = e->wire->name,
                               .pool = eventer_pool_name(eventer_get_pool_for_event(e)),
                               .fd = fd,
                               .mask = eventer_get_mask(e)};
    snprintf(note.callback, sizeof(note.callback), "%s",
             eventer_name_for_callback_e(eventer_get_callback(e), e));
    note_address(getsockname, fd, &note.local);
    note_address(getpeername, fd, &note.remote);
    survey_note(closure, &note, sizeof(note));
}

static uint64_t look_at_sockets(struct loop *loop, uint64_t from, struct survey_notes *notes)
{
    return foreach_fds_from(from, note_socket, notes);
}

/* {address, port}; of a unix socket the path or @NAME, and no port. */
static json_t *address_json(const struct address *a)
{
    char text[ADDRESS_TEXT_MAX] = "";
    json_t *json = json_object();
    bool is_ip = a->any.sa_family == AF_INET || a->any.sa_family == AF_INET6;
    if (is_ip)
        mtev_convert_sockaddr_to_buff(text, sizeof(text), (struct sockaddr *)(uintptr_t)&a->any);
    else
        address_format(a, text);
    int err = json_object_set_new(json, "address", json_of_text(text));
    if (is_ip)
        err |= json_object_set_new(json, "port", json_integer(address_port(a)));
    if (err == 0)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *tell_of_socket(const void *p)
{
    const struct socket_note *note = p;
    json_t *json =
        json_pack("{s:o, s:i, s:s, s:i, s:o}", "callback",
                  json_of_text(answer_function_name(note->callback)), "fd", note->fd, "impl",
                  note->impl, "mask", note->mask, "eventer_pool", json_of_text(note->pool));
    int err = 0;
    if (note->local.len > 0)
        err |= json_object_set_new(json, "local", address_json(&note->local));
    if (note->remote.len > 0)
        err |= json_object_set_new(json, "remote", address_json(&note->remote));
    if (err == 0)
        return json;
    json_decref(json);
    return NULL;
}

int endpoint_sockets(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    static const struct survey_kind kind = {
        .note_size = sizeof(struct socket_note), .look = look_at_sockets, .tell = tell_of_socket};
    survey_answer(restc->http_ctx, &kind);
    return 0;
}

/* ---- timers ---------------------------------------------------------------------- */

struct timer_note { /* short, as there may be very many in a part */
    eventer_func_t callback;
    const char *pool;
    uint64_t whence_ms;
};

static void note_timer(eventer_t e, void *closure)
{
    struct timeval whence = eventer_get_whence(e);
    struct timer_note note = {.callback = eventer_get_callback(e),
                              .pool = eventer_pool_name(eventer_get_pool_for_event(e)),
                              .whence_ms =
                                  (uint64_t)whence.tv_sec * 1000 + (uint64_t)whence.tv_usec / 1000};
    survey_note(closure, &note, sizeof(note));
}

static uint64_t look_at_timers(struct loop *loop, uint64_t from, struct survey_notes *notes)
{
    return foreach_timers_from(from, note_timer, notes);
}

static json_t *tell_of_timer(const void *p)
{
    const struct timer_note *note = p;
    return json_pack("{s:o, s:I, s:o}", "callback",
                     json_of_text(answer_function_name(eventer_name_for_callback(note->callback))),
                     "whence", (json_int_t)note->whence_ms, "eventer_pool",
                     json_of_text(note->pool));
}

int endpoint_timers(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    static const struct survey_kind kind = {
        .note_size = sizeof(struct timer_note), .look = look_at_timers, .tell = tell_of_timer};
    survey_answer(restc->http_ctx, &kind);
    return 0;
}
