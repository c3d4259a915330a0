/* SPDX-License-Identifier: MIT */
#include "command/keys_impl.h"

static const struct key_element elements[] = {{.path = "watchdog"}};

static const struct key keys[] = {
    {"watchdog", "@retries", KEY_NUMBER, .min = 0, .max = 1000, .otherwise = "5",
     .says = "How many processes may die in span seconds and are replaced."},
    {"watchdog", "@span", KEY_NUMBER, .min = 1, .max = 86400, .otherwise = "60",
     .says = "These seconds."},
    {"watchdog", "@ready_seconds", KEY_NUMBER, .min = 1, .max = 86400, .otherwise = "60",
     .says = "In which the next process has to be ready in an upgrade."},
    {"watchdog", "@glider", KEY_FILE,
     .says = "A program that looks at a process that crashes or is stuck."},
    {"watchdog", "@tracedir", KEY_FOLDER, .says = "The folder for what these two have to say."},
    {"watchdog", "@save_trace_output", KEY_BOOLEAN, .otherwise = "true",
     .says = "False: nothing is written there."},
    {"watchdog", "@core", KEY_BOOLEAN, .otherwise = "false",
     .says = "A process that crashes may leave a core."},
};

const struct key_block keys_watchdog = KEY_BLOCK("watchdog", elements, keys);
