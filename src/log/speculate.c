/* SPDX-License-Identifier: MIT */
/*
 * Lines that are said only if something turns out: they are kept as they were said, and said or
 * forgotten later.
 */
#include "log/memory.h"
#include "log/stream_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

#define KVS_MAX       32  /* of a line */
#define LINE_OVERHEAD 256 /* that a line is given for what is not its text */

struct speculation { /* the stream, and what was said on it */
    struct log_stream stream;
    struct memory *kept;
};

struct head { /* of a kept line; behind it its key-values, then its texts */
    int number;
    uint32_t kv_count;
    uint32_t file; /* where its texts begin, each with a NUL behind it */
    uint32_t text, text_len;
};

mtev_log_stream_t mtev_log_speculate(int nlogs, int nbytes)
{
    struct speculation *spec = NULL;
    if (nlogs <= 0 || nlogs > MEMORY_LINES_MAX || nbytes <= 0) {
        errno = EINVAL;
        return NULL;
    }
    spec = alloc_zeroed(1, sizeof(*spec));
    if (spec == NULL)
        return NULL;
    size_t bytes = MIN((size_t)nbytes + (size_t)nlogs * LINE_OVERHEAD, MEMORY_BYTES_MAX);
    if (memory_new((size_t)nlogs, bytes, &spec->kept) != 0) {
        alloc_free(spec);
        errno = ENOMEM;
        return NULL;
    }
    spec->stream.flags = MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_MATERIAL;
    spec->stream.name = "speculation";
    spec->stream.speculation = spec;
    return &spec->stream;
}

/* Copy len bytes and a NUL to *at in blob.  Returns where. */
static uint32_t put(char *blob, size_t *at, const char *bytes, size_t len)
{
    size_t start = *at;
    if (blob != NULL) {
        memcpy(blob + start, bytes, len);
        blob[start + len] = '\0';
    }
    *at = start + len + 1;
    return (uint32_t)start;
}

/* Write line into blob (NULL: nowhere).  Returns its length. */
static size_t pack(const struct log_line *line, char *blob)
{
    struct head head = {.number = line->number};
    char number[32];
    while (line->kvs != NULL && head.kv_count < KVS_MAX && line->kvs[head.kv_count].key != NULL)
        head.kv_count++;
    size_t at = sizeof(head) + head.kv_count * sizeof(mtev_log_kv_t);
    for (uint32_t i = 0; i < head.kv_count; i++) {
        mtev_log_kv_t kv = line->kvs[i];
        kv.key = (const char *)(uintptr_t)put(blob, &at, kv.key, strlen(kv.key));
        if (kv.value_type == MTEV_LOG_KV_TYPE_STRING) {
            const char *value = line_value(&line->kvs[i], number, &kv.len);
            kv.value.v_string = (const char *)(uintptr_t)put(blob, &at, value, kv.len);
        }
        if (blob != NULL)
            memcpy(blob + sizeof(head) + i * sizeof(kv), &kv, sizeof(kv));
    }
    head.file = put(blob, &at, line->file, strlen(line->file));
    head.text = put(blob, &at, line->text, line->len);
    head.text_len = (uint32_t)line->len;
    if (blob != NULL)
        memcpy(blob, &head, sizeof(head));
    return at;
}

void speculation_add(struct speculation *spec, const struct log_line *line)
{
    size_t len = pack(line, NULL);
    char *blob = alloc_bytes(len);
    if (blob == NULL)
        return;
    pack(line, blob);
    memory_add(spec->kept, &line->when, blob, len);
    alloc_free(blob);
}

/* Say what blob holds on target. */
static void replay(const struct log_stream *target, const struct timeval *when, const char *blob,
                   size_t len)
{
    struct head head;
    mtev_log_kv_t kvs[KVS_MAX + 1];
    memcpy(&head, blob, MIN(len, sizeof(head)));
    if (len < sizeof(head) || head.text + head.text_len >= len) /* it was cut: too long to keep */
        return;
    memcpy(kvs, blob + sizeof(head), head.kv_count * sizeof(kvs[0]));
    for (uint32_t i = 0; i < head.kv_count; i++) {
        kvs[i].key = blob + (uintptr_t)kvs[i].key;
        if (kvs[i].value_type == MTEV_LOG_KV_TYPE_STRING)
            kvs[i].value.v_string = blob + (uintptr_t)kvs[i].value.v_string;
    }
    kvs[head.kv_count] = MLKV_END;
    const struct log_line line = {.stream = (mtev_log_stream_t)(uintptr_t)target,
                                  .facility = target->name,
                                  .when = *when,
                                  .file = blob + head.file,
                                  .number = head.number,
                                  .text = blob + head.text,
                                  .len = head.text_len,
                                  .kvs = kvs};
    line_say(&line);
}

static void replay_all(struct speculation *spec, mtev_log_stream_t target)
{
    const struct memory_range all = {.end = UINT64_MAX, .count = SIZE_MAX};
    struct memory_line *lines = NULL;
    char *bytes = NULL;
    int64_t count = memory_copy(spec->kept, &all, &lines, &bytes);
    for (int64_t i = 0; i < count; i++)
        replay(target, &lines[i].when, bytes + lines[i].start, lines[i].len);
    if (count < 0)
        mtevL(target, "what was said before is lost: %s\n", strerrordesc_np((int)-count));
    alloc_free(lines);
    alloc_free(bytes);
}

void mtev_log_speculate_finish(mtev_log_stream_t target, mtev_log_stream_t speculation)
{
    const struct log_stream *s = speculation;
    if (s == NULL || s->speculation == NULL)
        return;
    struct speculation *spec = s->speculation;
    if (target != MTEV_LOG_SPECULATE_ROLLBACK && N_L_S_ON(target))
        replay_all(spec, target);
    memory_free(spec->kept);
    alloc_free(spec);
}
