/* SPDX-License-Identifier: MIT */
#include "log/memory.h"

#include "base/alloc.h"
#include "base/number.h"
#include "log/outlet.h"
#include "log/stream_impl.h"

#include <errno.h>
#include <string.h>

/* Texts lie in bytes one behind the other, none across its end; the lines are a ring. */
struct memory {
    pthread_mutex_t lock;
    size_t lines_max, bytes_max;
    size_t first, count;
    uint64_t next_index;
    struct memory_line *lines; /* owned */
    char *bytes;               /* owned */
};

int memory_new(size_t lines, size_t bytes, struct memory **out)
{
    struct memory *m = alloc_zeroed(1, sizeof(*m));
    if (m == NULL)
        return -ENOMEM;
    pthread_mutex_init(&m->lock, NULL);
    m->lines_max = lines;
    m->bytes_max = bytes;
    m->lines = alloc_zeroed(lines, sizeof(*m->lines));
    m->bytes = alloc_bytes(bytes);
    if (m->lines == NULL || m->bytes == NULL) {
        memory_free(m);
        return -ENOMEM;
    }
    *out = m;
    return 0;
}

void memory_free(struct memory *m)
{
    if (m == NULL)
        return;
    pthread_mutex_destroy(&m->lock);
    alloc_free(m->lines);
    alloc_free(m->bytes);
    alloc_free(m);
}

static struct memory_line *line_at(const struct memory *m, size_t i)
{
    return &m->lines[(m->first + i) % m->lines_max];
}

/* Where line ends; an empty one has a byte too, so that it lies somewhere. */
static size_t end_of(const struct memory_line *line)
{
    return line->start + MAX(line->len, 1);
}

/* Drop the oldest lines until len > 0 bytes are free behind the newest.  Returns where. */
static size_t make_room(struct memory *m, size_t len)
{
    const struct memory_line *newest = m->count == 0 ? NULL : line_at(m, m->count - 1);
    size_t end = newest == NULL ? 0 : end_of(newest);
    bool wraps = end + len > m->bytes_max;
    size_t start = wraps ? 0 : end;
    while (m->count > 0) {
        const struct memory_line *oldest = line_at(m, 0);
        bool is_beyond = wraps && oldest->start >= end;
        bool overlaps = oldest->start < start + len && end_of(oldest) > start;
        if (m->count < m->lines_max && !is_beyond && !overlaps)
            break;
        m->first = (m->first + 1) % m->lines_max;
        m->count--;
    }
    return start;
}

void memory_add(struct memory *m, const struct timeval *when, const char *text, size_t len)
{
    len = MIN(len, m->bytes_max);
    pthread_mutex_lock(&m->lock);
    size_t start = make_room(m, MAX(len, 1));
    memcpy(m->bytes + start, text, len);
    *line_at(m, m->count++) =
        (struct memory_line){.index = m->next_index++, .when = *when, .start = start, .len = len};
    pthread_mutex_unlock(&m->lock);
}

/* The lines [*from, *to) of those there are that are wanted; how many bytes they have. */
static size_t choose(const struct memory *m, const struct memory_range *range, size_t *from,
                     size_t *to)
{
    const uint64_t oldest = m->next_index - m->count; /* the indices have no gaps */
    const uint64_t end = MIN(range->end, m->next_index), first = MAX(range->first, oldest);
    size_t bytes = 0;
    *to = end > oldest ? (size_t)(end - oldest) : 0;
    *from = first > oldest ? MIN((size_t)(first - oldest), *to) : 0;
    if (*to - *from > range->count)
        *from = *to - range->count;
    for (size_t i = *from; i < *to; i++)
        bytes += line_at(m, i)->len;
    return bytes;
}

int64_t memory_copy(struct memory *m, const struct memory_range *range,
                    struct memory_line **ret_lines, char **ret_bytes)
{
    size_t from, to, len = 0;
    pthread_mutex_lock(&m->lock);
    size_t bytes_len = choose(m, range, &from, &to);
    struct memory_line *lines = alloc_zeroed(to - from + 1, sizeof(*lines));
    char *bytes = alloc_bytes(bytes_len + 1);
    for (size_t i = from; lines != NULL && bytes != NULL && i < to; i++) {
        const struct memory_line *line = line_at(m, i);
        lines[i - from] = *line;
        lines[i - from].start = len;
        memcpy(bytes + len, m->bytes + line->start, line->len);
        len += line->len;
    }
    pthread_mutex_unlock(&m->lock);
    if (lines == NULL || bytes == NULL) {
        alloc_free(lines);
        alloc_free(bytes);
        return -ENOMEM;
    }
    *ret_lines = lines;
    *ret_bytes = bytes;
    return (int64_t)(to - from);
}

