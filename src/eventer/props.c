/* SPDX-License-Identifier: MIT */
#include "eventer/props.h"

#include "base/number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SIZE_MIN ((uint64_t)16 * 1024)
#define STACK_SIZE_MAX ((uint64_t)1 << 30)
#define STACKS_MAX     4096
#define NOFILES_MIN    256
#define SLOW_MS_MAX    86400000 /* a day */
#define DRAIN_S_MAX    86400

static struct props props = {
    .default_queue_threads = 5,
    .aco_stack_size = (uint64_t)1024 * 1024,
    .slow_callback_ms = -1,
    .slow_job_ms = -1,
    .drain_s = 10,
};

const struct props *props_get(void)
{
    return &props;
}

static const struct poller_ops *const pollers[] = {&poller_epoll, &poller_poll, &poller_uring};

static const struct poller_ops *find_poller(const char *name)
{
    for (size_t i = 0; i < sizeof(pollers) / sizeof(pollers[0]); i++)
        if (strcmp(pollers[i]->name, name) == 0)
            return pollers[i];
    return NULL;
}

const struct poller_ops *props_poller(void)
{
    const char *name = secure_getenv("EVENTER_IMPLEMENTATION");
    if (props.poller != NULL)
        return props.poller;
    return name == NULL || *name == '\0' ? &poller_epoll : find_poller(name);
}

void props_set_poller(const struct poller_ops *ops)
{
    props.poller = ops;
}

static int set_poller(const char *name)
{
    const struct poller_ops *ops = find_poller(name);
    if (ops == NULL)
        return -EINVAL;
    props.poller = ops;
    return 0;
}

static const struct {
    const char *key;
    uint64_t *value;
    uint64_t min, max;
} numbers[] = {
    {"concurrency", &props.concurrency, 0, POOL_LOOPS_MAX},
    {"default_queue_threads", &props.default_queue_threads, 1, JOBQ_THREADS_MAX},
    {"rlim_nofiles", &props.rlim_nofiles, NOFILES_MIN, UINT32_MAX},
    {"drain_seconds", &props.drain_s, 0, DRAIN_S_MAX},
    {"aco_shared_stacks", &props.aco_shared_stacks, 0, STACKS_MAX},
    {"aco_stack_size", &props.aco_stack_size, STACK_SIZE_MIN, STACK_SIZE_MAX},
};

/* Move *value behind the next comma, or to NULL; give the field before it. */
static size_t take_field(const char **value, const char **out)
{
    size_t len = strcspn(*value, ",");
    *out = *value;
    *value = (*value)[len] == ',' ? *value + len + 1 : NULL;
    return len;
}

/* Seconds, as "5" or "0.25", in nanoseconds. */
static int duration_ns(const char *text, size_t len, uint64_t max_ns, uint64_t *out)
{
    uint64_t seconds, fraction = 0, unit = CLOCK_NS_PER_S;
    const char *point = memchr(text, '.', len);
    size_t whole = point == NULL ? len : (size_t)(point - text);
    if (number_u64(text, whole, max_ns / CLOCK_NS_PER_S, &seconds) != 0)
        return -EINVAL;
    if (point != NULL) {
        size_t digits = len - whole - 1;
        if (digits > 9 || number_u64(point + 1, digits, CLOCK_NS_PER_S, &fraction) != 0)
            return -EINVAL;
        while (digits-- > 0)
            unit /= 10;
    }
    *out = seconds * CLOCK_NS_PER_S + fraction * unit;
    return 0;
}

/* loops[,seconds] */
static int parse_pool(const char *value, struct props_pool *pool)
{
    const char *field;
    size_t len = take_field(&value, &field);
    int err = number_u64(field, len, POOL_LOOPS_MAX, &pool->loops);
    if (err == 0 && value != NULL) {
        len = take_field(&value, &field);
        err =
            value != NULL ? -EINVAL : duration_ns(field, len, WATCHDOG_NS_MAX, &pool->watchdog_ns);
    }
    return err != 0 ? -EINVAL : 0;
}

static int set_pool(const char *name, const char *value)
{
    struct props_pool *pool = NULL, parsed = {.watchdog_ns = 0};
    if (*name == '\0' || strlen(name) > POOL_NAME_LEN_MAX || parse_pool(value, &parsed) != 0)
        return -EINVAL;
    if (strcmp(name, "default") == 0) {
        props.concurrency = parsed.loops;
        props.watchdog_ns = parsed.watchdog_ns;
        return 0;
    }
    for (size_t i = 0; i < props.pool_count; i++)
        if (strcmp(props.pools[i].name, name) == 0)
            pool = &props.pools[i];
    if (pool == NULL && props.pool_count + 1 == POOL_COUNT_MAX) /* one is the default pool */
        return -ENOSPC;
    if (pool == NULL)
        pool = &props.pools[props.pool_count++];
    snprintf(parsed.name, sizeof(parsed.name), "%s", name);
    *pool = parsed;
    return 0;
}

