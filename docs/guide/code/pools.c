/* SPDX-License-Identifier: MIT */
/* pools.c - work that goes from pool to pool: chapter 8 of the guide. */
#include <eventer/eventer.h>

static int count_in_batch; /* only the loop of the pool "batch" looks at it */

static int finish(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)now;
    printf("%s in %s\n", (const char *)closure, eventer_get_thread_name());
    exit(0);
}

/* Run func(closure) in the loop whose thread is owner. */
static void run_there(pthread_t owner, eventer_func_t func, void *closure)
{
    eventer_add_timer_next_opportunity(func, closure, owner);
}

static int count_up(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    if (++count_in_batch == 2)
        run_there(eventer_choose_owner(0), finish, "counted to two");
    return 0;
}

int main(void)
{
    eventer_propset("concurrency", "1");
    eventer_propset("loop_batch", "1");
    if (eventer_init() != 0)
        return 2;
    eventer_pool_t *batch = eventer_pool("batch");
    for (int n = 0; n < 2; n++)
        run_there(eventer_choose_owner_pool(batch, n), count_up, NULL);
    eventer_loop();
    return 0;
}
