/* SPDX-License-Identifier: MIT */
/*
 * Goal: no text makes `eventer check` do harm; what it finds no fault in is loaded without a word,
 * and is allowed by the schema.
 * Method: each input is read as a built-in text, and every element of it is checked; what is said
 * goes nowhere.  Inputs that include files are left out, because they may name any.
 */
#include "fuzz.h"

#include "base/alloc.h"
#include "command/check_impl.h"
#include "command/schema.h"
#include "conf/conf.h"
#include "conf/include.h"

#include <stdio.h>

static void count(void *closure, const char *file, long line, const char *what)
{
    size_t *faults = closure;
    REQUIRE(file != NULL && what != NULL && *what != '\0' && line >= 0);
    ++*faults;
}

static void check_one(const char *text)
{
    size_t faults = 0;
    const struct conf_faults told = {.tell = count, .closure = &faults};
    struct check check = {.path = "fuzz"};
    int err = include_read_text("fuzz", text, strlen(text), &told, &check.doc);
    REQUIRE((err == 0) == (faults == 0));
    REQUIRE((conf_load_text("fuzz", text) == 0) == (err == 0));
    REQUIRE((fuzz_lines_logged() == 0) == (err == 0));
    if (check.doc != NULL) {
        check_elements(&check);
        check_references(&check);
    }
    if (err == 0 && check.faults == 0) {
        schema_check(&check, check.doc);
        REQUIRE(check.faults == 0);
    }
    check_end(&check);
    conf_unload();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_quiet;
    if (!is_quiet)
        is_quiet = freopen("/dev/null", "we", stderr) != NULL;
    fuzz_lines_logged();
    char *text = alloc_text_n((const char *)data, size);
    REQUIRE(text != NULL);
    if (strstr(text, "file") == NULL) /* also as name of an attribute */
        check_one(text);
    alloc_free(text);
    return 0;
}
