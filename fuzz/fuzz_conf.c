/* SPDX-License-Identifier: MIT */
/*
 * Goal: no text, loaded as a configuration, makes reading it do harm: it is refused with a line,
 * or every getter, section and merged key can be asked of it.
 * Method: each input is loaded as a built-in text, and then everything that a program asks is
 * asked; what is said goes to a pipe, where the lines are counted.  <logs> is not applied, because
 * it may name any file.
 */
#include "fuzz.h"

#include "base/alloc.h"
#include "conf/conf.h"

static int count_key(void *closure, const char *name, const char *value, long line)
{
    size_t *length = closure;
    REQUIRE(line > 0);
    *length += strlen(name) + strlen(value);
    return 0;
}

static void ask(mtev_conf_section_t section, const char *path)
{
    char *text = NULL;
    char buffer[8] = "";
    int32_t i32;
    uint64_t u64;
    float f;
    bool is_on;
    mtev_boolean truth;
    size_t length = 0;
    if (mtev_conf_get_string(section, path, &text))
        REQUIRE(text != NULL);
    alloc_free(text);
    mtev_conf_get_stringbuf(section, path, buffer, sizeof(buffer));
    REQUIRE(memchr(buffer, '\0', sizeof(buffer)) != NULL);
    mtev_conf_get_int32(section, path, &i32);
    mtev_conf_get_uint64(section, path, &u64);
    mtev_conf_get_float(section, path, &f);
    conf_get_bool(section, path, &is_on);
    if (mtev_conf_get_boolean(section, path, &truth))
        REQUIRE(truth == mtev_true || truth == mtev_false);
    conf_each_child(section, "config", count_key, &length);
    fuzz_lines_logged();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_lines_logged();
    char *text = alloc_text_n((const char *)data, size);
    REQUIRE(text != NULL);
    int err = conf_load_text("fuzz", text);
    alloc_free(text);
    REQUIRE((fuzz_lines_logged() == 0) == (err == 0));
    if (err != 0)
        return 0;
    int count;
    mtev_conf_section_t *all = mtev_conf_get_sections_read(MTEV_CONF_ROOT, "//*", &count);
    ask(MTEV_CONF_ROOT, "self::node()");
    for (int i = 0; i < count && i < 64; i++) {
        ask(all[i], "ancestor-or-self::node()/@a");
        conf_value_error(all[i], "@*", "seen");
        REQUIRE(fuzz_lines_logged() >= 1);
    }
    mtev_conf_release_sections_read(all, count);
    conf_unload();
    return 0;
}
