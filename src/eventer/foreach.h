/* SPDX-License-Identifier: MIT */
/*
 * foreach.h - the registered events of a loop, a part at a time, so that it need not stand still
 * while all of very many are looked at.
 *
 * Layer: eventer.  The loop's thread; fn changes no event.  Whoever goes on with what was returned,
 * from 0 to FOREACH_END, is shown every event once that stays registered all the while.
 */
#ifndef EVENTER_EVENTER_FOREACH_H
#define EVENTER_EVENTER_FOREACH_H

#include <eventer/eventer.h>

#include <stdint.h>

#define FOREACH_END      UINT64_MAX
#define FOREACH_PART_MAX 256  /* events of a part */
#define FOREACH_FDS_MAX  4096 /* fds that are looked at for a part */

/*
 * Show events that are registered for an fd, from that fd on.  The fd is told beside, since another
 * thread may close the event meanwhile.
 */
uint64_t foreach_fds_from(uint64_t from, void (*fn)(eventer_t e, int fd, void *closure),
                          void *closure);

/*
 * Show timers, from that tick of the loop's wheel on.  The timers of one slot of the wheel are in
 * one part, also if they are more than FOREACH_PART_MAX: those due within 1/64 of the time for
 * which they are set, or less.
 */
uint64_t foreach_timers_from(uint64_t from, void (*fn)(eventer_t e, void *closure), void *closure);

#endif
