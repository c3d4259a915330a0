/* SPDX-License-Identifier: MIT */
/*
 * Goal: no text, loaded as a configuration, makes reading it do harm: it is refused with a line,
 * or every getter, section and merged key can be asked of it, and it can be changed and written.
 * Method: each input is loaded as a built-in text, and then everything that a program asks is
 * asked; what is said goes to a pipe, where the lines are counted.  <logs> is not applied, because
 * it may name any file.
 */
#include "fuzz.h"

#include "base/alloc.h"
#include "conf/conf.h"

#include <errno.h>
#include <mtev_hash.h>

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

/* The keys as a table are those that are gone through. */
static void ask_table(mtev_conf_section_t section)
{
    size_t length = 0, in_table = 0;
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    bool is_whole = conf_each_child(section, "config", count_key, &length) == 0;
    mtev_hash_table *table = mtev_conf_get_hash(section, "config");
    REQUIRE(table != NULL);
    while (mtev_hash_adv(table, &iter))
        in_table += (size_t)iter.klen + strlen(iter.value.str);
    REQUIRE(!is_whole || in_table == length);
    mtev_hash_destroy(table, alloc_free, alloc_free);
    alloc_free(table);
    mtev_conf_env_off(section, "a");
    fuzz_lines_logged();
}

/* What is set is read back, and what is written is loaded again. */
static void change(const char *text)
{
    char *value = NULL;
    size_t len = 0;
    if (mtev_conf_set_string(MTEV_CONF_ROOT, "@fuzz", "<&\"'>") != 1)
        return;
    mtev_conf_section_t first = mtev_conf_get_section_write(MTEV_CONF_ROOT, "*");
    if (!mtev_conf_section_is_empty(first)) {
        REQUIRE(mtev_conf_set_string(first, "a/b/@c", "d") == 1 || strchr(text, ':') != NULL);
        REQUIRE(mtev_conf_remove_section(first) == 1);
    }
    mtev_conf_release_section_write(first);
    char *written = mtev_conf_write_in_mem(&len);
    REQUIRE(written != NULL && strlen(written) == len);
    fuzz_lines_logged();
    if (len <= CONF_BYTES_MAX) {
        REQUIRE(conf_load_text("written", written) == 0);
        REQUIRE(mtev_conf_get_string(MTEV_CONF_ROOT, "@fuzz", &value) == 1);
        REQUIRE(strcmp(value, "<&\"'>") == 0);
    }
    alloc_free(value);
    alloc_free(written);
    fuzz_lines_logged();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_lines_logged();
    char *text = alloc_text_n((const char *)data, size);
    REQUIRE(text != NULL);
    int err = strstr(text, "file") == NULL ? conf_load_text("fuzz", text) : -ENOENT;
    if (err == -ENOENT) { /* it may include any file */
        alloc_free(text);
        return 0;
    }
    REQUIRE((fuzz_lines_logged() == 0) == (err == 0));
    if (err != 0) {
        alloc_free(text);
        return 0;
    }
    int count;
    mtev_conf_section_t *all = mtev_conf_get_sections_read(MTEV_CONF_ROOT, "//*", &count);
    ask(MTEV_CONF_ROOT, "self::node()");
    for (int i = 0; i < count && i < 64; i++) {
        ask(all[i], "ancestor-or-self::node()/@a");
        ask_table(all[i]);
        conf_value_error(all[i], "@*", "seen");
        REQUIRE(fuzz_lines_logged() >= 1);
    }
    mtev_conf_release_sections_read(all, count);
    change(text);
    alloc_free(text);
    conf_unload();
    return 0;
}
