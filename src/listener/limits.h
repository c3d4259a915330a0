/* SPDX-License-Identifier: MIT */
/*
 * limits.h - how fast connections may come, and how many of them from one address.
 *
 * Layer: listener.  Any thread.
 */
#ifndef EVENTER_LISTENER_LIMITS_H
#define EVENTER_LISTENER_LIMITS_H

#include <mtev_hash.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * A rate: so many a second, and as many at once as burst says, when there were fewer before.
 * Source: the generic cell rate algorithm, ITU-T I.371, as a virtual schedule: one word of state.
 */
struct rate {
    _Atomic uint64_t due_ns; /* when the next one is due if they come evenly */
};

/*
 * How many nanoseconds it is from now_ns until one may come; 0: it may at once.  per_second and
 * burst are at least 1, here and below.
 */
uint64_t rate_wait_ns(const struct rate *rate, uint32_t per_second, uint32_t burst,
                      uint64_t now_ns);

/* One has come.  Cost: one compare-and-swap. */
void rate_take(struct rate *rate, uint32_t per_second, uint64_t now_ns);

/* Count from now on, at another rate. */
static inline void rate_forget(struct rate *rate)
{
    atomic_store_explicit(&rate->due_ns, 0, memory_order_relaxed);
}

/* How many connections each address has: an address of IPv4, or the /64 of one of IPv6. */
struct peers { /* peers_init() */
    pthread_mutex_t lock;
    mtev_hash_table counts;
};

#define PEER_KEY_LEN_MAX 9

struct peer_key { /* len is 0: it has no such address */
    uint8_t len;
    char bytes[PEER_KEY_LEN_MAX];
};

void peers_init(struct peers *peers);
void peers_fini(struct peers *peers);

/* The key of an address; of a unix socket: none, which is never over a limit. */
struct peer_key peer_key_of(const struct sockaddr *address);

/* Count one more of key unless there are max already.  0, -EUSERS (there are) or -ENOMEM. */
int peers_add(struct peers *peers, const struct peer_key *key, uint32_t max);

/* Count one less of a key that peers_add() counted. */
void peers_remove(struct peers *peers, const struct peer_key *key);

#endif
