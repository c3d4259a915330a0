/* SPDX-License-Identifier: MIT */
#include "command/keys_impl.h"

#include "conf/env.h"

const struct key_block *const key_blocks[] = {
    &keys_root,    &keys_logs, &keys_eventer,  &keys_listeners,
    &keys_modules, &keys_rest, &keys_watchdog, NULL,
};

static bool is_condition(const char *name, const char *value)
{
    char reason[ENV_REASON_SIZE];
    bool holds;
    (void)name;
    return env_holds(value, &holds, reason) == 0;
}

const struct key key_everywhere[] = {
    {"", "@require_env", KEY_CHECKED, .is_right = is_condition,
     .form = "VARIABLE, VARIABLE=text or VARIABLE~expression",
     .says = "The element counts only where this holds of the environment."},
    {"", "@id", KEY_TEXT, .says = "What inherit calls the element."},
    {"", "@inherit", KEY_TEXT, .says = "The id of elements whose keys come before its own."},
};
const size_t key_everywhere_count = sizeof(key_everywhere) / sizeof(key_everywhere[0]);

/* ---- the root element ------------------------------------------------------------ */

static const struct key_element elements[] = {{.path = "", .flags = KEY_OPEN}, {.path = "include"}};

static const struct key keys[] = {
    {"", "@lockfile", KEY_TEXT, .says = "The file that mtev_main() locks."},
    {"", "@seccomp", KEY_BOOLEAN, .otherwise = "false",
     .says = "A process that serves gives up system calls that it does not need."},
    {"", "@workingdir", KEY_TEXT, .says = "The folder where relative paths begin."},
    {"include", "@file", KEY_TEXT, .says = "The file whose elements are put in place."},
    {"include", "@snippet", KEY_BOOLEAN, .otherwise = "false",
     .says = "The file has no root element."},
};

const struct key_block keys_root = KEY_BLOCK("", elements, keys);
