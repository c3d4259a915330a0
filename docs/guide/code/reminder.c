/* SPDX-License-Identifier: MIT */
/* reminder.c - timers that repeat, move and are taken back: chapter 7 of the guide. */
#include <eventer/eventer.h>

static eventer_t patience;

/* Fires every 20 ms, three times. */
static int tick(eventer_t e, int mask, void *closure, struct timeval *now)
{
    static int count;
    const struct timeval period = {.tv_usec = 20000};
    struct timeval next;
    (void)mask, (void)closure, (void)now;
    printf("tick %d\n", ++count);
    if (count == 3)
        return 0; /* it is over */
    add_timeval(eventer_get_whence(e), period, &next);
    eventer_update_whence(e, next);
    return EVENTER_TIMER;
}

static int too_late(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    printf("nobody was there in time\n");
    exit(0);
}

/* Somebody was there: wait for the next one for as long again. */
static int somebody(eventer_t e, int mask, void *closure, struct timeval *now)
{
    const struct timeval longer = {.tv_usec = 50000};
    struct timeval late;
    (void)e, (void)mask, (void)closure;
    printf("somebody was there\n");
    add_timeval(*now, longer, &late);
    eventer_update_whence(patience, late);
    return 0;
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    printf("that was taken back\n");
    return 0;
}

int main(void)
{
    struct timeval now;
    eventer_propset("concurrency", "1");
    if (eventer_init() != 0)
        return 2;
    mtev_gettimeofday(&now, NULL);
    eventer_add_at(tick, NULL, now);
    patience = eventer_add_in_s_us(too_late, NULL, 1, 0);
    eventer_add_in_s_us(somebody, NULL, 0, 100000);
    eventer_t idle = eventer_add_in_s_us(never, NULL, 3600, 0);
    if (eventer_remove(idle) != NULL) /* it has not fired, and never will */
        eventer_free(idle);
    eventer_loop();
    return 0;
}
