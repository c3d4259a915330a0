/* SPDX-License-Identifier: MIT */
#include "listener/limits.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

uint64_t rate_wait_ns(const struct rate *rate, uint32_t per_second, uint32_t burst, uint64_t now_ns)
{
    const uint64_t due_ns = atomic_load_explicit(&rate->due_ns, memory_order_relaxed);
    const uint64_t latest_ns = now_ns + CLOCK_NS_PER_S / per_second * (burst - 1);
    return due_ns > latest_ns ? due_ns - latest_ns : 0;
}

void rate_take(struct rate *rate, uint32_t per_second, uint64_t now_ns)
{
    uint64_t due_ns = atomic_load_explicit(&rate->due_ns, memory_order_relaxed), next_ns;
    do
        next_ns = MAX(due_ns, now_ns) + CLOCK_NS_PER_S / per_second;
    while (!atomic_compare_exchange_weak_explicit(&rate->due_ns, &due_ns, next_ns,
                                                  memory_order_relaxed, memory_order_relaxed));
}

/* ---- addresses ------------------------------------------------------------------- */

struct peer {
    struct peer_key key;
    uint32_t count;
};

void peers_init(struct peers *peers)
{
    pthread_mutex_init(&peers->lock, NULL);
    mtev_hash_init(&peers->counts);
}

void peers_fini(struct peers *peers)
{
    mtev_hash_destroy(&peers->counts, NULL, alloc_free);
    pthread_mutex_destroy(&peers->lock);
}

struct peer_key peer_key_of(const struct sockaddr *address)
{
    struct peer_key key = {.len = 0};
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        key.len = 1 + 4;
        key.bytes[0] = 4;
        memcpy(key.bytes + 1, &v4.sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        key.len = 1 + 8;
        key.bytes[0] = 6;
        memcpy(key.bytes + 1, &v6.sin6_addr, 8);
    }
    return key;
}

/* peers->lock is held */
static int add(struct peers *peers, const struct peer_key *key, uint32_t max)
{
    struct peer *peer = mtev_hash_get(&peers->counts, key->bytes, key->len);
    if (peer != NULL) {
        if (peer->count >= max)
            return -EUSERS;
        peer->count++;
        return 0;
    }
    peer = alloc_bytes(sizeof(*peer));
    if (peer == NULL)
        return -ENOMEM;
    *peer = (struct peer){.key = *key, .count = 1};
    if (mtev_hash_store(&peers->counts, peer->key.bytes, peer->key.len, peer) == 0) {
        alloc_free(peer);
        return -ENOMEM;
    }
    return 0;
}

int peers_add(struct peers *peers, const struct peer_key *key, uint32_t max)
{
    if (key->len == 0)
        return 0;
    pthread_mutex_lock(&peers->lock);
    int err = add(peers, key, max);
    pthread_mutex_unlock(&peers->lock);
    return err;
}

void peers_remove(struct peers *peers, const struct peer_key *key)
{
    if (key->len == 0)
        return;
    pthread_mutex_lock(&peers->lock);
    struct peer *peer = mtev_hash_get(&peers->counts, key->bytes, key->len);
    if (peer != NULL && --peer->count == 0)
        mtev_hash_delete(&peers->counts, key->bytes, key->len, NULL, alloc_free);
    pthread_mutex_unlock(&peers->lock);
}
