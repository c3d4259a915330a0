/* SPDX-License-Identifier: MIT */
/*
 * Goal: without memory `eventer check` tells less, but nothing that is not so, and does no harm.
 * Method: a configuration with a fault of each kind is checked with each allocation failing.
 */
#include "logged.h"

#include "base/alloc.h"
#include "command/check_impl.h"
#include "command/schema.h"
#include "conf/include.h"

#include <fcntl.h>
#include <unistd.h>

static const char text[] = "<app lockfil='x'><logs><log type='file'/><outlet name='x'/></logs>"
                           "<listeners><listener type='x' port='{{ENV:1:{X}}}'/>"
                           "<listener prt='1'/><config id='a' inherit='b'/></listeners>"
                           "<modules><generic image='a' name='b'/></modules></app>";

static void ignore(void *closure, const char *file, long line, const char *what)
{
    (void)closure;
}

static void check_text(void *closure)
{
    const struct conf_faults faults = {.tell = ignore};
    struct check check = {.path = "t"};
    include_read_text("t", text, strlen(text), &faults, &check.doc);
    if (check.doc != NULL) {
        check_elements(&check);
        check_references(&check);
        schema_check(&check, check.doc);
    }
    check_end(&check);
    logged_clear();
}

static void no_memory_does_no_harm(void **state)
{
    int kept = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(kept >= 0 && nowhere >= 0);
    assert_int_equal(dup2(nowhere, STDERR_FILENO), STDERR_FILENO);
    harness_fail_each_allocation(check_text, NULL);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(nowhere);
    close(kept);
}

static const struct CMUnitTest tests[] = {logged_test(no_memory_does_no_harm)};
HARNESS_MAIN(tests)
