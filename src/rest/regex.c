/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "rest/regex_impl.h"

#include "base/alloc.h"
#include "eventer/loop.h"

#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
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
    alignas(CACHE_LINE_LEN) _Atomic(struct regex_match *) match;
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

static pcre2_code *code_of(const struct regex *regex)
{
    return (pcre2_code *)(uintptr_t)regex;
}

static pcre2_match_data *data_of(const struct regex_match *match)
{
    return (pcre2_match_data *)(uintptr_t)match;
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

int regex_compile(const char *text, char reason[static REGEX_REASON_SIZE], struct regex **out)
{
    struct contexts *known = get_contexts();
    if (strnlen(text, REGEX_EXPRESSION_MAX + 1) > REGEX_EXPRESSION_MAX) {
        snprintf(reason, REGEX_REASON_SIZE, "the expression has more than %d bytes",
                 REGEX_EXPRESSION_MAX);
        return -EINVAL;
    }
    pcre2_compile_context *context =
        known == NULL ? NULL : pcre2_compile_context_create(known->memory);
    if (context == NULL)
        return -ENOMEM;
    pcre2_code *code = NULL;
    int err = compile(context, text, reason, &code);
    pcre2_compile_context_free(context);
    if (err != 0)
        return err;
    if (regex_groups((struct regex *)code) > REGEX_GROUPS_MAX) {
        snprintf(reason, REGEX_REASON_SIZE, "the expression has more than %d groups",
                 REGEX_GROUPS_MAX);
        pcre2_code_free(code);
        return -EINVAL;
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where that cannot be, it is interpreted */
    *out = (struct regex *)code;
    return 0;
}

void regex_free(struct regex *regex)
{
    pcre2_code_free(code_of(regex));
}

size_t regex_groups(const struct regex *regex)
{
    uint32_t groups = 0;
    pcre2_pattern_info(code_of(regex), PCRE2_INFO_CAPTURECOUNT, &groups);
    return groups;
}

static struct spare *own_spare(void)
{
    return &spares[loop_self == NULL ? 0 : (unsigned)loop_self->index % SPARES_COUNT];
}

struct regex_match *regex_match_take(void)
{
    /* acquire: pairs with the release in regex_match_give() */
    struct regex_match *match =
        atomic_exchange_explicit(&own_spare()->match, NULL, memory_order_acquire);
    if (match != NULL)
        return match;
    struct contexts *known = get_contexts();
    return known == NULL
               ? NULL
               : (struct regex_match *)pcre2_match_data_create(REGEX_GROUPS_MAX + 1, known->memory);
}

void regex_match_give(struct regex_match *match)
{
    struct regex_match *other =
        atomic_exchange_explicit(&own_spare()->match, match, memory_order_acq_rel);
    pcre2_match_data_free(data_of(other));
}

int regex_find(const struct regex *regex, const char *text, size_t len, struct regex_match *match)
{
    const struct contexts *known = atomic_load_explicit(&shared, memory_order_acquire);
    /* The machine code directly, or the interpreter where there is none. */
    int found =
        pcre2_jit_match(code_of(regex), (PCRE2_SPTR)text, len, 0, 0, data_of(match), known->bounds);
    if (found == PCRE2_ERROR_JIT_BADOPTION)
        found =
            pcre2_match(code_of(regex), (PCRE2_SPTR)text, len, 0, 0, data_of(match), known->bounds);
    if (found > 0)
        return found;
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    return found == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -EOVERFLOW;
}

struct regex_span regex_span(const struct regex_match *match, const char *text, size_t group)
{
    const size_t *offsets = pcre2_get_ovector_pointer(data_of(match));
    size_t start = offsets[2 * group];
    size_t end = offsets[2 * group + 1];
    if (start == PCRE2_UNSET)
        return (struct regex_span){NULL, 0};
    /* Before PCRE2 10.38 a \K in a lookahead could make a group start behind its end. */
    return (struct regex_span){text + start, end > start ? end - start : 0};
}
