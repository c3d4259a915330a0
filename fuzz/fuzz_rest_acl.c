/* SPDX-License-Identifier: MIT */
/*
 * Goal: no <rest> part of a configuration, no expression and no path makes access control or the
 * matching of rules read outside of what it was given, run without end, or open what has a fault.
 * Method: an input is four texts with a NUL between them: the inside of <rest>, a base, an
 * expression, a path.  The first is compiled and asked about the path, and asked again with a
 * faulty acl in front, which must deny; the others become a rule for which the path is looked up.
 */
#include "fuzz.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "rest/acl_impl.h"
#include "rest/rules_impl.h"

#include <errno.h>
#include <netinet/in.h>

#define TEXT_COUNT 4
#define FAULT      "<acl type='allow' url='('/>"

static int handler(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return 0;
}

/* Compile acls, with prefix in front, and ask them about path; -1: they are no configuration. */
static int ask(const char *prefix, const char *acls, const char *path)
{
    const struct sockaddr_in in = {.sin_family = AF_INET};
    struct acl_question question = {path, strlen(path), (const struct sockaddr *)&in, path, NULL};
    const struct acl_question nobody = {path, strlen(path), NULL, path, NULL};
    struct acl_policy *policy = NULL;
    size_t faults = 0;
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    REQUIRE(buf_appendf(&text, "<a><rest>%s%s</rest></a>", prefix, acls) == 0);
    REQUIRE(buf_append(&text, "", 1) == 0);
    int err = conf_load_text("fuzz", text.bytes);
    buf_free(&text);
    fuzz_lines_logged();
    if (err != 0)
        return -1;
    REQUIRE(acl_compile(&policy, &faults) == 0);
    bool is_allowed = acl_allows(policy, &question);
    REQUIRE(!is_allowed || policy->count > 0);
    question.cn = "";
    acl_allows(policy, &question);
    REQUIRE(!acl_allows(policy, &nobody));
    REQUIRE(faults <= policy->count);
    acl_policy_free(policy);
    fuzz_lines_logged();
    conf_unload();
    return is_allowed;
}

static void look_up(const struct rules *rules, const char *path)
{
    struct rules_place place;
    struct mtev_rest_mountpoint *rule = NULL;
    struct buf allow;
    size_t len = strlen(path);
    struct regex_match match = {NULL};
    if (rules_locate(rules, path, len, &place) == 0) {
        REQUIRE(place.rest >= path && place.rest + place.rest_len == path + len);
        REQUIRE(place.rest > path && place.rest[-1] == '/');
        int found = rules_find(&place, "HEAD", &match, &rule);
        REQUIRE(found > 0 || found == -ENOENT || found == -EOVERFLOW);
        for (int i = 1; i < found; i++) {
            struct regex_span span = regex_span(&match, place.rest, (size_t)i);
            REQUIRE(span.start == NULL ||
                    (span.start >= place.rest && span.start + span.len <= path + len));
        }
        buf_init(&allow, RULES_ALLOW_MAX);
        REQUIRE(rules_allow(&place, &match, &allow) == 0);
        buf_free(&allow);
    }
    regex_match_give(&match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mtev_rest_mountpoint like = {.handler = handler};
    struct mtev_rest_mountpoint *rule = NULL;
    char reason[REGEX_REASON_SIZE] = "";
    struct rules rules;
    char *texts[TEXT_COUNT];
    const char *rest = (const char *)data;
    const char *end = rest + size;
    for (size_t i = 0; i < TEXT_COUNT; i++) {
        size_t len = rest == end ? 0 : strnlen(rest, (size_t)(end - rest));
        texts[i] = alloc_text_n(rest, len);
        REQUIRE(texts[i] != NULL);
        rest += len + (rest + len < end);
    }
    if (ask("", texts[0], texts[3]) >= 0)
        REQUIRE(ask(FAULT, texts[0], texts[3]) == 0);

    const char *const keys[] = {"GET", texts[1], texts[2]};
    const char *const all[] = {"GET", "/", ""};
    rules_init(&rules);
    int err = rules_add(&rules, keys, &like, reason, &rule);
    REQUIRE(err == 0 || (err == -EINVAL && reason[0] != '\0'));
    REQUIRE(rules_add(&rules, all, &like, reason, &rule) == 0);
    look_up(&rules, texts[3]);
    rules_fini(&rules);
    for (size_t i = 0; i < TEXT_COUNT; i++)
        alloc_free(texts[i]);
    return 0;
}
