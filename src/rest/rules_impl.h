/* SPDX-License-Identifier: MIT */
/*
 * rules_impl.h - the rules of a program, and which of them a request means.
 *
 * Layer: rest.  rules_add(): any thread.  The others: any thread, without a lock, beside it.
 *
 * Rules are never taken away, so nothing is ever replaced: a rule is made whole, and then linked
 * with one release store behind the last of its base, as a base is in front of its bucket.  A
 * reader sees it or does not; there is no old table whose readers one would have to wait for.
 */
#ifndef EVENTER_REST_RULES_IMPL_H
#define EVENTER_REST_RULES_IMPL_H

#include "base/buf.h"
#include "rest/regex_impl.h"

#include <mtev_rest.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RULES_WEBSOCKET  "WS" /* the method of rules for WebSockets; no request has it */
#define RULES_BASE_MAX   1023 /* bytes of a base */
#define RULES_METHOD_MAX 32   /* bytes of a method */
#define RULES_ALLOW_MAX                                                                            \
    1023 /* bytes of the value of an Allow field; methods past it are left out */
#define RULES_BUCKET_COUNT 256

struct mtev_rest_mountpoint {
    _Atomic(struct mtev_rest_mountpoint *) next; /* of its base, in the order of registration */
    char *method;                                /* owned, as the two below */
    char *expression;
    struct regex *regex;
    const char *base;
    size_t groups;
    _Atomic(rest_request_handler) handler;
    _Atomic(rest_authorize_func_t) auth; /* NULL: everybody */
    _Atomic(void *) closure;
    _Atomic(bool) is_aco;
    _Atomic(rest_websocket_message_handler) on_message; /* NULL: none */
    _Atomic(char *) protocol;                           /* of its WebSockets; owned; NULL: none */
    _Atomic(unsigned) complaints;                       /* bits: what has been said of it */
};

struct rules_base {
    _Atomic(struct rules_base *) next; /* in its bucket */
    _Atomic(struct mtev_rest_mountpoint *) first;
    struct mtev_rest_mountpoint *last; /* for rules_add() */
    uint32_t hash;
    size_t len;
    char text[];
};

struct rules {
    pthread_mutex_t lock; /* of rules_add() */
    _Atomic(size_t) base_len_max;
    _Atomic(struct rules_base *) buckets[RULES_BUCKET_COUNT];
};

/* A request's place among the rules. */
struct rules_place {
    const struct rules_base *base;
    const char *rest; /* of the path, behind base */
    size_t rest_len;
};

/* Make rules empty.  No allocation. */
void rules_init(struct rules *rules);

/* Free every rule; nobody uses them any more.  For tests. */
void rules_fini(struct rules *rules);

/* Call fn for each rule: those of one base one after the other, bases in no order. */
void rules_each(const struct rules *rules,
                void (*fn)(const struct mtev_rest_mountpoint *rule, void *closure), void *closure);

/*
 * Add a rule for method, base and expression, as mtev_http_rest_new_rule() says, with the rest of
 * its fields as in *like.  Gives it (borrowed) in *out.  Returns 0; -EINVAL, with what is wrong in
 * reason; or -ENOMEM.
 */
int rules_add(struct rules *rules, const char *const keys[static 3],
              const struct mtev_rest_mountpoint *like, char reason[static REGEX_REASON_SIZE],
              struct mtev_rest_mountpoint **out);

/*
 * Find the longest base of the len bytes at path.  Returns 0, or -ENOENT.  Cost: O(RULES_BASE_MAX).
 */
int rules_locate(const struct rules *rules, const char *path, size_t len, struct rules_place *out);

/*
 * Find the first rule at place that answers method: HEAD is answered by a rule for GET too.  Gives
 * it in *out, and in match what its groups captured.  Returns how many spans of match are set; or
 * -ENOENT: no rule matches; -ENOTSUP: only rules of other methods do; or, with the rule in *out,
 * what regex_find() says.
 */
int rules_find(const struct rules_place *place, const char *method, struct regex_match *match,
               struct mtev_rest_mountpoint **out);

/*
 * Append to text the value of an Allow field: OPTIONS, and the methods of the rules that match at
 * place.  Returns 0, or -ENOMEM.
 */
int rules_allow(const struct rules_place *place, struct regex_match *match, struct buf *text);

#endif
