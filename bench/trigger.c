/* SPDX-License-Identifier: MIT */
/*
 * trigger.c - how soon, and how often, other threads can have a loop call something.
 *
 * eventer_trigger() beside uv_async_send() and event_active().  One thread triggers, waits for the
 * callback, and again: while the loop sleeps, and while it is busy with an fd that is always ready.
 * Then eight threads send messages, each of which the loop has to see once.  A trigger is such a
 * message; the peers' calls are merged with earlier ones, so beside them a list under a mutex
 * carries the messages.  No thread has more than WINDOW of its messages under way.
 *
 * The loop has one core, the senders another.  Each measurement is made in a process of its own;
 * these alternate, and the library comes a second time, whose ratio is the noise.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <mtev_defines.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#ifdef BENCH_UV
#include <uv.h>
#endif
#ifdef BENCH_EVENT
#include <event2/event.h>
#include <event2/thread.h>
#endif

#define RUN_COUNT    15
#define RUN_NS       (NS_PER_SEC / 5)
#define WARM_UP_NS   (NS_PER_SEC / 20)
#define PAUSE_NS     40000 /* after it, a loop that has nothing to do sleeps */
#define SAMPLE_MAX   100000
#define SENDER_MAX   8
#define WINDOW       64
#define CLOCK_ASK    64 /* messages between two looks at the clock */
#define NS_PER_US    1000.0
#define FIGURE_COUNT 2

enum variant {
    ASLEEP,
    BUSY,
    CROWD, /* of senders */
    VARIANT_COUNT,
};

struct message {
    struct message *next;
    int sender;
};

static enum variant chosen;
static int output;
static int ready_fd; /* always readable: what a busy loop is busy with */
static void (*send_to_loop)(int sender);
static _Alignas(64) _Atomic uint64_t seen_count; /* of the one sender's triggers */
static uint64_t seen_ns;                         /* the last one's; written before seen_count */
static struct {
    _Alignas(64) _Atomic uint64_t count;
} arrived[SENDER_MAX];

static void stay_on_core(int core)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)core, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void finish(double first, double second)
{
    double figures[FIGURE_COUNT] = {first, second};
    require(write(output, figures, sizeof(figures)) == sizeof(figures), "write");
    _exit(0);
}

/* ---- in the loop ----------------------------------------------------------------- */

static void note_trigger(void)
{
    seen_ns = clock_ns(CLOCK_MONOTONIC);
    atomic_fetch_add_explicit(&seen_count, 1, memory_order_release); /* pairs with trigger_for() */
}

/* Ends the process when there were enough. */
static void note_message(int sender)
{
    static uint64_t count, first_ns, begun_ns, begun_cpu_ns, begun_count;
    atomic_fetch_add_explicit(&arrived[sender].count, 1, memory_order_release);
    if (++count % CLOCK_ASK != 0)
        return;
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (first_ns == 0)
        first_ns = now_ns;
    if (begun_ns == 0 && now_ns - first_ns >= WARM_UP_NS) {
        begun_ns = now_ns;
        begun_cpu_ns = cpu_ns();
        begun_count = count;
    }
    if (begun_ns == 0 || now_ns - begun_ns < RUN_NS)
        return;
    double messages = (double)(count - begun_count);
    finish(messages * NS_PER_SEC / (double)(now_ns - begun_ns),
           (double)(cpu_ns() - begun_cpu_ns) / NS_PER_US / messages);
}

/* ---- the senders ----------------------------------------------------------------- */

/* Trigger and wait for ns; returns how often, and leaves how long each took. */
static size_t trigger_for(uint64_t ns, double *latency_us)
{
    uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + ns, sent_ns = 0;
    size_t count = 0;
    while (sent_ns < end_ns && count < SAMPLE_MAX) {
        uint64_t before = atomic_load(&seen_count);
        uint64_t next_ns = clock_ns(CLOCK_MONOTONIC) + PAUSE_NS;
        while ((sent_ns = clock_ns(CLOCK_MONOTONIC)) < next_ns)
            ;
        send_to_loop(0);
        while (atomic_load_explicit(&seen_count, memory_order_acquire) == before)
            ;
        latency_us[count++] = (double)(seen_ns - sent_ns) / NS_PER_US;
    }
    return count;
}

