/* SPDX-License-Identifier: MIT */
#include "rest/rules_impl.h"

#include "base/alloc.h"
#include "http/http1_char.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a, taken byte by byte while a path is walked (Fowler, Noll, Vo). */
#define HASH_START UINT32_C(2166136261)
#define HASH_PRIME UINT32_C(16777619)

static inline uint32_t hash_step(uint32_t hash, char c)
{
    return (hash ^ (uint8_t)c) * HASH_PRIME;
}

static inline size_t bucket_of(uint32_t hash)
{
    static_assert(RULES_BUCKET_COUNT == 256, "the upper bits are folded into eight");
    return (hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24) & (RULES_BUCKET_COUNT - 1);
}

void rules_init(struct rules *rules)
{
    *rules = (struct rules){.lock = PTHREAD_MUTEX_INITIALIZER};
}

static void rule_free(struct mtev_rest_mountpoint *rule)
{
    if (rule == NULL)
        return;
    regex_free(rule->regex);
    alloc_free(rule->expression);
    alloc_free(atomic_load(&rule->protocol));
    alloc_free(rule->method);
    alloc_free(rule);
}

static void base_free(struct rules_base *base)
{
    struct mtev_rest_mountpoint *rule = atomic_load(&base->first);
    while (rule != NULL) {
        struct mtev_rest_mountpoint *next = atomic_load(&rule->next);
        rule_free(rule);
        rule = next;
    }
    alloc_free(base);
}

void rules_fini(struct rules *rules)
{
    for (size_t i = 0; i < RULES_BUCKET_COUNT; i++) {
        struct rules_base *base = atomic_load(&rules->buckets[i]);
        while (base != NULL) {
            struct rules_base *next = atomic_load(&base->next);
            base_free(base);
            base = next;
        }
    }
    pthread_mutex_destroy(&rules->lock);
}

void rules_each(const struct rules *rules,
                void (*fn)(const struct mtev_rest_mountpoint *rule, void *closure), void *closure)
{
    for (size_t i = 0; i < RULES_BUCKET_COUNT; i++)
        for (const struct rules_base *base = atomic_load(&rules->buckets[i]); base != NULL;
             base = atomic_load(&base->next))
            for (const struct mtev_rest_mountpoint *rule = atomic_load(&base->first); rule != NULL;
                 rule = atomic_load(&rule->next))
                fn(rule, closure);
}

/* ---- adding ---------------------------------------------------------------------- */

static int check(const char *method, const char *base, char reason[static REGEX_REASON_SIZE])
{
    size_t method_len = strnlen(method, RULES_METHOD_MAX + 1);
    size_t base_len = strnlen(base, RULES_BASE_MAX + 1);
    const char *wrong = NULL;
    if (method_len == 0 || method_len > RULES_METHOD_MAX ||
        http1_char_skip_token(method, method + method_len) != method + method_len)
        wrong = "the method is no token of 32 bytes or less";
    else if (base_len > RULES_BASE_MAX)
        wrong = "the base has more than 1023 bytes";
    else if (base_len == 0 || base[0] != '/' || base[base_len - 1] != '/')
        wrong = "the base does not begin and end with '/'";
    if (wrong == NULL)
        return 0;
    snprintf(reason, REGEX_REASON_SIZE, "%s", wrong);
    return -EINVAL;
}

static int rule_new(const char *method, const char *expression,
                    const struct mtev_rest_mountpoint *like, char reason[static REGEX_REASON_SIZE],
                    struct mtev_rest_mountpoint **out)
{
    struct mtev_rest_mountpoint *rule = alloc_zeroed(1, sizeof(*rule));
    if (rule == NULL)
        return -ENOMEM;
    rule->method = alloc_text(method);
    rule->expression = alloc_text(expression);
    const char *protocol = atomic_load(&like->protocol);
    if (protocol != NULL)
        atomic_init(&rule->protocol, alloc_text(protocol));
    int err = rule->method == NULL || rule->expression == NULL ||
                      (protocol != NULL && atomic_load(&rule->protocol) == NULL)
                  ? -ENOMEM
                  : 0;
    if (err == 0)
        err = regex_compile(expression, reason, &rule->regex);
    if (err != 0) {
        rule_free(rule);
        return err;
    }
    rule->groups = regex_groups(rule->regex);
    atomic_init(&rule->handler, atomic_load(&like->handler));
    atomic_init(&rule->auth, atomic_load(&like->auth));
    atomic_init(&rule->closure, atomic_load(&like->closure));
    atomic_init(&rule->on_message, atomic_load(&like->on_message));
    *out = rule;
    return 0;
}

static struct rules_base *find_base(const struct rules *rules, const char *text, size_t len,
                                    uint32_t hash)
{
    /* acquire, here and for what hangs on it: pairs with the release in link_base() */
    struct rules_base *base =
        atomic_load_explicit(&rules->buckets[bucket_of(hash)], memory_order_acquire);
    while (base != NULL &&
           (base->hash != hash || base->len != len || memcmp(base->text, text, len) != 0))
        base = atomic_load_explicit(&base->next, memory_order_acquire);
    return base;
}

/* Make the base and publish it; without rules it is as good as none.  NULL: no memory. */
static struct rules_base *link_base(struct rules *rules, const char *text, size_t len,
                                    uint32_t hash)
{
    struct rules_base *base = alloc_zeroed(1, sizeof(*base) + len + 1);
    if (base == NULL)
        return NULL;
    base->hash = hash;
    base->len = len;
    memcpy(base->text, text, len);
    _Atomic(struct rules_base *) *bucket = &rules->buckets[bucket_of(hash)];
    atomic_init(&base->next, atomic_load_explicit(bucket, memory_order_relaxed));
    if (len > atomic_load_explicit(&rules->base_len_max, memory_order_relaxed))
        atomic_store_explicit(&rules->base_len_max, len, memory_order_relaxed);
    atomic_store_explicit(bucket, base, memory_order_release);
    return base;
}