void memory_span(struct memory *m, uint64_t *first, uint64_t *end)
{
    pthread_mutex_lock(&m->lock);
    *first = m->next_index - m->count;
    *end = m->next_index;
    pthread_mutex_unlock(&m->lock);
}

/* ---- as an outlet ---------------------------------------------------------------- */

/* Read LINES,BYTES. */
static int read_path(const char *path, uint64_t *ret_lines, uint64_t *ret_bytes)
{
    size_t first = strcspn(path, ",");
    const char *second = path + first + (path[first] == ',');
    if (number_u64(path, first, MEMORY_LINES_MAX, ret_lines) != 0 || *ret_lines == 0 ||
        number_u64(second, strlen(second), MEMORY_BYTES_MAX, ret_bytes) != 0 || *ret_bytes == 0)
        return -EINVAL;
    return 0;
}

static int check_memory(const char *path)
{
    uint64_t lines, bytes;
    return read_path(path, &lines, &bytes);
}

static int open_memory(struct outlet *o, int *ret_fd)
{
    uint64_t lines, bytes;
    struct memory *m = NULL;
    (void)ret_fd;
    int err = read_path(o->path, &lines, &bytes);
    if (err == 0)
        err = memory_new(lines, bytes, &m);
    o->target = m;
    return err;
}

static int say_memory(struct outlet *o, const struct log_line *line, const char *text, size_t len)
{
    memory_add(o->target, &line->when, text, len);
    return 0;
}

static void close_memory(struct outlet *o)
{
    memory_free(o->target);
}

const struct outlet_ops outlet_memory = {.type = "memory",
                                         .check = check_memory,
                                         .open = open_memory,
                                         .say = say_memory,
                                         .close = close_memory};

/* The memory that ls is, while the lock of the streams is held; NULL: it is none. */
static struct memory *memory_of(const struct log_stream *s)
{
    struct outlet *o =
        s != NULL && s->material > 0 ? stream_outlet((unsigned)s->material - 1) : NULL;
    return o != NULL && o->ops == &outlet_memory ? o->target : NULL;
}

/* Copy lines of ls; without a lock held, so that whoever looks at them may log. */
static int64_t copy_of(mtev_log_stream_t ls, const struct memory_range *range,
                       struct memory_line **ret_lines, char **ret_bytes)
{
    int64_t copied = -EINVAL;
    stream_lock();
    struct memory *m = memory_of(ls);
    if (m != NULL)
        copied = memory_copy(m, range, ret_lines, ret_bytes);
    stream_unlock();
    return copied;
}

static int visit_lines(mtev_log_stream_t ls, const struct memory_range *range,
                       int (*visit)(uint64_t, const struct timeval *, const char *, size_t, void *),
                       void *closure)
{
    struct memory_line *lines = NULL;
    char *bytes = NULL;
    int64_t copied = copy_of(ls, range, &lines, &bytes);
    if (copied < 0) {
        errno = (int)-copied;
        return -1;
    }
    int visited = 0;
    while (visited < copied) {
        const struct memory_line *line = &lines[visited++];
        if (visit(line->index, &line->when, bytes + line->start, line->len, closure) != 0)
            break;
    }
    alloc_free(lines);
    alloc_free(bytes);
    return visited;
}

int mtev_log_memory_lines(mtev_log_stream_t ls, int log_lines,
                          int (*visit)(uint64_t index, const struct timeval *when, const char *text,
                                       size_t len, void *closure),
                          void *closure)
{
    const struct memory_range range = {.end = UINT64_MAX,
                                       .count = log_lines <= 0 ? SIZE_MAX : (size_t)log_lines};
    return visit_lines(ls, &range, visit, closure);
}

int mtev_log_memory_lines_since(mtev_log_stream_t ls, uint64_t afterwhich,
                                int (*visit)(uint64_t index, const struct timeval *when,
                                             const char *text, size_t len, void *closure),
                                void *closure)
{
    const struct memory_range range = {.first =
                                           afterwhich == UINT64_MAX ? UINT64_MAX : afterwhich + 1,
                                       .end = UINT64_MAX,
                                       .count = SIZE_MAX};
    return visit_lines(ls, &range, visit, closure);
}

int log_memory_lines_between(mtev_log_stream_t ls, uint64_t first, uint64_t end,
                             int (*visit)(uint64_t index, const struct timeval *when,
                                          const char *text, size_t len, void *closure),
                             void *closure)
{
    const struct memory_range range = {.first = first, .end = end, .count = SIZE_MAX};
    return visit_lines(ls, &range, visit, closure);
}

int log_memory_span(mtev_log_stream_t ls, uint64_t *first, uint64_t *end)
{
    stream_lock();
    struct memory *m = memory_of(ls);
    if (m != NULL)
        memory_span(m, first, end);
    stream_unlock();
    return m == NULL ? -EINVAL : 0;
}
