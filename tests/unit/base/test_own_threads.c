/* SPDX-License-Identifier: MIT */
/*
 * Goal: threads of one's own have names and numbers, and stay on a CPU when they are told to.
 * Method: a thread looks at itself.
 */
#include "harness.h"

#include <errno.h>
#include <mtev_thread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *look_at_names(void)
{
    char shown[16];
    mtev_thread_init();
    if (strcmp(mtev_thread_getname(), "") != 0)
        return "it has a name at first";
    mtev_thread_setname("a name of more than fifteen bytes, and of more than 31");
    if (strcmp(mtev_thread_getname(), "a name of more than fifteen byt") != 0)
        return "the name is not cut to 31 bytes";
    mtev_thread_setnamef("worker %d of %s", 3, "x");
    pthread_getname_np(pthread_self(), shown, sizeof(shown));
    if (strcmp(mtev_thread_getname(), "worker 3 of x") != 0 || strcmp(shown, "worker 3 of x") != 0)
        return "the formatted name is another";
    if (mtev_thread_id() != (uint32_t)syscall(SYS_gettid) || mtev_thread_id() == (uint32_t)getpid())
        return "the number is another";
    return NULL;
}

static const char *look_at_cpus(void)
{
    cpu_set_t before, now;
    int cpu = 0;
    if (sched_getaffinity(0, sizeof(before), &before) != 0)
        return "no affinity";
    while (!CPU_ISSET((size_t)cpu, &before))
        cpu++;
    if (mtev_thread_is_bound_to_cpu() || !mtev_thread_bind_to_cpu(cpu) ||
        !mtev_thread_bind_to_cpu(cpu))
        return "it cannot be bound";
    sched_getaffinity(0, sizeof(now), &now);
    if (CPU_COUNT(&now) != 1 || !CPU_ISSET((size_t)cpu, &now) || !mtev_thread_is_bound_to_cpu())
        return "it is not where it was bound";
    if (!mtev_thread_unbind_from_cpu() || mtev_thread_is_bound_to_cpu())
        return "it is not let go";
    sched_getaffinity(0, sizeof(now), &now);
    if (!CPU_EQUAL(&now, &before))
        return "it may not go where it might before";
    errno = 0;
    if (mtev_thread_bind_to_cpu(-1) || errno != EINVAL || mtev_thread_bind_to_cpu(CPU_SETSIZE) ||
        mtev_thread_is_bound_to_cpu())
        return "it was bound to no CPU";
    return NULL;
}

struct look {
    const char *(*run)(void); /* returns what is wrong, or NULL */
    const char *fault;
};

static void *run_look(void *closure)
{
    struct look *look = closure;
    look->fault = look->run();
    return NULL;
}

static void assert_thread_finds_all_well(const char *(*run)(void))
{
    pthread_t thread;
    struct look look = {.run = run};
    assert_int_equal(mtev_thread_create(&thread, NULL, run_look, &look), 0);
    pthread_join(thread, NULL);
    if (look.fault != NULL)
        fail_msg("%s", look.fault);
}

static void a_thread_has_the_name_it_is_given(void **state)
{
    assert_thread_finds_all_well(look_at_names);
}

static void a_thread_stays_on_its_cpu_until_it_is_let_go(void **state)
{
    assert_thread_finds_all_well(look_at_cpus);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_thread_has_the_name_it_is_given),
    cmocka_unit_test(a_thread_stays_on_its_cpu_until_it_is_let_go),
};

HARNESS_MAIN(tests)
