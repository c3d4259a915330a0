/* SPDX-License-Identifier: MIT */
/*
 * PREAMBLE --delimiter--> AFTER --CRLF--> HEAD --empty line--> DATA --delimiter--> AFTER
 *                           |
 *                          "--"--> CLOSING --CRLF or the end--> EPILOGUE
 *
 * A delimiter is CRLF "--" boundary; the first one may do without its CRLF.  Its CR stands nowhere
 * else in it, so that a comparison that fails can only begin again at the byte where it failed.
 */
#include "http/multipart.h"

#include "base/alloc.h"
#include "http/http1_char.h"
#include "http/params.h"

#include <errno.h>
#include <string.h>

enum state {
    STATE_INVALID,
    STATE_PREAMBLE,
    STATE_AFTER,  /* behind a delimiter: what does it go on with? */
    STATE_BLANKS, /* blanks behind a delimiter: RFC 2046 calls them transport padding */
    STATE_CR,     /* the CR behind them was seen */
    STATE_HYPHEN, /* one '-' behind a delimiter was seen */
    STATE_HEAD,
    STATE_DATA,
    STATE_CLOSING, /* behind the closing delimiter */
    STATE_CLOSING_CR,
    STATE_EPILOGUE
};

struct multipart {
    const struct multipart_calls *calls;
    void *closure;
    enum state state;
    bool in_part;   /* begin() was called, and end() is owed */
    bool at_start;  /* the CRLF that is matched stands before what the state is about */
    size_t matched; /* bytes of the delimiter that the last ones were */
    size_t parts;
    size_t head_len;
    size_t delimiter_len;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX];
    char head[MULTIPART_HEAD_MAX];
};

struct text {
    const char *p, *end;
};

/* ---- the boundary ----------------------------------------------------------------- */

static const char form_data[] = "multipart/form-data";
#define FORM_DATA_LEN (sizeof(form_data) - 1)

bool multipart_is_type(const char *type, size_t len)
{
    if (len < FORM_DATA_LEN || !http1_char_equal(type, form_data, FORM_DATA_LEN))
        return false;
    return len == FORM_DATA_LEN || type[FORM_DATA_LEN] == ';' ||
           http1_char_is_blank(type[FORM_DATA_LEN]);
}

/* bchars of RFC 2046 section 5.1.1, the last of which is no blank. */
static bool is_boundary(const char *text, size_t len)
{
    if (len < 1 || len > MULTIPART_BOUNDARY_MAX || text[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++) {
        char lower = (char)(text[i] | 0x20);
        if ((lower < 'a' || lower > 'z') && (text[i] < '0' || text[i] > '9') &&
            (text[i] == '\0' || strchr("'()+_,-./:=? ", text[i]) == NULL))
            return false;
    }
    return true;
}

/* Find the one boundary among the parameters.  0 or -EINVAL. */
static int find_boundary(const char *type, size_t len, struct param *out)
{
    const char *at = type + FORM_DATA_LEN, *end = type + len;
    struct param param;
    int more;
    bool is_found = false;
    if (!multipart_is_type(type, len))
        return -EINVAL;
    while ((more = params_next(&at, end, &param)) == 1) {
        if (!params_is(&param, "boundary"))
            continue;
        if (is_found)
            return -EINVAL;
        is_found = true;
        *out = param;
    }
    return more == 0 && is_found && is_boundary(out->value, out->value_len) ? 0 : -EINVAL;
}

int multipart_new(const char *type, size_t len, const struct multipart_calls *calls, void *closure,
                  struct multipart **out)
{
    struct param boundary;
    int err = find_boundary(type, len, &boundary);
    if (err != 0)
        return err;
    struct multipart *multipart = alloc_bytes(sizeof(*multipart));
    if (multipart == NULL)
        return -ENOMEM;
    multipart->calls = calls;
    multipart->closure = closure;
    multipart->state = STATE_PREAMBLE;
    multipart->in_part = false;
    multipart->matched = 2; /* as if a CRLF stood before the body */
    multipart->at_start = true;
    multipart->parts = multipart->head_len = 0;
    multipart->delimiter_len = 4 + boundary.value_len;
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary.value, boundary.value_len);
    *out = multipart;
    return 0;
}

void multipart_free(struct multipart *multipart)
{
    alloc_free(multipart);
}

/* ---- a part's head ---------------------------------------------------------------- */

struct value { /* decoded where it stood; the byte behind it is no other value's */
    char *p;   /* NULL: there is none */
    size_t len;
};

struct head {
    struct value name, filename, extended_filename, type;
    bool has_disposition;
};