static int link_rule(struct rules *rules, const char *text, struct mtev_rest_mountpoint *rule)
{
    size_t len = strlen(text);
    uint32_t hash = HASH_START;
    for (size_t i = 0; i < len; i++)
        hash = hash_step(hash, text[i]);

    pthread_mutex_lock(&rules->lock);
    struct rules_base *base = find_base(rules, text, len, hash);
    if (base == NULL)
        base = link_base(rules, text, len, hash);
    if (base != NULL) {
        rule->base = base->text;
        /* release: pairs with the acquire in match_first() */
        if (base->last == NULL)
            atomic_store_explicit(&base->first, rule, memory_order_release);
        else
            atomic_store_explicit(&base->last->next, rule, memory_order_release);
        base->last = rule;
    }
    pthread_mutex_unlock(&rules->lock);
    return base == NULL ? -ENOMEM : 0;
}

int rules_add(struct rules *rules, const char *const keys[static 3],
              const struct mtev_rest_mountpoint *like, char reason[static REGEX_REASON_SIZE],
              struct mtev_rest_mountpoint **out)
{
    struct mtev_rest_mountpoint *rule = NULL;
    int err = check(keys[0], keys[1], reason);
    if (err == 0)
        err = rule_new(keys[0], keys[2], like, reason, &rule);
    if (err == 0)
        err = link_rule(rules, keys[1], rule);
    if (err != 0) {
        rule_free(rule);
        return err;
    }
    *out = rule;
    return 0;
}

/* ---- finding --------------------------------------------------------------------- */

int rules_locate(const struct rules *rules, const char *path, size_t len, struct rules_place *out)
{
    const struct rules_base *longest = NULL;
    size_t len_max = atomic_load_explicit(&rules->base_len_max, memory_order_relaxed);
    uint32_t hash = HASH_START;
    if (len_max > len)
        len_max = len;
    for (size_t i = 0; i < len_max; i++) {
        hash = hash_step(hash, path[i]);
        if (path[i] != '/')
            continue;
        const struct rules_base *base = find_base(rules, path, i + 1, hash);
        /* A base whose first rule is about to be linked does not hide a shorter one. */
        if (base != NULL && atomic_load_explicit(&base->first, memory_order_relaxed) != NULL)
            longest = base;
    }
    if (longest == NULL)
        return -ENOENT;
    *out = (struct rules_place){longest, path + longest->len, len - longest->len};
    return 0;
}

/*
 * The first rule at place for method (NULL: any) that matches.  Returns what regex_find() said of
 * the rule in *out, or 0: none.
 */
static int match_first(const struct rules_place *place, const char *method,
                       struct regex_match *match, struct mtev_rest_mountpoint **out)
{
    struct mtev_rest_mountpoint *rule =
        atomic_load_explicit(&place->base->first, memory_order_acquire);
    while (rule != NULL) {
        if (method == NULL || strcmp(rule->method, method) == 0) {
            int found = regex_find(rule->regex, place->rest, place->rest_len, match);
            if (found != 0) {
                *out = rule;
                return found;
            }
        }
        rule = atomic_load_explicit(&rule->next, memory_order_acquire);
    }
    return 0;
}

int rules_find(const struct rules_place *place, const char *method, struct regex_match *match,
               struct mtev_rest_mountpoint **out)
{
    struct mtev_rest_mountpoint *other = NULL;
    int found = match_first(place, method, match, out);
    if (found == 0 && strcmp(method, "HEAD") == 0)
        found = match_first(place, "GET", match, out);
    if (found != 0)
        return found;
    found = match_first(place, NULL, match, &other);
    if (found < 0)
        *out = other;
    if (found == 0)
        return -ENOENT;
    return found < 0 ? found : -ENOTSUP;
}

static bool has_method(const struct buf *text, const char *method)
{
    size_t len = strlen(method);
    for (size_t i = 0; i + len <= text->len; i++) {
        bool begins = i == 0 || text->bytes[i - 1] == ' ';
        bool ends = i + len == text->len || text->bytes[i + len] == ',';
        if (begins && ends && memcmp(text->bytes + i, method, len) == 0)
            return true;
    }
    return false;
}

static int append_method(struct buf *text, const char *method)
{
    if (has_method(text, method))
        return 0;
    int err = buf_appendf(text, "%s%s", text->len == 0 ? "" : ", ", method);
    return err == -ENOSPC ? 0 : err;
}

/* A request for one is a GET. */
static bool is_websocket(const struct mtev_rest_mountpoint *rule)
{
    return strcmp(rule->method, RULES_WEBSOCKET) == 0;
}

int rules_allow(const struct rules_place *place, struct regex_match *match, struct buf *text)
{
    int err = append_method(text, "OPTIONS");
    const struct mtev_rest_mountpoint *rule =
        atomic_load_explicit(&place->base->first, memory_order_acquire);
    while (rule != NULL && err == 0) {
        int found = regex_find(rule->regex, place->rest, place->rest_len, match);
        if (found == -ENOMEM)
            err = found;
        if (found > 0) {
            err = append_method(text, is_websocket(rule) ? "GET" : rule->method);
            if (err == 0 && strcmp(rule->method, "GET") == 0)
                err = append_method(text, "HEAD");
        }
        rule = atomic_load_explicit(&rule->next, memory_order_acquire);
    }
    return err;
}
