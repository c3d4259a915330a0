/* SPDX-License-Identifier: MIT */
/*
 * value.h - what stands in a value for something else: environment variables, counts of processors.
 *
 * Layer: conf.  Any thread (that does not change the environment meanwhile).
 *
 *     ENV:default:{KEY}          as a whole value
 *     {{FACILITY:default:{KEY}}} anywhere in one, any number of times
 *
 * stand for the variable KEY, or for the default where KEY is not set.  FACILITY is ENV; or hwloc,
 * with the keys numanodes, packages, cores and pus, for how many of them this process may run on;
 * or one that a function of the program knows (mtev_conf_value_interpolate).  What does not have
 * one of these two forms is text like any other, and what was put in is not looked at again.
 */
#ifndef EVENTER_CONF_VALUE_H
#define EVENTER_CONF_VALUE_H

#include <stddef.h>

#define VALUE_LEN_MAX     65536 /* bytes of a value after everything was put in */
#define VALUE_REASON_SIZE 96    /* bytes of an explanation, with its NUL */

/*
 * Give in *out the text that raw (NUL-terminated) stands for; the caller owns it.
 * Returns 0; -EINVAL (unknown facility) or -ENOSPC (longer than VALUE_LEN_MAX) with reason filled;
 * or -ENOMEM.
 */
int value_interpolate(const char *raw, char **out, char reason[static VALUE_REASON_SIZE]);

#endif
