/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/number.h"
#include "console/commands_impl.h"
#include "console/session_impl.h"
#include "listener/address.h"

#include <eventer/eventer.h>
#include <mtev_intern.h>

#include <string.h>

#define LISTED_BYTES_MAX (16u * 1024 * 1024) /* of a list of events */

/* ---- events ---------------------------------------------------------------------- */

/* What the loops write down, one after the other, before it is sent: they do not wait for that. */
struct list {
    struct buf text;
    unsigned count, left_out;
};

static void add_name(struct list *list, eventer_t e)
{
    list->count++;
    if (buf_appendf(&list->text, "%-40s ",
                    eventer_name_for_callback_e(eventer_get_callback(e), e)) != 0)
        list->left_out++;
}

static void add_timer(eventer_t e, void *closure)
{
    struct list *list = closure;
    struct timeval now, whence = eventer_get_whence(e);
    mtev_gettimeofday(&now, NULL);
    add_name(list, e);
    (void)buf_appendf(&list->text, "in %.3f s, %s\n", sub_timeval_d(whence, now),
                      eventer_pool_name(eventer_get_pool_for_event(e)));
}

static void add_address(struct list *list, const char *what,
                        int (*get)(int, struct sockaddr *, socklen_t *), int fd)
{
    char text[ADDRESS_TEXT_MAX];
    struct address address = {.len = sizeof(address.local)};
    if (get(fd, &address.any, &address.len) != 0 || address.any.sa_family == AF_UNSPEC)
        return;
    address_format(&address, text);
    (void)buf_appendf(&list->text, ", %s %s", what, text);
}

static void add_socket(eventer_t e, void *closure)
{
    struct list *list = closure;
    int mask = eventer_get_mask(e), fd = eventer_get_fd(e);
    add_name(list, e);
    (void)buf_appendf(&list->text, "fd %d, %s%s%s, %s", fd, mask & EVENTER_READ ? "R" : "",
                      mask & EVENTER_WRITE ? "W" : "", mask & EVENTER_EXCEPTION ? "E" : "",
                      eventer_pool_name(eventer_get_pool_for_event(e)));
    add_address(list, "local", getsockname, fd);
    add_address(list, "remote", getpeername, fd);
    (void)buf_append(&list->text, "\n", 1);
}

static int show_list(mtev_console_closure_t s, struct list *list, const char *what)
{
    if (list->text.len > 0)
        session_write_foreign(s, list->text.bytes, list->text.len);
    nc_printf(s, "%u %s\n", list->count, what);
    if (list->left_out > 0)
        nc_printf(s, "%u of them are not shown: there are too many\n", list->left_out);
    buf_free(&list->text);
    return 0;
}

static int show_timers(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                       void *closure)
{
    struct list list = {.count = 0};
    buf_init(&list.text, LISTED_BYTES_MAX);
    eventer_foreach_timedevent(add_timer, &list);
    return show_list(s, &list, "timers");
}

static int show_sockets(mtev_console_closure_t s, int argc, char **argv,
                        mtev_console_state_t *state, void *closure)
{
    struct list list = {.count = 0};
    buf_init(&list.text, LISTED_BYTES_MAX);
    eventer_foreach_fdevent(add_socket, &list);
    return show_list(s, &list, "sockets");
}

static int show_memory(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                       void *closure)
{
    eventer_aco_stats_t stats;
    eventer_aco_get_stats(&stats);
    nc_printf(s, "events: %lld now, %lld made\n", (long long)eventer_allocations_current(),
              (long long)eventer_allocations_total());
    nc_printf(s, "coroutines: %llu now, %llu started; stacks: %llu shared, %llu private\n",
              (unsigned long long)stats.coroutines, (unsigned long long)stats.started,
              (unsigned long long)stats.shared_stacks, (unsigned long long)stats.private_stacks);
    return 0;
}

/* ---- coroutines ------------------------------------------------------------------ */

static int add_coroutine(const eventer_aco_info_t *info, void *closure)
{
    struct list *list = closure;
    list->count++;
    int err =
        buf_appendf(&list->text, "%-32s %-8s for %s", info->name, info->state, info->waits_for);
    if (err == 0 && info->fd >= 0)
        err = buf_appendf(&list->text, " on fd %d", info->fd);
    if (err == 0)
        err = buf_appendf(&list->text, ", age %.1f s, %s, %zu bytes, started at %s\n",
                          (double)info->age_ns / CLOCK_NS_PER_S, info->loop,
                          info->stack_bytes + info->saved_bytes,
                          info->where == NULL ? "an unknown place" : info->where);
    list->left_out += err != 0;
    return 0;
}

static int show_coroutines(mtev_console_closure_t s, int argc, char **argv,
                           mtev_console_state_t *state, void *closure)
{
    struct list list = {.count = 0};
    buf_init(&list.text, LISTED_BYTES_MAX);
    if (eventer_aco_foreach(add_coroutine, &list) != 0)
        nc_printf(s, "not all loops could be asked: %s\n", strerrordesc_np(errno));
    return show_list(s, &list, "coroutines");
}

/* ---- job queues ------------------------------------------------------------------ */