static void *measure_latency(void *unused)
{
    static double latency_us[SAMPLE_MAX];
    stay_on_core(1);
    (void)trigger_for(WARM_UP_NS, latency_us);
    size_t count = trigger_for(RUN_NS, latency_us);
    double p50_us = median(latency_us, count); /* sorts them */
    finish(p50_us, latency_us[count * 99 / 100]);
    return unused;
}

static void *send_without_end(void *number)
{
    int sender = (int)(intptr_t)number;
    stay_on_core(1);
    for (uint64_t sent = 0;; sent++) {
        while (sent - atomic_load_explicit(&arrived[sender].count, memory_order_acquire) >= WINDOW)
            sched_yield();
        send_to_loop(sender);
    }
    return NULL;
}

static void start_senders(void)
{
    pthread_t thread;
    if (chosen != CROWD)
        require(pthread_create(&thread, NULL, measure_latency, NULL) == 0, "a thread");
    for (int i = 0; i < SENDER_MAX && chosen == CROWD; i++)
        require(pthread_create(&thread, NULL, send_without_end, (void *)(intptr_t)i) == 0,
                "a thread");
}

/* ---- the library ----------------------------------------------------------------- */

static eventer_t triggered[SENDER_MAX];

static int on_trigger(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)now;
    if (chosen == CROWD)
        note_message((int)(intptr_t)closure);
    else
        note_trigger();
    return EVENTER_READ;
}

static int on_ready(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    return EVENTER_READ;
}

static void trigger_event(int sender)
{
    eventer_trigger(triggered[sender], EVENTER_READ);
}

static void run_eventer(int to)
{
    output = to;
    stay_on_core(0);
    require(eventer_propset("concurrency", "1") == 0 && eventer_init() == 0, "eventer_init");
    for (int i = 0; i < SENDER_MAX; i++) {
        triggered[i] = eventer_alloc_fd(on_trigger, (void *)(intptr_t)i, eventfd(0, EFD_CLOEXEC),
                                        EVENTER_READ);
        eventer_add(triggered[i]);
    }
    if (chosen == BUSY)
        eventer_add(eventer_alloc_fd(on_ready, NULL, ready_fd, EVENTER_READ));
    send_to_loop = trigger_event;
    start_senders();
    eventer_loop();
}

/* ---- the peers: messages in a list ----------------------------------------------- */

#if defined(BENCH_UV) || defined(BENCH_EVENT)
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct message *first, **last = &first;

static void put_message(int sender)
{
    struct message *message = malloc(sizeof(*message));
    require(message != NULL, "malloc");
    *message = (struct message){.sender = sender};
    pthread_mutex_lock(&lock);
    *last = message;
    last = &message->next;
    pthread_mutex_unlock(&lock);
}

/* The loop was called. */
static void take_messages(void)
{
    if (chosen != CROWD) {
        note_trigger();
        return;
    }
    pthread_mutex_lock(&lock);
    struct message *message = first, *next;
    first = NULL;
    last = &first;
    pthread_mutex_unlock(&lock);
    for (; message != NULL; message = next) {
        next = message->next;
        note_message(message->sender);
        free(message);
    }
}
#endif

/* ---- libuv ----------------------------------------------------------------------- */

#ifdef BENCH_UV
static uv_async_t async;

static void on_async(uv_async_t *unused)
{
    (void)unused;
    take_messages();
}

static void on_ready_uv(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
}

static void send_async(int sender)
{
    if (chosen == CROWD)
        put_message(sender);
    uv_async_send(&async);
}

