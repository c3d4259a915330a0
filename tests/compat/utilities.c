/* SPDX-License-Identifier: MIT */
/*
 * A program in the style of libmtev's own: it uses each utility header by the names and shapes that
 * such programs rely on, in C and in C++.  It ends with status 0 and prints nothing if all is well.
 */
#include <mtev_defines.h>
#include <mtev_dyn_buffer.h>
#include <mtev_flow_regulator.h>
#include <mtev_hash.h>
#include <mtev_intern.h>
#include <mtev_log.h>
#include <mtev_maybe_alloc.h>
#include <mtev_memory.h>
#include <mtev_perftimer.h>
#include <mtev_rand.h>
#include <mtev_sort.h>
#include <mtev_thread.h>
#include <mtev_time.h>
#include <mtev_uuid.h>

#include <mtev_sem.h>

#include <stdarg.h>
#include <stdio.h>

static void time_and_numbers(void)
{
    mtev_perftimer_t timer;
    mtev_time_start_tsc();
    mtev_perftimer_start(&timer);
    mtev_hrtime_t first = mtev_gethrtime(), second = mtev_sys_gethrtime();
    mtevAssert(first <= second);
    mtevAssert(mtev_perftimer_elapsed(&timer) >= 0);
    mtevAssert(mtev_get_nanos() / 1000000000 > 1000000000);
    mtevAssert(mtev_rand() != mtev_rand());
}

static void identifiers(void)
{
    uuid_t a, b;
    char text[37];
    mtev_uuid_generate(a);
    mtev_uuid_unparse_upper(a, text);
    mtevAssert(mtev_uuid_parse(text, b) == 0);
    mtevAssert(mtev_uuid_compare(a, b) == 0);
    mtev_uuid_clear(b);
    mtev_uuid_copy(a, b);
    mtev_uuid_unparse_lower(a, text);
    mtevAssert(strcmp(text, "00000000-0000-0000-0000-000000000000") == 0);
    mtev_uuid_unparse(a, text);
    mtevAssert(strlen(text) == UUID_SIZE * 2 + 4);
}

static int add(mtev_dyn_buffer_t *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = mtev_dyn_buffer_maybe_add_vprintf(buffer, format, args);
    va_end(args);
    va_start(args, format);
    mtev_dyn_buffer_add_vprintf(buffer, format, args);
    va_end(args);
    return len;
}

static void buffers(void)
{
    mtev_dyn_buffer_t buffer;
    MTEV_MAYBE_DECL(char, text, 16);
    mtev_dyn_buffer_init(&buffer);
    mtev_dyn_buffer_add(&buffer, (uint8_t *)"abc", 3);
    mtev_dyn_buffer_add_printf(&buffer, "%d", 1);
    mtevAssert(add(&buffer, "%s", "x") == 1);
    mtev_dyn_buffer_ensure(&buffer, 10000);
    memcpy(mtev_dyn_buffer_write_pointer(&buffer), "yz", 3);
    mtev_dyn_buffer_advance(&buffer, 2);
    mtevAssert(mtev_dyn_buffer_used(&buffer) == 8 && mtev_dyn_buffer_size(&buffer) >= 10004);
    mtevAssert(memcmp(mtev_dyn_buffer_data(&buffer), "abc1xxyz", 8) == 0);
    mtev_dyn_buffer_reset(&buffer);
    mtev_dyn_buffer_destroy(&buffer);
    mtevAssert(MTEV_MAYBE_SIZE(text) == 16);
    MTEV_MAYBE_REALLOC(text, 32);
    memset(text, 'x', 32);
    MTEV_MAYBE_FREE(text);
}

static void interning(void)
{
    mtev_intern_pool_attr_t attr;
    memset(&attr, 0, sizeof(attr));
    mtev_intern_pool_t *pool = mtev_intern_pool_new(&attr);
    mtev_intern_t a = mtev_intern_pool_str(pool, "text", 0);
    mtev_intern_t b = mtev_intern_pool_str(pool, "text", 4);
    mtevAssert(a.opaque1 == b.opaque1);
    mtev_intern_release_pool(pool, a);
    mtev_intern_release_pool(pool, b);
    a = mtev_intern_str("text", 0);
    mtev_intern_release(a);
}

struct node {
    struct node *next;
    int key;
};

static void *next_node(void *current)
{
    return ((struct node *)current)->next;
}

static void set_next_node(void *current, void *value)
{
    ((struct node *)current)->next = (struct node *)value;
}

static int compare_nodes(void *left, void *right)
{
    return ((struct node *)left)->key - ((struct node *)right)->key;
}

static void sorting(void)
{
    struct node low = {NULL, 1}, high = {&low, 2};
    struct node *head = &high;
    mtev_merge_sort((void **)&head, next_node, set_next_node, compare_nodes);
    mtevAssert(head == &low && head->next == &high);
}

static void tables(mtev_hash_lock_mode_t mode)
{
    mtev_hash_table table;
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    const char *key;
    int klen, found = 0;
    void *data;
    mtev_hash_init_locks(&table, MTEV_HASH_DEFAULT_SIZE, mode);
    mtevAssert(mtev_hash_store(&table, "a", 1, NULL) == 1);
    while (mtev_hash_next(&table, &iter, &key, &klen, &data))
        found++;
    mtevAssert(found == 1);
    mtev_hash_destroy(&table, NULL, NULL);
}

static void *thread_of_its_own(void *closure)
{
    mtev_memory_init_thread();
    mtev_thread_setnamef("thread/%d", 1);
    mtev_memory_begin();
    mtev_memory_safe_free(mtev_memory_safe_malloc(10));
    mtev_memory_end();
    mtev_memory_maintenance_ex(MTEV_MM_BARRIER);
    mtev_sem_post((mtev_sem_t *)closure);
    mtev_memory_fini_thread();
    return NULL;
}

static void threads(void)
{
    pthread_t thread;
    mtev_sem_t done;
    mtev_sem_init(&done, 0, 0);
    mtev_thread_create(&thread, NULL, thread_of_its_own, &done);
    mtev_sem_wait_noeintr(&done);
    pthread_join(thread, NULL);
    mtev_sem_destroy(&done);
}

static void flow(void)
{
    mtev_flow_regulator_t *regulator = mtev_flow_regulator_create(1, 2);
    mtevAssert(mtev_flow_regulator_stable_try_raise_one(regulator));
    mtevAssert(!mtev_flow_regulator_stable_lower(regulator, 1));
    mtev_flow_regulator_destroy(regulator);
}

int main(void)
{
    mtev_memory_init();
    mtev_thread_init();
    time_and_numbers();
    identifiers();
    buffers();
    interning();
    sorting();
    tables(MTEV_HASH_LOCK_MODE_NONE);
    tables(MTEV_HASH_LOCK_MODE_SPIN);
    tables(MTEV_HASH_LOCK_MODE_MUTEX);
    threads();
    flow();
    return 0;
}
