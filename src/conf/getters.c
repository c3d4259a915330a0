/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/number.h"
#include "conf/section_impl.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

/* Return the text without the blanks around it, and its length. */
static const char *trim(const char *text, size_t *ret_len)
{
    text += strspn(text, blanks);
    size_t len = strlen(text);
    while (len > 0 && strchr(blanks, text[len - 1]) != NULL)
        len--;
    *ret_len = len;
    return text;
}

/* Is the len bytes at text the word, in any case? */
static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* A reader of one kind of value: 0, or -EINVAL with *out untouched and the complaint logged. */
struct reader {
    int (*read)(const struct reader *reader, const struct section_place *place,
                const struct section_value *value);
    int64_t min, max;
    void *out;
};

/* Read what path finds.  0, -ENOENT; or, logged, -EINVAL or -ENOMEM. */
static int read_with(mtev_conf_section_t section, const char *path, const struct reader *reader)
{
    struct section_place place;
    struct section_value value;
    if (!section_hold(section, &place))
        return -ENOENT;
    int err = section_read(&place, path, &value);
    if (err == 0) {
        err = reader->read(reader, &place, &value);
        alloc_free(value.text);
    }
    section_let_go(&place);
    return err;
}

static int read_int(const struct reader *reader, const struct section_place *place,
                    const struct section_value *value)
{
    size_t len;
    const char *text = trim(value->text, &len);
    if (number_i64(text, len, reader->min, reader->max, reader->out) == 0)
        return 0;
    section_complain(place, value, "not a number between %" PRId64 " and %" PRId64, reader->min,
                     reader->max);
    return -EINVAL;
}

static int read_uint64(const struct reader *reader, const struct section_place *place,
                       const struct section_value *value)
{
    size_t len;
    const char *text = trim(value->text, &len);
    if (number_u64(text, len, UINT64_MAX, reader->out) == 0)
        return 0;
    section_complain(place, value, "not a number between 0 and %" PRIu64, UINT64_MAX);
    return -EINVAL;
}

static int read_double(const struct reader *reader, const struct section_place *place,
                       const struct section_value *value)
{
    size_t len;
    const char *text = trim(value->text, &len);
    char *end;
    double number = strtod(text, &end);
    if (len > 0 && end == text + len && isfinite(number)) {
        *(double *)reader->out = number;
        return 0;
    }
    section_complain(place, value, "not a number");
    return -EINVAL;
}

static int read_float(const struct reader *reader, const struct section_place *place,
                      const struct section_value *value)
{
    double number;
    const struct reader wide = {.out = &number};
    int err = read_double(&wide, place, value);
    if (err != 0)
        return err;
    if (fabs(number) > (double)FLT_MAX) {
        section_complain(place, value, "too large a number");
        return -EINVAL;
    }
    *(float *)reader->out = (float)number;
    return 0;
}

static int read_bool(const struct reader *reader, const struct section_place *place,
                     const struct section_value *value)
{
    size_t len;
    const char *text = trim(value->text, &len);
    bool is_true = is_word(text, len, "true") || is_word(text, len, "on");
    if (!is_true && !is_word(text, len, "false") && !is_word(text, len, "off")) {
        section_complain(place, value, "neither true (on) nor false (off)");
        return -EINVAL;
    }
    *(bool *)reader->out = is_true;
    return 0;
}

/* As the public contract has it: what is not true is false. */
static int read_boolean(const struct reader *reader, const struct section_place *place,
                        const struct section_value *value)
{
    (void)place;
    size_t len;
    const char *text = trim(value->text, &len);
    bool is_true = is_word(text, len, "true") || is_word(text, len, "on");
    *(mtev_boolean *)reader->out = is_true ? mtev_true : mtev_false;
    return 0;
}

int conf_get_text(mtev_conf_section_t section, const char *path, char **out)
{
    struct section_place place;
    struct section_value value;
    if (!section_hold(section, &place))
        return -ENOENT;
    int err = section_read(&place, path, &value);
    if (err == 0)
        *out = value.text;
    section_let_go(&place);
    return err;
}

int conf_get_int(mtev_conf_section_t section, const char *path, int64_t min, int64_t max,
                 int64_t *out)
{
    return read_with(section, path, &(struct reader){read_int, min, max, out});
}

int conf_get_bool(mtev_conf_section_t section, const char *path, bool *out)
{
    return read_with(section, path, &(struct reader){.read = read_bool, .out = out});
}

int conf_get_shown(mtev_conf_section_t section, const char *path, char **out)
{
    struct section_place place;
    struct section_value value;
    if (!section_hold(section, &place))
        return -ENOENT;
    int err = section_read(&place, path, &value);
    if (err == 0 && conf_is_secret(xml_node_name(value.node))) {
        alloc_free(value.text);
        value.text = alloc_text("...");
        err = value.text == NULL ? -ENOMEM : 0;
    }
    if (err == 0)
        *out = value.text;
    section_let_go(&place);
    return err;
}

int mtev_conf_get_string(mtev_conf_section_t section, const char *path, char **out)
{
    return conf_get_text(section, path, out) == 0;
}

int mtev_conf_get_stringbuf(mtev_conf_section_t section, const char *path, char *buffer, int len)
{
    char *text;
    if (len <= 0 || conf_get_text(section, path, &text) != 0)
        return 0;
    size_t kept = strnlen(text, (size_t)len - 1);
    memcpy(buffer, text, kept);
    buffer[kept] = '\0';
    alloc_free(text);
    return 1;
}

int mtev_conf_get_int32(mtev_conf_section_t section, const char *path, int32_t *out)
{
    int64_t number;
    if (conf_get_int(section, path, INT32_MIN, INT32_MAX, &number) != 0)
        return 0;
    *out = (int32_t)number;
    return 1;
}

int mtev_conf_get_uint32(mtev_conf_section_t section, const char *path, uint32_t *out)
{
    int64_t number;
    if (conf_get_int(section, path, 0, UINT32_MAX, &number) != 0)
        return 0;
    *out = (uint32_t)number;
    return 1;
}

int mtev_conf_get_int64(mtev_conf_section_t section, const char *path, int64_t *out)
{
    return conf_get_int(section, path, INT64_MIN, INT64_MAX, out) == 0;
}

int mtev_conf_get_uint64(mtev_conf_section_t section, const char *path, uint64_t *out)
{
    return read_with(section, path, &(struct reader){.read = read_uint64, .out = out}) == 0;
}

int mtev_conf_get_float(mtev_conf_section_t section, const char *path, float *out)
{
    return read_with(section, path, &(struct reader){.read = read_float, .out = out}) == 0;
}

int mtev_conf_get_double(mtev_conf_section_t section, const char *path, double *out)
{
    return read_with(section, path, &(struct reader){.read = read_double, .out = out}) == 0;
}

int mtev_conf_get_boolean(mtev_conf_section_t section, const char *path, mtev_boolean *out)
{
    return read_with(section, path, &(struct reader){.read = read_boolean, .out = out}) == 0;
}
