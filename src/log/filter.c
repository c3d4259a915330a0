/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "log/filter.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum kind {
    KIND_NONE = 0,
    KIND_OR,
    KIND_AND,
    KIND_NOT,
    KIND_TEST
};

enum field {
    FIELD_KEY = 0, /* of a key-value */
    FIELD_MESSAGE,
    FIELD_FACILITY,
    FIELD_LEVEL,
    FIELD_FILE,
    FIELD_LINE,
    FIELD_THREAD
};

enum relation {
    RELATION_NONE = 0,
    RELATION_EQUAL,
    RELATION_UNEQUAL,
    RELATION_LESS,
    RELATION_LESS_EQUAL,
    RELATION_GREATER,
    RELATION_GREATER_EQUAL,
    RELATION_FOUND,
    RELATION_NOT_FOUND
};

struct node {
    enum kind kind;
    unsigned left, right; /* of what is joined */
    enum field field;
    enum relation relation;
    char *key;         /* owned */
    char *value;       /* owned */
    pcre2_code *regex; /* owned */
};

static_assert(FILTER_NODES_MAX <= 64, "what holds is a bit of a word");

struct filter {
    char *text; /* owned */
    unsigned root, count;
    struct node nodes[FILTER_NODES_MAX];
    pthread_mutex_t lock; /* of match */
    pcre2_match_data *match;
    pcre2_match_context *bounds;
    pcre2_jit_stack
        *stack; /* or a match would take 32 KiB of the caller's, who may be a coroutine */
};

struct parser {
    struct filter *filter;
    char *at;
    unsigned depth;
    char *reason;
};

static const struct {
    const char *name;
    int severity; /* syslog(3): the higher, the less severe */
} levels[] = {{"error", LOG_ERR}, {"notice", LOG_NOTICE}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};

static int parse_or(struct parser *p, unsigned *out);

static int complain(struct parser *p, const char *what)
{
    snprintf(p->reason, FILTER_REASON_SIZE, "%s at byte %td of the filter", what,
             p->at - p->filter->text);
    return -EINVAL;
}

static int add_node(struct parser *p, const struct node *node, unsigned *out)
{
    if (p->filter->count == FILTER_NODES_MAX)
        return complain(p, "more than 64 tests and joins");
    p->filter->nodes[p->filter->count] = *node;
    *out = p->filter->count++;
    return 0;
}

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-./:@", c) != NULL);
}

/* Go past word, if it comes next and is a word of its own. */
static bool take(struct parser *p, const char *word)
{
    skip_blanks(p);
    size_t len = strlen(word);
    if (strncmp(p->at, word, len) != 0 || (is_name_byte(word[0]) && is_name_byte(p->at[len])))
        return false;
    p->at += len;
    return true;
}

/* ---- tests ----------------------------------------------------------------------- */

static enum relation take_relation(struct parser *p)
{
    static const struct {
        const char *sign;
        enum relation relation;
    } signs[] = {{"==", RELATION_EQUAL},         {"!=", RELATION_UNEQUAL},
                 {"=~", RELATION_FOUND},         {"!~", RELATION_NOT_FOUND},
                 {"<=", RELATION_LESS_EQUAL},    {"<", RELATION_LESS},
                 {">=", RELATION_GREATER_EQUAL}, {">", RELATION_GREATER}};
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (take(p, signs[i].sign))
            return signs[i].relation;
    return RELATION_NONE;
}

static enum field field_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum field field;
    } fields[] = {{"message", FIELD_MESSAGE}, {"facility", FIELD_FACILITY},
                  {"level", FIELD_LEVEL},     {"file", FIELD_FILE},
                  {"line", FIELD_LINE},       {"thread", FIELD_THREAD}};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
            return fields[i].field;
    return FIELD_KEY;
}

/* Read a value: it is between *ret_value and *ret_end. */
static int take_value(struct parser *p, char **ret_value, char **ret_end)
{
    skip_blanks(p);
    char quote = *p->at;
    if (quote == '"' || quote == '\'') {
        char *end = strchr(p->at + 1, quote);
        if (end == NULL)
            return complain(p, "a quote that does not end");
        *ret_value = p->at + 1;
        *ret_end = end;
        p->at = end + 1;
        return 0;
    }
    char *start = p->at;
    while (is_name_byte(*p->at))
        p->at++;
    if (p->at == start)
        return complain(p, "no value");
    *ret_value = start;
    *ret_end = p->at;
    return 0;
}

