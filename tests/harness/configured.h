/* SPDX-License-Identifier: MIT */
/*
 * configured.h - tests that load configurations and look at each line that this causes.
 */
#ifndef EVENTER_TESTS_CONFIGURED_H
#define EVENTER_TESTS_CONFIGURED_H

#include "logged.h"

#include "conf/conf.h"

static inline int configured_tear_down(void **state)
{
    conf_unload();
    return logged_tear_down(state);
}

/* A test after which no configuration is loaded. */
#define configured_test(test)                                                                      \
    cmocka_unit_test_setup_teardown(test, logged_set_up, configured_tear_down)

#endif