/* Return the index of the word of len bytes in words (count of them), or -1. */
static int word_index(const char *word, size_t len, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
            return i;
    return -1;
}

static int switch_of(const char *word, bool *is_on)
{
    static const char *const words[] = {"off", "on"};
    int index = word_index(word, strlen(word), words, 2);
    if (index < 0)
        return -EINVAL;
    *is_on = index == 1;
    return 0;
}

static int order_of(const char *word, size_t len, bool *is_lifo)
{
    static const char *const words[] = {"fifo", "lifo"};
    int index = word_index(word, len, words, 2);
    if (index < 0)
        return -EINVAL;
    *is_lifo = index == 1;
    return 0;
}

static int safety_of(const char *word, size_t len, eventer_jobq_memory_safety_t *safety)
{
    static const char *const words[] = {
        [EVENTER_JOBQ_MS_NONE] = "none", [EVENTER_JOBQ_MS_CS] = "cs", [EVENTER_JOBQ_MS_GC] = "gc"};
    int index = word_index(word, len, words, 3);
    if (index < 0)
        return -EINVAL;
    *safety = (eventer_jobq_memory_safety_t)index;
    return 0;
}

/* threads[,min[,max[,gc|cs|none[,backlog[,fifo|lifo]]]]] */
static int parse_jobq(const char *value, struct props_jobq *jobq)
{
    uint64_t *const numbers_of[] = {&jobq->threads, &jobq->min, &jobq->max};
    const char *field;
    int err = 0;
    for (int i = 0; i < 3 && value != NULL && err == 0; i++) {
        size_t len = take_field(&value, &field);
        err = number_u64(field, len, JOBQ_THREADS_MAX, numbers_of[i]);
        if (i == 1)
            jobq->max = jobq->min; /* unless it is given, too */
    }
    if (value != NULL && err == 0) {
        size_t len = take_field(&value, &field);
        err = safety_of(field, len, &jobq->safety);
    }
    if (value != NULL && err == 0) {
        size_t len = take_field(&value, &field);
        err = number_u64(field, len, UINT32_MAX, &jobq->backlog_max);
    }
    if (value != NULL && err == 0) {
        size_t len = take_field(&value, &field);
        jobq->has_order = true;
        err = value != NULL ? -EINVAL : order_of(field, len, &jobq->is_lifo);
    }
    bool is_bound = jobq->threads >= jobq->min && (jobq->max == 0 || jobq->threads <= jobq->max);
    return err != 0 || jobq->threads == 0 || !is_bound ? -EINVAL : 0;
}

static int set_jobq(const char *name, const char *value)
{
    struct props_jobq *jobq = NULL, parsed = {.safety = EVENTER_JOBQ_MS_GC};
    if (*name == '\0' || strlen(name) > JOBQ_NAME_LEN_MAX || parse_jobq(value, &parsed) != 0)
        return -EINVAL;
    for (size_t i = 0; i < props.jobq_count; i++)
        if (strcmp(props.jobqs[i].name, name) == 0)
            jobq = &props.jobqs[i];
    if (jobq == NULL && props.jobq_count == PROPS_JOBQS_MAX)
        return -ENOSPC;
    if (jobq == NULL)
        jobq = &props.jobqs[props.jobq_count++];
    snprintf(parsed.name, sizeof(parsed.name), "%s", name);
    *jobq = parsed;
    return 0;
}

static int set_slow_ms(const char *value, int64_t *ms)
{
    uint64_t number;
    if (strcmp(value, "-1") == 0) {
        *ms = -1;
        return 0;
    }
    if (number_u64(value, strlen(value), SLOW_MS_MAX, &number) != 0)
        return -EINVAL;
    *ms = (int64_t)number;
    return 0;
}

static int set(const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t number;
        if (strcmp(numbers[i].key, key) != 0)
            continue;
        if (number_u64(value, strlen(value), numbers[i].max, &number) != 0 ||
            number < numbers[i].min)
            return -EINVAL;
        *numbers[i].value = number;
        return 0;
    }
    if (strncmp(key, "loop_", 5) == 0)
        return set_pool(key + 5, value);
    if (strncmp(key, "jobq_", 5) == 0)
        return set_jobq(key + 5, value);
    if (strcmp(key, "default_jobq_ordering") == 0)
        return order_of(value, strlen(value), &props.jobqs_are_lifo);
    if (strcmp(key, "cpu_affinity") == 0)
        return switch_of(value, &props.has_affinity);
    if (strcmp(key, "show_loop_callbacks_threshold") == 0)
        return set_slow_ms(value, &props.slow_callback_ms);
    if (strcmp(key, "show_jobq_callbacks_threshold") == 0)
        return set_slow_ms(value, &props.slow_job_ms);
    if (strcmp(key, "implementation") == 0)
        return set_poller(value);
    return -ENOENT;
}

int eventer_propset(const char *key, const char *value)
{
    int err = key == NULL || value == NULL ? -EINVAL : set(key, value);
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

int eventer_choose(const char *name)
{
    return eventer_propset("implementation", name);
}
