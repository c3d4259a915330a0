/* SPDX-License-Identifier: MIT */
/*
 * Goal: every living coroutine is listed with what it is and does, however it waits, and a walk
 * ends whatever the loops, the memory and other walks do.
 * Method: coroutines that are brought to each kind of wait are looked up by their names.
 */
#include "io_helpers.h"

#include "coro/inspect.h"
#include "coro/inspect_impl.h"
#include "eventer/event.h"

#define LIST_MAX 64

/* What was listed, copied. */
struct entry {
    char name[32], function[64], where[128], loop[32], state[16], waits_for[32];
    eventer_aco_info_t info;
};

struct list {
    struct entry entries[LIST_MAX];
    size_t count;
};

static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text == NULL ? "" : text);
}

static int note(const eventer_aco_info_t *info, void *closure)
{
    struct list *list = closure;
    if (!check(list->count < LIST_MAX))
        return 1;
    struct entry *entry = &list->entries[list->count++];
    entry->info = *info;
    copy(entry->name, sizeof(entry->name), info->name);
    copy(entry->function, sizeof(entry->function), info->function);
    copy(entry->where, sizeof(entry->where), info->where);
    copy(entry->loop, sizeof(entry->loop), info->loop);
    copy(entry->state, sizeof(entry->state), info->state);
    copy(entry->waits_for, sizeof(entry->waits_for), info->waits_for);
    return 0;
}

/* List all; return the entry of that name, which is there. */
static const struct entry *find(struct list *list, const char *name)
{
    static const struct entry none;
    list->count = 0;
    check_int(eventer_aco_foreach(note, list), 0);
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->entries[i].name, name) == 0)
            return &list->entries[i];
    check(strcmp(name, "is somebody's") == 0); /* it is nobody's */
    return &none;
}

static struct list listed;

/* ---- names ---- */

static bool is_called(const char *name)
{
    const char *own = aco_name(&this_coroutine()->co);
    return name == NULL || own == NULL ? own == name : strcmp(own, name) == 0;
}

static void take_names(void *closure)
{
    char text[40];
    memset(text, 'n', sizeof(text));
    check(is_called(NULL));
    check_int(eventer_aco_set_name(NULL), 0);
    for (size_t len = EVENTER_ACO_NAME_MAX - 1; len <= EVENTER_ACO_NAME_MAX + 1; len++) {
        char wanted[40] = "";
        text[len] = '\0';
        memcpy(wanted, text, MIN(len, EVENTER_ACO_NAME_MAX));
        check_int(eventer_aco_set_name(text), 0);
        check(is_called(wanted));
        text[len] = 'n';
    }
    check_int(eventer_aco_set_name(""), 0);
    check(is_called(""));
    check_int(eventer_aco_set_name(NULL), 0);
    check(is_called(NULL));
}

static void a_name_is_kept_up_to_its_limit_until_it_is_taken_away(void **state)
{
    in_coroutine(0, take_names, NULL);
}

static void take_names_without_memory(void *closure)
{
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the slots, and the copy */
        alloc_fail_nth(nth, 0);
        errno = 0;
        check_int(eventer_aco_set_name("never"), -1);
        check_int(errno, ENOMEM);
        alloc_fail_nth(0, 0);
        check(is_called(NULL));
    }
    check_int(eventer_aco_set_name("before"), 0);
    alloc_fail_nth(1, 0);
    check_int(eventer_aco_set_name("never"), -1);
    alloc_fail_nth(0, 0);
    check(is_called("before"));
    *aco_tls_slot_(aco_get_co(), MAX_TLS_ENTRIES - 1) = closure; /* beside the last slot */
    check(is_called("before"));
}

static void without_memory_a_coroutine_keeps_its_name(void **state)
{
    in_coroutine(0, take_names_without_memory, NULL);
}

