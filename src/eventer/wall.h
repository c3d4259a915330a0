/* SPDX-License-Identifier: MIT */
/*
 * wall.h - being told when somebody sets the wall clock.
 *
 * Layer: eventer.  A loop's own thread.
 */
#ifndef EVENTER_EVENTER_WALL_H
#define EVENTER_EVENTER_WALL_H

struct loop;

/*
 * From now on, have the loop's timers with an absolute time looked at anew whenever the wall clock
 * is set (wall_fd is not -1 then).  Without an fd or memory for that it is said once, and tried
 * again at the next call.
 */
void wall_watch(struct loop *loop);

/* The poller said that the clock was set. */
void wall_was_set(struct loop *loop);

/* Give back what wall_watch() took; the loop has ended. */
void wall_unwatch(struct loop *loop);

#endif