static void run_libuv(int to)
{
    static uv_poll_t poll;
    output = to;
    stay_on_core(0);
    require(uv_async_init(uv_default_loop(), &async, on_async) == 0, "uv_async_init");
    if (chosen == BUSY)
        require(uv_poll_init(uv_default_loop(), &poll, ready_fd) == 0 &&
                    uv_poll_start(&poll, UV_READABLE, on_ready_uv) == 0,
                "uv_poll_start");
    send_to_loop = send_async;
    start_senders();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
#endif

/* ---- libevent -------------------------------------------------------------------- */

#ifdef BENCH_EVENT
static struct event *active;

static void on_active(evutil_socket_t fd, short what, void *closure)
{
    (void)fd, (void)what, (void)closure;
    take_messages();
}

static void on_ready_event(evutil_socket_t fd, short what, void *closure)
{
    (void)fd, (void)what, (void)closure;
}

static void send_active(int sender)
{
    if (chosen == CROWD)
        put_message(sender);
    event_active(active, EV_READ, 0);
}

static void run_libevent(int to)
{
    output = to;
    stay_on_core(0);
    require(evthread_use_pthreads() == 0, "evthread_use_pthreads");
    struct event_base *base = event_base_new();
    require(base != NULL, "event_base_new");
    active = event_new(base, -1, EV_PERSIST, on_active, NULL);
    if (chosen == BUSY)
        event_add(event_new(base, ready_fd, EV_READ | EV_PERSIST, on_ready_event, NULL), NULL);
    send_to_loop = send_active;
    start_senders();
    event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY);
}
#endif

/* ---- the table ------------------------------------------------------------------- */

static const struct contender {
    const char *library, *key;
    void (*run)(int output); /* NULL: it is not installed */
} contenders[] = {
    {"eventer", NULL, run_eventer},
    {"eventer-again", "again", run_eventer},
#ifdef BENCH_UV
    {"libuv", "uv", run_libuv},
#else
    {"libuv", "uv", NULL},
#endif
#ifdef BENCH_EVENT
    {"libevent", "event", run_libevent},
#else
    {"libevent", "event", NULL},
#endif
};
#define CONTENDER_COUNT (sizeof(contenders) / sizeof(contenders[0]))

static const char *const labels[VARIANT_COUNT] = {
    "\"loop\":\"asleep\"",
    "\"loop\":\"busy\"",
    "\"senders\":8",
};
static const char *const names[VARIANT_COUNT][FIGURE_COUNT] = {
    {"us_p50", "us_p99"},
    {"us_p50", "us_p99"},
    {"messages_per_s", "loop_cpu_us_per_message"},
};

static double values[CONTENDER_COUNT][FIGURE_COUNT][RUN_COUNT];
static double ratios[CONTENDER_COUNT][FIGURE_COUNT][RUN_COUNT];

static void print_all(void)
{
    for (size_t c = 0; c < CONTENDER_COUNT; c++) {
        printf("{\"bench\":\"trigger\",\"library\":\"%s\",%s", contenders[c].library,
               labels[chosen]);
        if (contenders[c].run == NULL)
            printf(",\"skipped\":\"not installed\"}\n");
        else
            printf(",\"%s\":%.2f,\"%s\":%.3f,\"runs\":%d}\n", names[chosen][0],
                   median(values[c][0], RUN_COUNT), names[chosen][1],
                   median(values[c][1], RUN_COUNT), RUN_COUNT);
    }
    printf("{\"bench\":\"trigger\",%s", labels[chosen]);
    for (size_t c = 1; c < CONTENDER_COUNT; c++)
        for (int f = 0; f < FIGURE_COUNT && contenders[c].run != NULL; f++)
            printf(",\"eventer_to_%s_%s\":%.2f", contenders[c].key, names[chosen][f],
                   median(ratios[c][f], RUN_COUNT));
    printf("}\n");
    fflush(stdout);
}

static void compare(void)
{
    for (int i = 0; i < RUN_COUNT; i++)
        for (size_t c = 0; c < CONTENDER_COUNT; c++) {
            double figures[FIGURE_COUNT];
            if (contenders[c].run == NULL)
                continue;
            in_child(contenders[c].run, figures, FIGURE_COUNT);
            for (int f = 0; f < FIGURE_COUNT; f++) {
                values[c][f][i] = figures[f];
                ratios[c][f][i] = values[0][f][i] / figures[f];
            }
        }
    print_all();
}

int main(void)
{
    ready_fd = eventfd(1, EFD_CLOEXEC);
    for (chosen = ASLEEP; chosen < VARIANT_COUNT; chosen++)
        compare();
    return 0;
}
