/* SPDX-License-Identifier: MIT */
/*
 * Defect: the parser of require_env kept the negation, and how far it had read, of one element for
 * those around it, so that an inner "!" turned all outer conditions round.
 * Goal: each condition is read by itself, whatever the inner ones are.
 * Method: pairs of an inner and an outer condition, of which one is negated.
 * Shown red: keep is_opposite in env_holds() of src/conf/env.c in a static variable.
 */
#include "harness.h"

#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>

static void each_condition_is_read_by_itself(void **state)
{
    static const struct {
        const char *outer, *inner;
        bool is_on;
    } cases[] = {
        {"SET", "!NOT", true},       {"!NOT", "SET", true},      {"NOT", "!NOT", false},
        {"!SET", "SET", false},      {"SET=1", "!SET=22", true}, {"!SET=1", "SET=1", false},
        {"SET~^1$", "!NOT~x", true}, {"!NOT", "!NOT", true},     {"!SET", "!SET", false},
    };
    setenv("SET", "1", 1);
    unsetenv("NOT");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "<app><a x='%s'><b x='%s'/></a></app>", cases[i].outer,
                 cases[i].inner);
        assert_int_equal(conf_load_text("test", text), 0);
        mtev_conf_section_t b = mtev_conf_get_section_read(MTEV_CONF_ROOT, "a/b");
        if (mtev_conf_env_off(b, "x") != (cases[i].is_on ? mtev_false : mtev_true))
            fail_msg("%s around %s", cases[i].outer, cases[i].inner);
        mtev_conf_release_section_read(b);
    }
    conf_unload();
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(each_condition_is_read_by_itself)};
HARNESS_MAIN(tests)