static void outside_a_coroutine_nothing_is_named(void **state)
{
    errno = 0;
    assert_int_equal(eventer_aco_set_name("nobody"), -1);
    assert_int_equal(errno, EINVAL);
    assert_logged_one_line("eventer_aco_set_name: called outside a coroutine");
}

/* ---- what a coroutine does ---- */

struct waiter { /* it waits until it is woken by what wake does */
    const char *name;
    struct pair pair;
    struct tally may_end;
    int fd;
};

static void wait_for_time(void *closure)
{
    struct waiter *waiter = closure;
    check_int(eventer_aco_set_name(waiter->name), 0);
    waiter->pair = pair_open(SOCK_STREAM);
    sleep_ms(100000); /* it is woken before */
    pair_close(&waiter->pair);
}

static void wait_to_read(void *closure)
{
    struct waiter *waiter = closure;
    char byte;
    check_int(eventer_aco_set_name(waiter->name), 0);
    waiter->pair = pair_open(SOCK_STREAM);
    waiter->fd = eventer_get_fd((eventer_t)waiter->pair.e);
    check_int(eventer_aco_read(waiter->pair.e, &byte, 1, NULL), 1);
    pair_close(&waiter->pair);
}

static void wait_to_read_what_another_converted(void *closure)
{
    struct waiter *waiter = closure;
    char byte;
    check_int(eventer_aco_set_name(waiter->name), 0);
    waiter->pair = pair_open(SOCK_STREAM);
    waiter->fd = eventer_get_fd((eventer_t)waiter->pair.e);
    chain_remove(&((eventer_t)waiter->pair.e)->belongs); /* as it is for all but the converter */
    check_int(eventer_aco_read(waiter->pair.e, &byte, 1, NULL), 1);
    pair_close(&waiter->pair);
}

static void wait_to_write(void *closure)
{
    static const char bytes[4096];
    struct waiter *waiter = closure;
    check_int(eventer_aco_set_name(waiter->name), 0);
    waiter->pair = pair_open(SOCK_STREAM);
    waiter->fd = eventer_get_fd((eventer_t)waiter->pair.e);
    while (eventer_aco_write(waiter->pair.e, bytes, sizeof(bytes), NULL) > 0)
        ;
    check(errno == EPIPE || errno == ECONNRESET);
    pair_close(&waiter->pair);
}

static void wait_to_accept(void *closure)
{
    struct waiter *waiter = closure;
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    check_int(eventer_aco_set_name(waiter->name), 0);
    waiter->fd = listen_on_loopback(&address);
    waiter->pair = (struct pair){.e = adopt(waiter->fd), .peer = -1};
    int fd = eventer_aco_accept(waiter->pair.e, (struct sockaddr *)&address, &len, NULL);
    check(fd >= 0);
    close(fd);
    pair_close(&waiter->pair);
}

static void wait_for_word(void *closure)
{
    struct waiter *waiter = closure;
    tally_wait(&waiter->may_end);
}

static void wait_for_job(void *closure)
{
    check_int(eventer_aco_set_name(((struct waiter *)closure)->name), 0);
    eventer_aco_simple_asynch(wait_for_word, closure);
}

static void wait_for_gate(void *closure)
{
    eventer_aco_gate_t gate = eventer_aco_gate();
    check_int(eventer_aco_set_name(((struct waiter *)closure)->name), 0);
    eventer_aco_simple_asynch_gated(gate, wait_for_word, closure);
    eventer_aco_gate_wait(gate);
}

static void end_sleep(void *closure)
{
    const struct entry *entry = closure;
    struct coro *co = (struct coro *)(uintptr_t)entry->info.co;
    wheel_cancel(&co->timer);
    check(coro_wake(co, co->co.generation_, 0));
    /* in the same turn: it is ready, and has not run */
    entry = find(&listed, "sleeper");
    check(strcmp(entry->state, "ready") == 0);
    check(strcmp(entry->waits_for, "nothing") == 0);
    check_int(entry->info.fd, -1);
}

