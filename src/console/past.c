/* SPDX-License-Identifier: MIT */
#include "console/past_impl.h"

#include "base/alloc.h"

#include <histedit.h>
#include <stdbool.h>
#include <sys/stat.h>

struct past {
    History *history;
    bool is_walking; /* a line of before is shown: libedit's cursor is there */
};

struct past *past_new(void)
{
    HistEvent event;
    struct past *p = alloc_zeroed(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->history = history_init();
    if (p->history == NULL) {
        alloc_free(p);
        return NULL;
    }
    (void)history(p->history, &event, H_SETSIZE, PAST_LINES_MAX);
    (void)history(p->history, &event, H_SETUNIQUE, 1);
    return p;
}

void past_free(struct past *p)
{
    if (p == NULL)
        return;
    history_end(p->history);
    alloc_free(p);
}

void past_add(struct past *p, const char *line)
{
    HistEvent event;
    p->is_walking = false;
    (void)history(p->history, &event, H_ENTER, line);
}

const char *past_older(struct past *p)
{
    HistEvent event;
    if (history(p->history, &event, p->is_walking ? H_NEXT : H_FIRST) != 0)
        return NULL;
    p->is_walking = true;
    return event.str;
}

const char *past_newer(struct past *p)
{
    HistEvent event;
    if (p->is_walking && history(p->history, &event, H_PREV) == 0)
        return event.str;
    p->is_walking = false;
    return "";
}

void past_load(struct past *p, const char *path)
{
    HistEvent event;
    (void)history(p->history, &event, H_LOAD, path);
    p->is_walking = false;
}

void past_save(struct past *p, const char *path)
{
    HistEvent event;
    (void)history(p->history, &event, H_SAVE, path); /* it makes the file 0600 */
}