static char *place_of(struct multipart *multipart, const char *p)
{
    return multipart->head + (p - multipart->head);
}

/* Decode a parameter; a second one of its name is refused. */
static int note_param(struct multipart *multipart, const struct param *param, struct value *out)
{
    if (out->p != NULL)
        return -EBADMSG;
    out->p = place_of(multipart, param->value);
    out->len = params_unquote(param, out->p);
    return 0;
}

/* Decode a filename* of RFC 8187.  One that is not in UTF-8 is passed over. */
static int note_extended(struct multipart *multipart, const struct param *param, struct value *out)
{
    const char *p = param->value, *end = p + param->value_len;
    const char *quote = memchr(p, '\'', param->value_len);
    if (param->is_quoted || out->p != NULL || quote == NULL)
        return -EBADMSG;
    if (quote - p != 5 || !http1_char_equal(p, "utf-8", 5))
        return 0;
    quote = memchr(quote + 1, '\'', (size_t)(end - quote) - 1); /* what language, we do not ask */
    if (quote == NULL)
        return -EBADMSG;
    char *start = place_of(multipart, param->value), *to = start;
    for (p = quote + 1; p < end; p++) {
        char c = *p;
        if (c == '%') {
            int high = end - p > 2 ? http1_char_hex(p[1]) : -1;
            int low = end - p > 2 ? http1_char_hex(p[2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0)
                return -EBADMSG;
            c = (char)(high << 4 | low);
            p += 2;
        }
        *to++ = c;
    }
    *out = (struct value){.p = start, .len = (size_t)(to - start)};
    return 0;
}

static int note_disposition(struct multipart *multipart, struct head *head, struct text value)
{
    struct param param;
    int more, err = 0;
    const char *at = value.p;
    if (head->has_disposition || value.end - at < 9 || !http1_char_equal(at, "form-data", 9))
        return -EBADMSG;
    head->has_disposition = true;
    at += 9;
    while (err == 0 && (more = params_next(&at, value.end, &param)) != 0) {
        if (more < 0)
            err = -EBADMSG;
        else if (params_is(&param, "name"))
            err = note_param(multipart, &param, &head->name);
        else if (params_is(&param, "filename"))
            err = note_param(multipart, &param, &head->filename);
        else if (params_is(&param, "filename*"))
            err = note_extended(multipart, &param, &head->extended_filename);
    }
    return err;
}

static int note_type(struct multipart *multipart, struct head *head, struct text value)
{
    if (head->type.p != NULL)
        return -EBADMSG;
    head->type.p = place_of(multipart, value.p);
    head->type.len = (size_t)(value.end - value.p);
    return 0;
}

/* One line of the head, without its CRLF: a name right before a colon, and a value. */
static int note_line(struct multipart *multipart, struct head *head, struct text line)
{
    const char *colon = http1_char_skip_token(line.p, line.end);
    size_t name_len = (size_t)(colon - line.p);
    if (name_len == 0 || colon == line.end || *colon != ':')
        return -EBADMSG;
    struct text value = {colon + 1, line.end};
    while (value.p < value.end && http1_char_is_blank(*value.p))
        value.p++;
    while (value.end > value.p && http1_char_is_blank(value.end[-1]))
        value.end--;
    if (http1_char_skip_field(value.p, value.end) != value.end)
        return -EBADMSG;
    if (name_len == 19 && http1_char_equal(line.p, "content-disposition", 19))
        return note_disposition(multipart, head, value);
    if (name_len == 12 && http1_char_equal(line.p, "content-type", 12))
        return note_type(multipart, head, value);
    return 0;
}

/* Put a NUL behind value and return its text; otherwise if there is none. */
static const char *text_of(const struct value *value, const char *otherwise)
{
    if (value->p == NULL)
        return otherwise;
    value->p[value->len] = '\0';
    return value->p;
}

/* The head is complete, with the empty line behind it. */
static int begin_part(struct multipart *multipart)
{
    struct head head = {0};
    const char *end = multipart->head + multipart->head_len - 2;
    for (const char *p = multipart->head; p < end;) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        int err = note_line(multipart, &head, (struct text){p, lf - 1});
        if (err != 0)
            return err;
        p = lf + 1;
    }
    if (head.name.p == NULL)
        return -EBADMSG;
    multipart->state = STATE_DATA;
    multipart->in_part = true;
    multipart->matched = 2; /* a part may be empty: the head's CRLF is the delimiter's, too */
    multipart->at_start = true;
    struct multipart_part part = {
        .name = text_of(&head.name, NULL),
        .filename = text_of(&head.filename, NULL),
        .type = text_of(&head.type, "text/plain"), /* RFC 7578 section 4.4 */
    };
    part.filename = text_of(&head.extended_filename, part.filename); /* RFC 6266 section 4.3 */
    return multipart->calls->begin(multipart->closure, &part);
}