static void show_queue(eventer_jobq_t *q, void *closure)
{
    eventer_jobq_stats_t stats;
    uint32_t min, max;
    eventer_jobq_get_stats(q, &stats);
    eventer_jobq_get_min_max(q, &min, &max);
    nc_printf(closure,
              "%-16s concurrency %u (%u to %u), floor %u, %s, %llu threads, %llu wait, %llu run, "
              "%llu done\n",
              eventer_jobq_get_queue_name(q), eventer_jobq_get_concurrency(q), min, max,
              eventer_jobq_get_floor(q), eventer_jobq_get_lifo(q) ? "lifo" : "fifo",
              (unsigned long long)stats.threads, (unsigned long long)stats.backlog,
              (unsigned long long)stats.inflight, (unsigned long long)stats.done);
}

static eventer_jobq_t *find_queue(mtev_console_closure_t s, const char *name)
{
    eventer_jobq_t *q = eventer_jobq_retrieve(name);
    if (q == NULL)
        nc_printf(s, "there is no job queue %s\n", name);
    return q;
}

static int show_jobq(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                     void *closure)
{
    if (argc == 0)
        eventer_jobq_process_each(show_queue, s);
    for (int i = 0; i < argc; i++) {
        eventer_jobq_t *q = find_queue(s, argv[i]);
        if (q == NULL)
            return -1;
        show_queue(q, s);
    }
    return 0;
}

struct queue_search {
    const char *prefix;
    int index;
    char *found;
};

static void look_at_queue(eventer_jobq_t *q, void *closure)
{
    struct queue_search *search = closure;
    const char *name = eventer_jobq_get_queue_name(q);
    if (search->found == NULL && strncmp(name, search->prefix, strlen(search->prefix)) == 0 &&
        search->index-- == 0)
        search->found = alloc_text(name);
}

static char *queue_names(mtev_console_closure_t s, mtev_console_state_stack_t *stack,
                         mtev_console_state_t *state, int argc, char **argv, int index)
{
    struct queue_search search = {argv[argc - 1], index, NULL};
    if (argc == 1)
        eventer_jobq_process_each(look_at_queue, &search);
    return search.found;
}

#define JOBQ_USAGE "mtev jobq NAME [concurrency|min|max|floor|backlog NUMBER | fifo | lifo]"

/* True if what is a limit of q that could be set. */
static bool set_limit(eventer_jobq_t *q, const char *what, uint32_t number)
{
    uint32_t min, max;
    eventer_jobq_get_min_max(q, &min, &max);
    if (strcmp(what, "concurrency") == 0)
        eventer_jobq_set_concurrency(q, number);
    else if (strcmp(what, "min") == 0)
        eventer_jobq_set_min_max(q, number, max);
    else if (strcmp(what, "max") == 0)
        eventer_jobq_set_min_max(q, min, number);
    else if (strcmp(what, "floor") == 0)
        eventer_jobq_set_floor(q, number);
    else if (strcmp(what, "backlog") == 0)
        eventer_jobq_set_max_backlog(q, number);
    else
        return false;
    return true;
}

static int change_jobq(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                       void *closure)
{
    uint64_t number;
    if (argc < 1 || argc > 3)
        return commands_expect(s, JOBQ_USAGE);
    eventer_jobq_t *q = find_queue(s, argv[0]);
    if (q == NULL)
        return -1;
    bool is_order = argc == 2 && (strcmp(argv[1], "lifo") == 0 || strcmp(argv[1], "fifo") == 0);
    if (is_order)
        eventer_jobq_set_lifo(q, strcmp(argv[1], "lifo") == 0 ? mtev_true : mtev_false);
    else if (argc == 2)
        return commands_expect(s, JOBQ_USAGE);
    else if (argc == 3 && (number_u64(argv[2], strlen(argv[2]), UINT32_MAX, &number) != 0 ||
                           !set_limit(q, argv[1], (uint32_t)number)))
        return commands_expect(s, JOBQ_USAGE);
    show_queue(q, s);
    return 0;
}

static int show_interned(mtev_console_closure_t s, int argc, char **argv,
                         mtev_console_state_t *state, void *closure)
{
    mtev_intern_pool_stats_t stats = {.item_count = 0};
    mtev_intern_pool_t *pool = mtev_intern_pool_default();
    if (pool != NULL)
        mtev_intern_pool_stats(pool, &stats);
    nc_printf(s, "%u texts, %llu bytes\n", stats.item_count, (unsigned long long)stats.allocated);
    return 0;
}

static const struct command commands[] = {
    {{"show", "eventer", "debug"}, "timers", show_timers, NULL, NULL},
    {{"show", "eventer", "debug"}, "sockets", show_sockets, NULL, NULL},
    {{"show", "eventer", "debug"}, "jobq", show_jobq, queue_names, NULL},
    {{"show", "eventer", "debug"}, "memory", show_memory, NULL, NULL},
    {{"show"}, "coroutines", show_coroutines, NULL, NULL},
    {{"mtev"}, "jobq", change_jobq, queue_names, NULL},
    {{"mtev"}, "intern", show_interned, NULL, NULL},
};

bool commands_add_eventer(void)
{
    return commands_add(commands, sizeof(commands) / sizeof(commands[0]));
}
