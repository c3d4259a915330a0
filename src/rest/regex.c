/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "rest/regex_impl.h"

#include "base/alloc.h"
#include "eventer/loop.h"

#include <ctype.h>
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SPARES_COUNT   64 /* a loop has one of them almost always for itself */
#define CACHE_LINE_LEN 64

/* What all expressions share: made at the first one, never changed or freed. */
struct contexts {
    pcre2_general_context *memory;
    pcre2_match_context *bounds;
};

struct spare {
    alignas(CACHE_LINE_LEN) _Atomic(pcre2_match_data *) data;
};

struct regex {
    pcre2_code *code;
    size_t groups;
    bool is_literal; /* it matches what equals literal, and nothing else */
    size_t literal_len;
    char literal[];
};

static _Atomic(struct contexts *) shared;
static struct spare spares[SPARES_COUNT];

static void *take_memory(PCRE2_SIZE size, void *unused)
{
    return alloc_bytes(size);
}

static void give_memory(void *p, void *unused)
{
    alloc_free(p);
}

static void free_contexts(struct contexts *made)
{
    pcre2_match_context_free(made->bounds);
    pcre2_general_context_free(made->memory);
    alloc_free(made);
}

static struct contexts *make_contexts(void)
{
    struct contexts *made = alloc_zeroed(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    made->memory = pcre2_general_context_create(take_memory, give_memory, NULL);
    if (made->memory != NULL)
        made->bounds = pcre2_match_context_create(made->memory);
    if (made->bounds == NULL) {
        free_contexts(made);
        return NULL;
    }
    pcre2_set_match_limit(made->bounds, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(made->bounds, REGEX_STEPS_MAX);
    pcre2_set_heap_limit(made->bounds, REGEX_HEAP_KIB_MAX);
    return made;
}

/* Return what is shared, or NULL: no memory. */
static struct contexts *get_contexts(void)
{
    /* acquire: pairs with the exchange that publishes it */
    struct contexts *known = atomic_load_explicit(&shared, memory_order_acquire);
    if (known != NULL)
        return known;
    struct contexts *made = make_contexts();
    if (made == NULL)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&shared, &known, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    free_contexts(made);
    return known;
}

static size_t groups_of(const pcre2_code *code)
{
    uint32_t groups = 0;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    return groups;
}

static int compile(pcre2_compile_context *context, const char *text,
                   char reason[static REGEX_REASON_SIZE], pcre2_code **out)
{
    int code = 0;
    size_t offset = 0;
    char message[REGEX_REASON_SIZE / 2] = "";
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                     PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL | PCRE2_NEVER_UTF, &code,
                                     &offset, context);
    if (made != NULL) {
        *out = made;
        return 0;
    }
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return -ENOMEM;
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
    snprintf(reason, REGEX_REASON_SIZE, "\"%.40s\" is no expression: %s at byte %zu", text, message,
             offset);
    return -EINVAL;
}

/*
 * The text that alone matches expression, which is ^TEXT$ where TEXT has nothing that means
 * anything, goes into out (of the size of expression), with its length.  False: it is another one.
 */
static bool literal_of(const char *expression, char *out, size_t *ret_len)
{
    size_t len = strlen(expression), to = 0;
    if (len < 2 || expression[0] != '^' || expression[len - 1] != '$')
        return false;
    for (size_t i = 1; i < len - 1; i++) {
        char c = expression[i];
        if (c == '\\' && i + 2 < len && strchr(".-/", expression[i + 1]) != NULL)
            c = expression[++i];
        else if (!isalnum((unsigned char)c) && strchr("/_-~,:;=@&%", c) == NULL)
            return false;
        out[to++] = c;
    }
    *ret_len = to;
    return true;
}

int regex_compile(const char *text, char reason[static REGEX_REASON_SIZE], struct regex **out)
{
    struct contexts *known = get_contexts();
    if (strnlen(text, REGEX_EXPRESSION_MAX + 1) > REGEX_EXPRESSION_MAX) {
        snprintf(reason, REGEX_REASON_SIZE, "the expression has more than %d bytes",
                 REGEX_EXPRESSION_MAX);
        return -EINVAL;
    }
    struct regex *regex = alloc_zeroed(1, sizeof(*regex) + strlen(text));
    pcre2_compile_context *context =
        known == NULL ? NULL : pcre2_compile_context_create(known->memory);
    int err = regex == NULL || context == NULL ? -ENOMEM : 0;
    if (err == 0)
        err = compile(context, text, reason, &regex->code);
    pcre2_compile_context_free(context);
    if (err == 0)
        regex->groups = groups_of(regex->code);
    if (err == 0 && regex->groups > REGEX_GROUPS_MAX) {
        snprintf(reason, REGEX_REASON_SIZE, "the expression has more than %d groups",
                 REGEX_GROUPS_MAX);
        err = -EINVAL;
    }
    if (err != 0) {
        regex_free(regex);
        return err;
    }
    regex->is_literal = literal_of(text, regex->literal, &regex->literal_len);
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); /* where not, it is interpreted */
    *out = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (regex != NULL)
        pcre2_code_free(regex->code);
    alloc_free(regex);
}

size_t regex_groups(const struct regex *regex)
{
    return regex->groups;
}

static struct spare *own_spare(void)
{
    return &spares[loop_self == NULL ? 0 : (unsigned)loop_self->index % SPARES_COUNT];
}

static pcre2_match_data *take_data(const struct contexts *known)
{
    /* acquire: pairs with the release in regex_match_give() */
    pcre2_match_data *data =
        atomic_exchange_explicit(&own_spare()->data, NULL, memory_order_acquire);
    return data != NULL ? data : pcre2_match_data_create(REGEX_GROUPS_MAX + 1, known->memory);
}

void regex_match_give(struct regex_match *match)
{
    if (match->room == NULL)
        return;
    pcre2_match_data *other =
        atomic_exchange_explicit(&own_spare()->data, match->room, memory_order_acq_rel);
    match->room = NULL;
    pcre2_match_data_free(other);
}

int regex_find(const struct regex *regex, const char *text, size_t len, struct regex_match *match)
{
    if (regex->is_literal)
        return len == regex->literal_len && memcmp(text, regex->literal, len) == 0;
    const struct contexts *known = atomic_load_explicit(&shared, memory_order_acquire);
    if (match->room == NULL)
        match->room = take_data(known);
    if (match->room == NULL)
        return -ENOMEM;
    /* The machine code directly, or the interpreter where there is none. */
    int found =
        pcre2_jit_match(regex->code, (PCRE2_SPTR)text, len, 0, 0, match->room, known->bounds);
    if (found == PCRE2_ERROR_JIT_BADOPTION)
        found = pcre2_match(regex->code, (PCRE2_SPTR)text, len, 0, 0, match->room, known->bounds);
    if (found > 0)
        return found;
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    return found == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EOVERFLOW;
}

struct regex_span regex_span(const struct regex_match *match, const char *text, size_t group)
{
    const size_t *offsets = pcre2_get_ovector_pointer(match->room);
    size_t start = offsets[2 * group];
    size_t end = offsets[2 * group + 1];
    if (start == PCRE2_UNSET)
        return (struct regex_span){NULL, 0};
    /* Before PCRE2 10.38 a \K in a lookahead could make a group start behind its end. */
    return (struct regex_span){text + start, end > start ? end - start : 0};
}
