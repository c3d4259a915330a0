/* SPDX-License-Identifier: MIT */
/*
 * Goal: no text, loaded as a configuration, makes reading it do harm: it is refused with one line,
 * or every getter, section and merged key can be asked of it.
 * Method: each input is loaded as a built-in text, and then everything that a program asks is
 * asked; what is said goes to a pipe, where the lines are counted.  <logs> is not applied, because
 * it may name any file.  Needs clang, -fsanitize=fuzzer,address,undefined, libxml2, and the sources
 * of base, log and conf.
 */
#include "base/alloc.h"
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAID_SIZE 65536

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int said_fds[2] = {-1, -1};

/* Return how many lines were said since the last call. */
static size_t lines_said(void)
{
    static char text[SAID_SIZE];
    size_t lines = 0;
    ssize_t len = read(said_fds[0], text, sizeof(text));
    for (ssize_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    return lines;
}

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
    lines_said();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (said_fds[0] == -1) {
        REQUIRE(pipe2(said_fds, O_CLOEXEC | O_NONBLOCK) == 0);
        REQUIRE(mtev_log_stream_new_on_fd("error", said_fds[1], NULL) != NULL);
    }
    char *text = alloc_text_n((const char *)data, size);
    REQUIRE(text != NULL);
    int err = conf_load_text("fuzz", text);
    alloc_free(text);
    REQUIRE(lines_said() == (err == 0 ? 0 : 1));
    if (err != 0)
        return 0;
    int count;
    mtev_conf_section_t *all = mtev_conf_get_sections_read(MTEV_CONF_ROOT, "//*", &count);
    ask(MTEV_CONF_ROOT, "self::node()");
    for (int i = 0; i < count && i < 64; i++) {
        ask(all[i], "ancestor-or-self::node()/@a");
        conf_value_error(all[i], "@*", "seen");
        REQUIRE(lines_said() >= 1);
    }
    mtev_conf_release_sections_read(all, count);
    conf_unload();
    return 0;
}