static struct waiter waiter; /* of the test that runs */

/* Have a coroutine wait with fn, see that the list says what for, and return its entry. */
static const struct entry *wait_with(struct errand *errand, const char *name,
                                     void (*fn)(void *closure), const char *waits_for)
{
    waiter = (struct waiter){.name = name, .may_end = TALLY_NONE, .fd = -1};
    coroutine_post(errand, 0, fn, &waiter);
    settle(0);
    const struct entry *entry = find(&listed, name);
    assert_checks();
    assert_string_equal(entry->state, "parked");
    assert_string_equal(entry->waits_for, waits_for);
    assert_string_equal(entry->loop, "e:default/0");
    assert_int_equal(entry->info.fd, waiter.fd);
    assert_true(entry->info.stack_bytes > 0);
    assert_true(entry->info.stack_bytes_max >= entry->info.stack_bytes);
    return entry;
}

static void finish_wait(struct errand *errand)
{
    errand_wait(errand);
    settle(0);
    assert_checks();
}

static void a_sleeper_waits_for_time_and_is_ready_when_that_has_come(void **state)
{
    struct errand errand;
    struct entry entry = *wait_with(&errand, "sleeper", wait_for_time, "time");
    in_loop(0, end_sleep, &entry);
    finish_wait(&errand);
}

static void who_reads_writes_or_accepts_waits_on_its_fd(void **state)
{
    struct errand errand;
    wait_with(&errand, "reader", wait_to_read, "to read");
    assert_int_equal(write(waiter.pair.peer, "x", 1), 1);
    finish_wait(&errand);

    wait_with(&errand, "guest", wait_to_read_what_another_converted, "to read");
    assert_int_equal(write(waiter.pair.peer, "x", 1), 1);
    finish_wait(&errand);

    wait_with(&errand, "writer", wait_to_write, "to write");
    assert_int_equal(shutdown(waiter.pair.peer, SHUT_RDWR), 0);
    finish_wait(&errand);

    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    wait_with(&errand, "server", wait_to_accept, "to accept");
    assert_int_equal(getsockname(waiter.fd, (struct sockaddr *)&address, &len), 0);
    int fd = connect_to(&address);
    finish_wait(&errand);
    close(fd);
}

static void jobs_and_gates_are_waited_for(void **state)
{
    struct errand errand;
    wait_with(&errand, "worker", wait_for_job, "a job");
    tally_raise(&waiter.may_end);
    finish_wait(&errand);
    wait_with(&errand, "gate", wait_for_gate, "a gate");
    tally_raise(&waiter.may_end);
    finish_wait(&errand);
}

/* ---- who is related to whom ---- */

static int start_line;

static void look_at_the_family(void)
{
    check_int(eventer_aco_set_name("child"), 0);
    const struct entry *child = find(&listed, "child");
    check(strcmp(child->state, "running") == 0);
    check(strcmp(child->waits_for, "nothing") == 0);
    check(child->info.stack_bytes > 0);
    char line[16];
    snprintf(line, sizeof(line), ".c:%d", start_line);
    check(strstr(child->where, line) != NULL);
    const struct entry *parent = find(&listed, "parent");
    check(strcmp(parent->state, "ready") == 0);
    check(strcmp(parent->waits_for, "a coroutine it started") == 0);
    check_int(listed.count, 2);
}

static void start_the_family(void *closure)
{
    check_int(eventer_aco_set_name("parent"), 0);
    start_line = __LINE__ + 1;
    eventer_aco_start(look_at_the_family, NULL);
}

static void a_coroutine_may_look_while_its_parent_waits_for_it(void **state)
{
    in_coroutine(0, start_the_family, NULL);
}

/* ---- how much it takes ---- */

static void lend_a_local(void *closure)
{
    struct waiter own;
    memcpy(&own, closure, sizeof(own));
    check_int(eventer_aco_set_name("lender"), 0);
    own.may_end = (struct tally)TALLY_NONE;
    *(struct tally **)closure = &own.may_end;
    eventer_aco_simple_asynch(wait_for_word, &own);
}

