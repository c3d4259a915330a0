/* SPDX-License-Identifier: MIT */
/*
 * Coroutines without an event loop: libaco_core.a alone, which `pkg-config aco` names.
 *
 * Two coroutines share a stack and take turns.  Whoever runs owns the stack; the frames of the
 * other wait in its save stack, which is exactly as large as they are.
 */
#include <aco/aco.h>

#include <stdio.h>

struct job {
    const char *name;
    int steps;
};

static void work(void)
{
    const struct job *job = aco_get_arg();
    char text[64]; /* lives on the shared stack, and comes back to the same address */
    for (int step = 1; step <= job->steps; step++) {
        snprintf(text, sizeof(text), "%s, step %d of %d", job->name, step, job->steps);
        aco_yield();
        puts(text);
    }
    aco_exit(); /* not return */
}

static void print_and_destroy(aco_t *co)
{
    const struct job *job = co->arg;
    printf("%s: saved %u times, restored %u times, at most %u bytes\n", job->name,
           (unsigned)co->save_stack.ct_save, (unsigned)co->save_stack.ct_restore,
           (unsigned)co->save_stack.max_cpsz);
    aco_destroy(co);
}

int main(void)
{
    struct job jobs[2] = {{"fetch", 2}, {"carry", 3}};
    aco_thread_init(NULL);
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    aco_t *fetch = stack == NULL ? NULL : aco_create(main_co, stack, 0, work, &jobs[0]);
    aco_t *carry = stack == NULL ? NULL : aco_create(main_co, stack, 0, work, &jobs[1]);
    if (main_co == NULL || fetch == NULL || carry == NULL)
        return 1;
    while (!fetch->is_end || !carry->is_end) {
        if (!fetch->is_end)
            aco_resume(fetch);
        if (!carry->is_end)
            aco_resume(carry);
    }
    print_and_destroy(fetch);
    print_and_destroy(carry);
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return 0;
}
