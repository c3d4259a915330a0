/* SPDX-License-Identifier: MIT */
/*
 * Goal: a rate lets as many through as it says, with its burst and no more; connections are counted
 * by address of IPv4 and by /64 of IPv6, and the limit is exact.
 * Method: a clock of our own; tables; threads that count at once.
 */
#include "harness.h"

#include "base/clock.h"
#include "listener/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* ---- rates -------------------------------------------------------------------------- */

/* How many may come at now_ns. */
static unsigned count_at(struct rate *rate, uint32_t per_second, uint32_t burst, uint64_t now_ns)
{
    unsigned count = 0;
    while (rate_wait_ns(rate, per_second, burst, now_ns) == 0) {
        rate_take(rate, per_second, now_ns);
        count++;
    }
    return count;
}

static void a_burst_comes_at_once_and_the_rest_evenly(void **state)
{
    (void)state;
    static const uint32_t bursts[] = {1, 2, 10};
    for (size_t i = 0; i < 3; i++) {
        struct rate rate = {0};
        uint64_t now_ns = 1000 * CLOCK_NS_PER_S;
        assert_int_equal(count_at(&rate, 10, bursts[i], now_ns), bursts[i]);
        assert_int_equal(rate_wait_ns(&rate, 10, bursts[i], now_ns), CLOCK_NS_PER_S / 10);
        now_ns += CLOCK_NS_PER_S / 10 - 1;
        assert_int_equal(count_at(&rate, 10, bursts[i], now_ns), 0);
        assert_int_equal(rate_wait_ns(&rate, 10, bursts[i], now_ns), 1);
        assert_int_equal(count_at(&rate, 10, bursts[i], now_ns + 1), 1);
        now_ns += 100 * CLOCK_NS_PER_S; /* what was not used does not add up */
        assert_int_equal(count_at(&rate, 10, bursts[i], now_ns), bursts[i]);
    }
}

static void rates_from_one_a_second_to_a_million_hold(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 2, 999, 1000000};
    for (size_t i = 0; i < 4; i++) {
        struct rate rate = {0};
        const uint64_t begin_ns = 5 * CLOCK_NS_PER_S, step_ns = CLOCK_NS_PER_S / 1000;
        unsigned count = 0;
        for (uint64_t ns = 0; ns < CLOCK_NS_PER_S; ns += step_ns)
            count += count_at(&rate, rates[i], 2 + rates[i] / 1000, begin_ns + ns);
        assert_true(count >= rates[i] && count <= rates[i] + 2 + rates[i] / 1000);
    }
}

/* ---- addresses ---------------------------------------------------------------------- */

static struct peer_key key_of(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = (in_port_t)random()};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = (in_port_t)random()};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return peer_key_of((const struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
        return peer_key_of((const struct sockaddr *)&v6);
    return peer_key_of((const struct sockaddr *)&local);
}

static int add(struct peers *peers, const char *text, uint32_t max)
{
    struct peer_key key = key_of(text);
    return peers_add(peers, &key, max);
}

static void drop(struct peers *peers, const char *text)
{
    struct peer_key key = key_of(text);
    peers_remove(peers, &key);
}

static void the_limit_is_of_each_address(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    for (uint32_t max = 1; max <= 3; max++) {
        for (uint32_t i = 0; i < max; i++)
            assert_int_equal(add(&peers, "192.0.2.1", max), 0);
        assert_int_equal(add(&peers, "192.0.2.1", max), -EUSERS);
        assert_int_equal(add(&peers, "192.0.2.2", max), 0); /* another one */
        drop(&peers, "192.0.2.2");
        drop(&peers, "192.0.2.1");
        assert_int_equal(add(&peers, "192.0.2.1", max), 0); /* there is room again */
        assert_int_equal(add(&peers, "192.0.2.1", max), -EUSERS);
        for (uint32_t i = 0; i < max; i++)
            drop(&peers, "192.0.2.1");
        assert_int_equal(mtev_hash_size(&peers.counts), 0);
    }
    peers_fini(&peers);
}

static void a_network_of_64_bits_is_one_peer(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    assert_int_equal(add(&peers, "2001:db8:0:1::1", 1), 0);
    assert_int_equal(add(&peers, "2001:db8:0:1:ffff::2", 1), -EUSERS);
    assert_int_equal(add(&peers, "2001:db8:0:2::1", 1), 0);
    drop(&peers, "2001:db8:0:1::7");
    drop(&peers, "2001:db8:0:2::7");
    assert_int_equal(mtev_hash_size(&peers.counts), 0);
    peers_fini(&peers);
}

static void unix_sockets_have_no_limit(void **state)
{
    (void)state;
    struct peers peers;
    peers_init(&peers);
    for (int i = 0; i < 3; i++)
        assert_int_equal(add(&peers, "(unnamed)", 1), 0);
    for (int i = 0; i < 3; i++)
        drop(&peers, "(unnamed)");
    assert_int_equal(mtev_hash_size(&peers.counts), 0);
    peers_fini(&peers);
}

static struct peers shared;

static void *come_and_go(void *arg)
{
    for (int i = 0; i < 2000; i++)
        if (add(&shared, arg, 1) == 0)
            drop(&shared, arg);
    return NULL;
}

static void threads_count_at_once(void **state)
{
    (void)state;
    static char texts[3][16] = {"192.0.2.1", "192.0.2.1", "192.0.2.2"};
    pthread_t threads[3];
    peers_init(&shared);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, texts[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(mtev_hash_size(&shared.counts), 0);
    peers_fini(&shared);
}

static void add_without_memory(void *closure)
{
    struct peers peers;
    (void)closure;
    peers_init(&peers);
    int err = add(&peers, "192.0.2.1", 1);
    assert_true(err == 0 || err == -ENOMEM);
    assert_int_equal(mtev_hash_size(&peers.counts), err == 0);
    if (err == 0)
        drop(&peers, "192.0.2.1");
    peers_fini(&peers);
}

static void without_memory_nothing_is_counted(void **state)
{
    (void)state;
    harness_fail_each_allocation(add_without_memory, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_burst_comes_at_once_and_the_rest_evenly),
    cmocka_unit_test(rates_from_one_a_second_to_a_million_hold),
    cmocka_unit_test(the_limit_is_of_each_address),
    cmocka_unit_test(a_network_of_64_bits_is_one_peer),
    cmocka_unit_test(unix_sockets_have_no_limit),
    cmocka_unit_test(threads_count_at_once),
    cmocka_unit_test(without_memory_nothing_is_counted),
};
HARNESS_MAIN(tests)