static int compile(struct parser *p, const char *value, pcre2_code **out)
{
    int code = 0;
    size_t offset = 0;
    char message[FILTER_REASON_SIZE / 2] = "";
    pcre2_code *regex = pcre2_compile((PCRE2_SPTR)value, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF,
                                      &code, &offset, NULL);
    if (regex == NULL && code == PCRE2_ERROR_HEAP_FAILED)
        return -ENOMEM;
    if (regex == NULL) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof(message));
        snprintf(p->reason, FILTER_REASON_SIZE, "\"%.40s\" is no expression: %s", value, message);
        return -EINVAL;
    }
    pcre2_jit_compile(regex, PCRE2_JIT_COMPLETE); /* where that cannot be, it is interpreted */
    *out = regex;
    return 0;
}

static bool is_level(const char *value)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(levels[i].name, value) == 0)
            return true;
    return false;
}

static int parse_test(struct parser *p, unsigned *out)
{
    struct node node = {.kind = KIND_TEST};
    char *value = NULL, *value_end = NULL;
    skip_blanks(p);
    char *name = p->at;
    while (is_name_byte(*p->at))
        p->at++;
    char *name_end = p->at;
    if (name_end == name)
        return complain(p, "no test");
    node.relation = take_relation(p);
    if (node.relation == RELATION_NONE)
        return complain(p, "no operator (== != < <= > >= =~ !~)");
    int err = take_value(p, &value, &value_end);
    if (err != 0)
        return err;
    node.field = field_of(name, (size_t)(name_end - name));
    node.key = alloc_text_n(name, (size_t)(name_end - name));
    node.value = alloc_text_n(value, (size_t)(value_end - value));
    if (node.key == NULL || node.value == NULL)
        err = -ENOMEM;
    else if (node.relation >= RELATION_FOUND)
        err = compile(p, node.value, &node.regex);
    else if (node.field == FIELD_LEVEL && !is_level(node.value))
        err = complain(p, "no level (debug, info, notice, error)");
    if (err == 0)
        err = add_node(p, &node, out);
    if (err != 0) {
        alloc_free(node.key);
        alloc_free(node.value);
        pcre2_code_free(node.regex);
    }
    return err;
}

/* ---- what joins them ------------------------------------------------------------- */

static int parse_one(struct parser *p, unsigned *out)
{
    struct node node = {.kind = KIND_NOT};
    int err;
    if (++p->depth > FILTER_DEPTH_MAX)
        return complain(p, "more than 16 levels");
    if (take(p, "not") || take(p, "!")) {
        err = parse_one(p, &node.left);
        if (err == 0)
            err = add_node(p, &node, out);
    } else if (take(p, "(")) {
        err = parse_or(p, out);
        if (err == 0 && !take(p, ")"))
            err = complain(p, "no closing parenthesis");
    } else {
        err = parse_test(p, out);
    }
    p->depth--;
    return err;
}

static int parse_and(struct parser *p, unsigned *out)
{
    int err = parse_one(p, out);
    while (err == 0 && (take(p, "and") || take(p, "&&"))) {
        struct node node = {.kind = KIND_AND, .left = *out};
        err = parse_one(p, &node.right);
        if (err == 0)
            err = add_node(p, &node, out);
    }
    return err;
}

static int parse_or(struct parser *p, unsigned *out)
{
    int err = parse_and(p, out);
    while (err == 0 && (take(p, "or") || take(p, "||"))) {
        struct node node = {.kind = KIND_OR, .left = *out};
        err = parse_and(p, &node.right);
        if (err == 0)
            err = add_node(p, &node, out);
    }
    return err;
}

int filter_parse(const char *text, char reason[static FILTER_REASON_SIZE], struct filter **out)
{
    if (strnlen(text, FILTER_LEN_MAX + 1) > FILTER_LEN_MAX) {
        snprintf(reason, FILTER_REASON_SIZE, "a filter has more than %d bytes", FILTER_LEN_MAX);
        return -EINVAL;
    }
    struct filter *filter = alloc_zeroed(1, sizeof(*filter));
    if (filter == NULL)
        return -ENOMEM;
    pthread_mutex_init(&filter->lock, NULL);
    filter->text = alloc_text(text);
    filter->match = pcre2_match_data_create(1, NULL);
    filter->bounds = pcre2_match_context_create(NULL);
    filter->stack = pcre2_jit_stack_create(4096, FILTER_STACK_MAX, NULL);
    struct parser p = {.filter = filter, .at = filter->text, .reason = reason};
    int err = filter->text == NULL || filter->match == NULL || filter->bounds == NULL ||
                      filter->stack == NULL
                  ? -ENOMEM
                  : 0;
    if (err == 0) {
        pcre2_set_match_limit(filter->bounds, FILTER_STEPS_MAX);
        pcre2_jit_stack_assign(filter->bounds, NULL, filter->stack);
        err = parse_or(&p, &filter->root);
        skip_blanks(&p);
    }
    if (err == 0 && *p.at != '\0')
        err = complain(&p, "neither \"and\" nor \"or\"");
    if (err != 0) {
        filter_free(filter);
        return err;
    }
    *out = filter;
    return 0;
}