static void a_lent_stack_is_told(void **state)
{
    struct errand errand;
    union {
        struct waiter waiter;
        struct tally *may_end;
    } shared = {.waiter = {.name = "lender"}};
    coroutine_post(&errand, 0, lend_a_local, &shared);
    settle(0);
    const struct entry *entry = find(&listed, "lender");
    assert_true(entry->info.is_lent);
    tally_raise(shared.may_end);
    finish_wait(&errand);
}

static void be_private(void)
{
    check_int(eventer_aco_set_name("private"), 0);
    sleep_ms(100000);
}

static void be_shared(void)
{
    check_int(eventer_aco_set_name(eventer_aco_arg()), 0);
    sleep_ms(100000);
}

static void start_with_and_without_a_stack(void *closure)
{
    static char names[2][8] = {"trial", "shared"};
    check_int(eventer_aco_start_private(be_private, NULL, 0), 0);
    for (int i = 0; i < 2; i++) /* the first of a function has a stack of its own */
        eventer_aco_start(be_shared, names[i]);
}

/* Copy the frames of whom it is away, as if another coroutine needed the stack. */
static void evict(void *closure)
{
    const struct entry *entry = closure;
    const struct coro *co = (const struct coro *)(const void *)entry->info.co;
    check_int(aco_save_owner(co->co.share_stack), 0);
}

static int wake(struct coro *co, void *closure)
{
    wheel_cancel(&co->timer);
    check(coro_wake(co, co->co.generation_, 0));
    return 0;
}

static void wake_all(void *closure)
{
    check_int(coro_each(loop_self->coro, wake, NULL), 0);
}

static void whose_stack_it_is_and_what_is_saved_is_told(void **state)
{
    in_loop(0, start_with_and_without_a_stack, NULL);
    assert_true(find(&listed, "private")->info.is_private);
    struct entry shared = *find(&listed, "shared");
    assert_false(shared.info.is_lent);
#if !defined(ACO_TSAN_) && !defined(ACO_DEBUG_STACKS) /* where each has its own */
    assert_false(shared.info.is_private);
    in_loop(0, evict, &shared);
    const struct entry *saved = find(&listed, "shared");
    assert_true(saved->info.saved_bytes >= saved->info.stack_bytes);
    assert_int_equal(saved->info.stack_bytes, shared.info.stack_bytes);
#else
    (void)evict;
#endif
    in_loop(0, wake_all, NULL);
    wait_for_all_to_end(0);
    assert_checks();
}

static void an_age_counts_from_the_start(void **state)
{
    struct coro co = {.born = UINT32_MAX};
    const uint64_t start_ns = UINT32_MAX * CORO_AGE_UNIT_NS;
    assert_int_equal(coro_age_ns(&co, start_ns), 0);
    assert_int_equal(coro_age_ns(&co, start_ns + 5 * CORO_AGE_UNIT_NS), 5 * CORO_AGE_UNIT_NS);
}

/* ---- walking ---- */

static void start_a_sleeper(void *closure)
{
    eventer_aco_start(be_shared, closure);
}

static void start_sleepers(void)
{
    static char names[2][8] = {"left", "right"};
    for (uint32_t i = 0; i < 2; i++)
        in_loop(i, start_a_sleeper, names[i]);
}

static void end_sleepers(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        in_loop(i, wake_all, NULL);
        wait_for_all_to_end(i);
    }
    assert_checks();
}

static void look_from_a_loop(void *closure)
{
    check(strcmp(find(&listed, "left")->loop, "e:default/0") == 0);
    check(strcmp(find(&listed, "right")->loop, "e:default/1") == 0);
    check_int(listed.count, 2);
}

