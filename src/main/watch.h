/* SPDX-License-Identifier: MIT */
/*
 * watch.h - how a monitor looks after its child, as <watchdog> and the program say.
 *
 * Layer: main.  Main thread, before there are others.
 */
#ifndef EVENTER_MAIN_WATCH_H
#define EVENTER_MAIN_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_RETRIES_MAX 1000
#define WATCH_SPAN_S_MAX  86400
#define WATCH_READY_S_MAX 86400
#define WATCH_LIMIT_S_MAX 86400
#define WATCH_PATH_MAX    1023 /* bytes of the path of the glider, and of the folder for traces */

struct watch_settings {
    int64_t retries;                 /* a child that dies is started again so often in span_s */
    int64_t span_s;                  /* seconds */
    int64_t ready_s;                 /* in which the next one has to be ready in an upgrade */
    uint64_t limit_ns;               /* how long a thread may be busy with one thing; 0: for ever */
    bool has_traces;                 /* they are saved, where there is a folder for them */
    bool dumps_core;                 /* the system may write a core of a child that crashes */
    char glider[WATCH_PATH_MAX + 1]; /* called for a child that crashes or stalls; "": none */
    char trace_folder[WATCH_PATH_MAX + 1]; /* "": none */
};

/* As they are now (borrowed for good). */
const struct watch_settings *watch_settings(void);

/* Read <watchdog>, and the environment, which counts more.  0, or -errno after a line. */
int watch_configure(void);

/* The glider's path, and that of the folder for traces.  0 or -ENAMETOOLONG. */
int watch_set_glider(const char *path);
int watch_set_trace_folder(const char *path);
void watch_set_rate(int64_t retries, int64_t span_s);
void watch_set_traces(bool is_on);

/* No core is written, whatever the configuration says. */
void watch_forbid_core(void);

#endif
