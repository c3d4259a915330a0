/* SPDX-License-Identifier: MIT */
/*
 * wall.c - being told when somebody sets the wall clock, by a timerfd that never comes due but is
 * cancelled then (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
 *
 * Timers wait on the wheel by the monotonic clock.  The two clocks run at one rate, so what has to
 * be converted anew after a step is found by a walk over the wheel, and no second queue is kept.
 */
#include "eventer/wall.h"

#include "eventer/event.h"
#include "eventer/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FAR_FUTURE_S ((time_t)1 << 32) /* 2106; it is set anew then */

static int arm(int fd)
{
    const struct itimerspec never = {.it_value = {.tv_sec = FAR_FUTURE_S}};
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static int watch(struct loop *loop, int fd)
{
    if (arm(fd) != 0)
        return -errno;
    return loop->poller->ops->watch(loop->poller, fd, 0, POLLIN | POLLER_EDGE, POLLER_TAG_WALL);
}

void wall_watch(struct loop *loop)
{
    if (loop->wall_fd >= 0)
        return;
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    int err = fd < 0 ? -errno : watch(loop, fd);
    if (err == 0) {
        loop->wall_fd = fd;
        return;
    }
    if (fd >= 0)
        close(fd);
    if (!loop->has_said_wall)
        mtevL(eventer_err, "%s: timers will not follow the wall clock when it is set: %s\n",
              loop->name, strerrordesc_np(-err));
    loop->has_said_wall = true;
}

void wall_was_set(struct loop *loop)
{
    uint64_t ignored;
    (void)!read(loop->wall_fd, &ignored, sizeof(ignored)); /* ECANCELED */
    (void)arm(loop->wall_fd);
    loop->has_wall = loop->has_offset = false;
    schedule_wall_was_set(loop);
}

void wall_unwatch(struct loop *loop)
{
    if (loop->wall_fd >= 0)
        close(loop->wall_fd);
    loop->wall_fd = -1;
}