static void a_loop_sees_its_own_coroutines_and_those_of_others(void **state)
{
    start_sleepers();
    for (uint32_t i = 0; i < 2; i++)
        in_loop(i, look_from_a_loop, NULL);
    end_sleepers();
}

static int stop_with_seven(const eventer_aco_info_t *info, void *closure)
{
    ++*(int *)closure;
    return 7;
}

static void what_the_callback_returns_ends_the_walk(void **state)
{
    int count = 0;
    start_sleepers();
    assert_int_equal(eventer_aco_foreach(stop_with_seven, &count), 7);
    assert_int_equal(count, 1);
    end_sleepers();
}

static int walk_again(const eventer_aco_info_t *info, void *closure)
{
    errno = 0;
    check_int(eventer_aco_foreach(walk_again, NULL), -1);
    check_int(errno, EBUSY);
    return 1;
}

static void one_walk_is_under_way_at_a_time(void **state)
{
    start_sleepers();
    assert_int_equal(eventer_aco_foreach(walk_again, NULL), 1);
    assert_int_equal(eventer_aco_foreach(walk_again, NULL), 1); /* the first one is over */
    end_sleepers();
}

static void without_a_callback_nothing_is_walked(void **state)
{
    errno = 0;
    assert_int_equal(eventer_aco_foreach(NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(eventer_aco_foreach_function(NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
}

static void list_whatever_memory_says(void *closure)
{
    errno = 0;
    listed.count = 0;
    int result = eventer_aco_foreach(note, &listed);
    assert_true(result == 0 ? listed.count == 2 : errno == ENOMEM);
}

static int count_function(const eventer_aco_function_t *function, void *closure)
{
    ++*(int *)closure;
    return 0;
}

static void list_functions_whatever_memory_says(void *closure)
{
    int count = 0;
    errno = 0;
    int result = eventer_aco_foreach_function(count_function, &count);
    assert_true(result == 0 ? count > 0 : errno == ENOMEM && count == 0);
}

static void without_memory_a_walk_fails_and_leaves_nothing(void **state)
{
    start_sleepers();
    harness_fail_each_allocation(list_whatever_memory_says, NULL);
    harness_fail_each_allocation(list_functions_whatever_memory_says, NULL);
    end_sleepers();
}

/* ---- functions ---- */

static void be_counted(void)
{
    char bytes[300];
    memset(bytes, 1, sizeof(bytes));
    __asm__ volatile("" : : "r"(bytes) : "memory");
    sleep_ms(eventer_aco_arg() == NULL ? 1 : 100000);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

static void start_the_counted(void *closure)
{
    for (int i = 0; i < 3; i++)
        eventer_aco_start_at(be_counted, i < 1 ? NULL : closure, "counted:1");
}

static eventer_aco_function_t counted;

static int take_counted(const eventer_aco_function_t *function, void *closure)
{
    const char *where = function->where == NULL ? "" : function->where;
    if (strcmp(where, "counted:1") != 0)
        return 0;
    check_int(counted.started, 0); /* once, for both loops together */
    check(function->name[0] != '\0');
    counted = *function;
    return closure == NULL ? 0 : 9;
}

static void read_is_one_left(void *closure)
{
    *(bool *)closure = ((struct coro_home *)loop_self->coro)->count == 2;
}

static void functions_are_counted_over_all_loops(void **state)
{
    int any;
    for (uint32_t i = 0; i < 2; i++) {
        bool one_has_ended = false;
        in_loop(i, start_the_counted, &any);
        while (!one_has_ended)
            in_loop(i, read_is_one_left, &one_has_ended);
    }
    counted.started = 0;
    assert_int_equal(eventer_aco_foreach_function(take_counted, NULL), 0);
    assert_checks();
    assert_int_equal(counted.started, 6);
    assert_int_equal(counted.living, 4);
    assert_true(counted.stack_bytes_max >= 300);
    assert_false(counted.lends);
    counted.started = 0;
    assert_int_equal(eventer_aco_foreach_function(take_counted, &any), 9);
    end_sleepers();
    counted.started = 0;
    assert_int_equal(eventer_aco_foreach_function(take_counted, NULL), 0);
    assert_int_equal(counted.living, 0);
    assert_true(counted.stack_bytes_max >= 300);
}

/* ---- each resume ---- */

static void sleep_twice(void *closure)
{
    check_int(eventer_aco_set_name("dozer"), 0);
    for (int i = 0; i < 2; i++)
        sleep_ms(1);
    check_int(eventer_aco_set_name(NULL), 0);
    sleep_ms(1);
}

static void each_resume_is_said_while_its_stream_is_on(void **state)
{
    assert_false(N_L_S_ON(coro_resume_log)); /* debug is off */
    assert_int_equal(mtev_log_stream_add_stream(coro_resume_log, mtev_error), 0);
    in_coroutine(0, sleep_twice, NULL);
    assert_non_null(mtev_log_stream_remove_stream(coro_resume_log, "error"));
    assert_int_equal(logged("resume dozer: "), 2);
    assert_int_equal(logged(" bytes of stack, at most "), 4); /* before its name, and after */
    assert_logged(4, "resume ");
    in_coroutine(0, sleep_twice, NULL);
    assert_nothing_logged();
}

/* ---- a part at a time ------------------------------------------------------------ */

#define CROWD 1000 /* coroutines: they lie in several slabs */

static struct errand crowd[CROWD];
static atomic_bool crowd_may_go;
static size_t part_count, named_count;

static void stand_about(void *closure)
{
    check_int(eventer_aco_set_name("one of a crowd"), 0);
    while (!atomic_load(&crowd_may_go))
        sleep_ms(5);
}

static int count_named(const eventer_aco_info_t *info, void *closure)
{
    named_count += strcmp(info->name, "one of a crowd") == 0;
    return 0;
}

static void walk_by_parts(void *closure)
{
    uintptr_t at = 0;
    while (inspect_next(loop_self, &at, count_named, NULL))
        part_count++;
}

static void a_crowd_is_listed_in_parts(void **state)
{
    for (size_t i = 0; i < CROWD; i++)
        coroutine_post(&crowd[i], 1, stand_about, NULL);
    settle_all();
    in_loop(1, walk_by_parts, NULL);
    assert_int_equal(named_count, CROWD);
    assert_in_range(part_count, 2, CROWD / 10);
    atomic_store(&crowd_may_go, true);
    for (size_t i = 0; i < CROWD; i++)
        errand_wait(&crowd[i]);
    wait_for_all_to_end(1);
    named_count = 0;
    in_loop(1, walk_by_parts, NULL);
    assert_int_equal(named_count, 0);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_name_is_kept_up_to_its_limit_until_it_is_taken_away),
    clean_test(without_memory_a_coroutine_keeps_its_name),
    clean_test(outside_a_coroutine_nothing_is_named),
    clean_test(a_sleeper_waits_for_time_and_is_ready_when_that_has_come),
    clean_test(who_reads_writes_or_accepts_waits_on_its_fd),
    clean_test(jobs_and_gates_are_waited_for),
    clean_test(a_coroutine_may_look_while_its_parent_waits_for_it),
    clean_test(a_lent_stack_is_told),
    clean_test(whose_stack_it_is_and_what_is_saved_is_told),
    clean_test(an_age_counts_from_the_start),
    clean_test(a_loop_sees_its_own_coroutines_and_those_of_others),
    clean_test(what_the_callback_returns_ends_the_walk),
    clean_test(one_walk_is_under_way_at_a_time),
    clean_test(without_a_callback_nothing_is_walked),
    clean_test(without_memory_a_walk_fails_and_leaves_nothing),
    clean_test(functions_are_counted_over_all_loops),
    clean_test(each_resume_is_said_while_its_stream_is_on),
    clean_test(a_crowd_is_listed_in_parts),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