void filter_free(struct filter *filter)
{
    if (filter == NULL)
        return;
    for (unsigned i = 0; i < filter->count; i++) {
        alloc_free(filter->nodes[i].key);
        alloc_free(filter->nodes[i].value);
        pcre2_code_free(filter->nodes[i].regex);
    }
    pcre2_match_data_free(filter->match);
    pcre2_match_context_free(filter->bounds);
    pcre2_jit_stack_free(filter->stack);
    pthread_mutex_destroy(&filter->lock);
    alloc_free(filter->text);
    alloc_free(filter);
}

/* ---- looking at a line ----------------------------------------------------------- */

static const char *level_of(const struct log_line *line)
{
    int severity = line_severity(line->facility);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (levels[i].severity == severity)
            return levels[i].name;
    return "info";
}

/* What node asks about; NULL: line does not have it. */
static const char *subject_of(const struct node *node, const struct log_line *line,
                              char number[static 32], size_t *ret_len)
{
    const char *text = NULL;
    int tid;
    switch (node->field) {
    case FIELD_MESSAGE:
        *ret_len = line_bare_len(line);
        return line->text;
    case FIELD_FACILITY:
        text = line->facility;
        break;
    case FIELD_LEVEL:
        text = level_of(line);
        break;
    case FIELD_FILE:
        text = line->file;
        break;
    case FIELD_LINE:
        snprintf(number, 32, "%d", line->number);
        text = number;
        break;
    case FIELD_THREAD:
        text = line_thread(&tid);
        break;
    case FIELD_KEY:
        for (const mtev_log_kv_t *kv = line->kvs; kv != NULL && kv->key != NULL; kv++)
            if (strcmp(kv->key, node->key) == 0)
                return line_value(kv, number, ret_len);
        return NULL;
    }
    *ret_len = strlen(text);
    return text;
}

static bool found(struct filter *filter, const struct node *node, const char *text, size_t len)
{
    pthread_mutex_lock(&filter->lock);
    int result =
        pcre2_match(node->regex, (PCRE2_SPTR)text, len, 0, 0, filter->match, filter->bounds);
    pthread_mutex_unlock(&filter->lock);
    return result >= 0;
}

/* Read text, if all of it is a number. */
static bool is_number(const char *text, size_t len, double *out)
{
    char copy[64], *end = copy;
    if (len == 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *out = strtod(copy, &end);
    return *end == '\0' && strchr(" \t\r\n", copy[0]) == NULL;
}

static int severity_named(const char *name)
{
    size_t i = 0;
    while (i + 1 < sizeof(levels) / sizeof(levels[0]) && strcmp(levels[i].name, name) != 0)
        i++;
    return levels[i].severity;
}

/* Less than, equal to or greater than 0, as what node asks about is to its value. */
static int compare(const struct node *node, const char *text, size_t len)
{
    double a, b;
    size_t value_len = strlen(node->value);
    if (node->field == FIELD_LEVEL)
        return severity_named(node->value) - severity_named(text);
    if (is_number(text, len, &a) && is_number(node->value, value_len, &b))
        return a < b ? -1 : a > b;
    int order = memcmp(text, node->value, MIN(len, value_len));
    return order != 0 ? order : len < value_len ? -1 : len > value_len;
}

static bool test(struct filter *filter, const struct node *node, const struct log_line *line)
{
    char number[32];
    size_t len = 0;
    const char *text = subject_of(node, line, number, &len);
    if (text == NULL)
        return false;
    switch (node->relation) {
    case RELATION_EQUAL:
        return compare(node, text, len) == 0;
    case RELATION_UNEQUAL:
        return compare(node, text, len) != 0;
    case RELATION_LESS:
        return compare(node, text, len) < 0;
    case RELATION_LESS_EQUAL:
        return compare(node, text, len) <= 0;
    case RELATION_GREATER:
        return compare(node, text, len) > 0;
    case RELATION_GREATER_EQUAL:
        return compare(node, text, len) >= 0;
    case RELATION_FOUND:
        return found(filter, node, text, len);
    case RELATION_NOT_FOUND:
        return !found(filter, node, text, len);
    case RELATION_NONE:
        break;
    }
    return false;
}

/* A node's operands come before it, so each is looked at once, in order. */
bool filter_passes(struct filter *filter, const struct log_line *line)
{
    uint64_t holds = 0;
    for (unsigned i = 0; i < filter->count; i++) {
        const struct node *node = &filter->nodes[i];
        bool left = holds >> node->left & 1, right = holds >> node->right & 1;
        bool is_true = false;
        if (node->kind == KIND_TEST)
            is_true = test(filter, node, line);
        else if (node->kind == KIND_NOT)
            is_true = !left;
        else
            is_true = node->kind == KIND_AND ? left && right : left || right;
        holds |= (uint64_t)is_true << i;
    }
    return holds >> filter->root & 1;
}
