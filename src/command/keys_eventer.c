/* SPDX-License-Identifier: MIT */
#include "command/keys_impl.h"

#include <eventer/eventer.h>

/* The eventer itself knows best; what it keeps is of no use to this program. */
static bool is_property(const char *name, const char *value)
{
    return eventer_propset(name, value) == 0;
}

static const struct key_element elements[] = {{.path = "eventer"}, {.path = "eventer//config"}};

static const struct key keys[] = {
    {"eventer", "@implementation", KEY_WORDS, .words = "epoll|poll|io_uring", .otherwise = "epoll",
     .says = "How loops wait for fds."},
    {"eventer//config", "implementation", KEY_WORDS, .words = "epoll|poll|io_uring",
     .otherwise = "epoll", .says = "The same as the attribute of <eventer>."},
    {"eventer//config", "concurrency", KEY_NUMBER, .min = 0, .max = 256, .otherwise = "0",
     .says = "The loops of the default pool; 0 is one for each usable CPU."},
    {"eventer//config", "loop_", KEY_CHECKED, .is_right = is_property, .form = "loops[,seconds]",
     .flags = KEY_PREFIX, .says = "A pool of loops, and how long a turn in it may take."},
    {"eventer//config", "cpu_affinity", KEY_WORDS, .words = "on|off", .otherwise = "off",
     .says = "Each loop keeps to one CPU."},
    {"eventer//config", "default_queue_threads", KEY_NUMBER, .min = 1, .max = 4096,
     .otherwise = "5", .says = "The threads of the default job queue."},
    {"eventer//config", "jobq_", KEY_CHECKED, .is_right = is_property,
     .form =
         "concurrency[,min[,max[,gc|cs|none[,backlog[,fifo|lifo]]]]] with min <= concurrency <= "
         "max",
     .flags = KEY_PREFIX, .says = "A job queue."},
    {"eventer//config", "default_jobq_ordering", KEY_WORDS, .words = "fifo|lifo",
     .otherwise = "fifo", .says = "The order of queues that do not name one."},
    {"eventer//config", "aco_shared_stacks", KEY_NUMBER, .min = 0, .max = 4096, .otherwise = "0",
     .says = "The stacks that the coroutines of a loop share; 0 leaves it to the library."},
    {"eventer//config", "aco_stack_size", KEY_NUMBER, .min = 16384, .max = 1073741824,
     .otherwise = "1048576", .says = "The bytes of each of these stacks."},
    {"eventer//config", "drain_seconds", KEY_NUMBER, .min = 0, .max = 86400, .otherwise = "10",
     .says = "How long what is in flight may take when the process is to end."},
    {"eventer//config", "rlim_nofiles", KEY_NUMBER, .min = 256, .max = 4294967295,
     .says = "The files that the process may have open; by default as many as the system allows."},
    {"eventer//config", "show_loop_callbacks_threshold", KEY_NUMBER, .min = -1, .max = 86400000,
     .otherwise = "-1", .says = "Log what holds a loop for so many milliseconds; -1: nothing."},
    {"eventer//config", "show_jobq_callbacks_threshold", KEY_NUMBER, .min = -1, .max = 86400000,
     .otherwise = "-1", .says = "Log jobs that take so many milliseconds; -1: none."},
};

const struct key_block keys_eventer = KEY_BLOCK("eventer", elements, keys);