/* Take one byte of the head; every line ends with CRLF, and CR stands nowhere else. */
static int take_head(struct multipart *multipart, char c)
{
    size_t len = multipart->head_len;
    char *head = multipart->head;
    bool is_after_cr = len > 0 && head[len - 1] == '\r';
    if (len == MULTIPART_HEAD_MAX)
        return -E2BIG;
    if (is_after_cr != (c == '\n'))
        return -EBADMSG;
    head[multipart->head_len++] = c;
    if (c != '\n' || (len > 1 && head[len - 2] != '\n'))
        return 0;
    return begin_part(multipart);
}

/* ---- data and delimiters ---------------------------------------------------------- */

static int give(const struct multipart *multipart, const char *bytes, size_t len)
{
    if (len == 0 || !multipart->in_part)
        return 0;
    return multipart->calls->data(multipart->closure, bytes, len);
}

/* The whole delimiter was seen: what it ends has ended. */
static int end_part(struct multipart *multipart)
{
    multipart->state = STATE_AFTER;
    multipart->matched = 0;
    if (!multipart->in_part)
        return 0;
    multipart->in_part = false;
    return multipart->calls->end(multipart->closure);
}

/*
 * Take bytes of the preamble or of a part, up to a delimiter; *at is moved on.  What was matched in
 * vain is given from the delimiter's own text, as its bytes may be gone; but for the CRLF that is
 * imagined before the body and that belongs to the head before a part.
 */
static int take_data(struct multipart *multipart, const char **at, const char *end)
{
    const char *p = *at;
    while (p < end && multipart->matched < multipart->delimiter_len) {
        if (*p == multipart->delimiter[multipart->matched]) {
            multipart->matched++;
            p++;
            continue;
        }
        size_t from = multipart->at_start ? 2 : 0;
        int err = give(multipart, multipart->delimiter + from, multipart->matched - from);
        if (err != 0)
            return err;
        multipart->matched = 0;
        multipart->at_start = false;
        const char *cr = memchr(p, '\r', (size_t)(end - p));
        if (cr == NULL)
            cr = end;
        err = give(multipart, p, (size_t)(cr - p));
        if (err != 0)
            return err;
        p = cr;
    }
    *at = p;
    return multipart->matched == multipart->delimiter_len ? end_part(multipart) : 0;
}

/* Take the byte behind a delimiter. */
static int take_after(struct multipart *multipart, char c)
{
    bool is_blank = http1_char_is_blank(c);
    switch (multipart->state) {
    case STATE_AFTER:
        multipart->state = c == '-' ? STATE_HYPHEN : c == '\r' ? STATE_CR : STATE_BLANKS;
        return c == '-' || c == '\r' || is_blank ? 0 : -EBADMSG;
    case STATE_BLANKS:
        multipart->state = c == '\r' ? STATE_CR : STATE_BLANKS;
        return c == '\r' || is_blank ? 0 : -EBADMSG;
    case STATE_CR:
        if (c != '\n')
            return -EBADMSG;
        if (multipart->parts++ == MULTIPART_PARTS_MAX)
            return -E2BIG;
        multipart->state = STATE_HEAD;
        multipart->head_len = 0;
        return 0;
    case STATE_HYPHEN:
        multipart->state = STATE_CLOSING;
        return c == '-' ? 0 : -EBADMSG;
    case STATE_CLOSING:
        multipart->state = c == '\r' ? STATE_CLOSING_CR : STATE_CLOSING;
        return c == '\r' || is_blank ? 0 : -EBADMSG;
    default:
        multipart->state = STATE_EPILOGUE;
        return c == '\n' ? 0 : -EBADMSG;
    }
}

int multipart_feed(struct multipart *multipart, const char *bytes, size_t len)
{
    const char *p = bytes, *end = bytes + len;
    int err = 0;
    while (p < end && err == 0 && multipart->state != STATE_EPILOGUE) {
        if (multipart->state == STATE_PREAMBLE || multipart->state == STATE_DATA)
            err = take_data(multipart, &p, end);
        else if (multipart->state == STATE_HEAD)
            err = take_head(multipart, *p++);
        else
            err = take_after(multipart, *p++);
    }
    return err;
}

int multipart_finish(const struct multipart *multipart)
{
    return multipart->state == STATE_CLOSING || multipart->state == STATE_EPILOGUE ? 0 : -ENODATA;
}
