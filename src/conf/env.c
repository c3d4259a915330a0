/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "conf/env.h"

#include "base/alloc.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX    100000 /* of a match */
#define HEAP_KIB_MAX 1024

static const char blanks[] = " \t\r\n";

/* Does value match pattern?  Every call is for itself: it happens when files are read. */
static int match(const char *pattern, const char *value, bool *out, char *reason)
{
    int number = 0, err = -ENOMEM;
    PCRE2_SIZE offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                     PCRE2_DOLLAR_ENDONLY, &number, &offset, NULL);
    if (code == NULL) {
        char text[100];
        pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof(text));
        snprintf(reason, ENV_REASON_SIZE, "%s (at byte %zu of the expression)", text, offset);
        return number == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : -EINVAL;
    }
    pcre2_match_data *found = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_match_context *bounds = pcre2_match_context_create(NULL);
    if (found != NULL && bounds != NULL) {
        pcre2_set_match_limit(bounds, STEPS_MAX);
        pcre2_set_heap_limit(bounds, HEAP_KIB_MAX);
        number = pcre2_match(code, (PCRE2_SPTR)value, PCRE2_ZERO_TERMINATED, 0, 0, found, bounds);
        err = 0;
        *out = number >= 0;
        if (number < 0 && number != PCRE2_ERROR_NOMATCH) {
            snprintf(reason, ENV_REASON_SIZE, "the expression takes too long");
            err = -EINVAL;
        }
    }
    pcre2_match_context_free(bounds);
    pcre2_match_data_free(found);
    pcre2_code_free(code);
    return err;
}

int env_holds(const char *text, bool *out, char reason[static ENV_REASON_SIZE])
{
    char name[ENV_NAME_LEN_MAX + 1];
    bool holds = false;
    int err = 0;
    text += strspn(text, blanks);
    bool is_opposite = *text == '!';
    text += is_opposite;
    size_t len = strcspn(text, "=~ \t\r\n");
    const char *rest = text + len + strspn(text + len, blanks);
    if (len == 0 || len > ENV_NAME_LEN_MAX || (*rest != '\0' && *rest != '=' && *rest != '~') ||
        (*rest != '\0' && rest != text + len)) {
        snprintf(reason, ENV_REASON_SIZE, "not VARIABLE, VARIABLE=text or VARIABLE~expression");
        return -EINVAL;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): env.h says when */
    if (*rest == '\0')
        holds = value != NULL;
    else if (*rest == '=')
        holds = value != NULL && strcmp(value, rest + 1) == 0;
    else /* also where it is not set, so that a wrong expression is always found */
        err = match(rest + 1, value == NULL ? "" : value, &holds, reason);
    if (err == 0)
        *out = (value != NULL && holds) != is_opposite;
    return err;
}

int env_switches_off(struct xml_doc *doc, struct xml_node *node, const char *name)
{
    for (; node != NULL; node = xml_parent(node)) {
        char reason[ENV_REASON_SIZE];
        char *text = NULL;
        bool holds = false;
        struct xml_node *condition = xml_attribute(node, name);
        if (condition == NULL)
            continue;
        int err = xml_text(doc, condition, &text);
        if (err == 0)
            err = env_holds(text, &holds, reason);
        alloc_free(text);
        if (err == -ENOMEM)
            return err;
        if (err != 0 || !holds)
            return 1;
    }
    return 0;
}

bool env_is_off(struct xml_doc *doc, struct xml_node *node, const char *name)
{
    return env_switches_off(doc, node, name) != 0;
}
