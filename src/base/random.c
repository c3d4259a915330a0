/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <errno.h>
#include <mtev_rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int random_secure(void *buffer, size_t len, bool waits)
{
    char *to = buffer;
    while (len > 0) {
        ssize_t count = getrandom(to, len, waits ? 0 : GRND_NONBLOCK);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return -EAGAIN;
        if (count < 0) /* no kernel refuses this: what is built on it must not go on without */
            abort();
        to += count;
        len -= (size_t)count;
    }
    return 0;
}

/* ---- xoshiro256**, one for each thread ------------------------------------------- */

/* Counts forks on the child's side, so that a child does not repeat what its parent draws. */
static _Atomic unsigned fork_count = 1;

/* Thread-local, since threads must not wait for each other; never kept across a yield. */
static _Thread_local uint64_t state[4];
static _Thread_local unsigned seeded_in; /* fork_count then; 0: never */

static void note_fork(void)
{
    atomic_fetch_add_explicit(&fork_count, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, note_fork);
}

static __attribute__((noinline)) void seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    seeded_in = atomic_load_explicit(&fork_count, memory_order_relaxed);
    do
        (void)random_secure(state, sizeof(state), true);
    while ((state[0] | state[1] | state[2] | state[3]) == 0); /* it would stay zero for ever */
}

static uint64_t rotated(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t mtev_rand(void)
{
    if (seeded_in != atomic_load_explicit(&fork_count, memory_order_relaxed))
        seed();
    const uint64_t result = rotated(state[1] * 5, 7) * 9;
    const uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 45);
    return result;
}

size_t mtev_rand_buf(void *buffer, size_t len)
{
    char *to = buffer;
    for (size_t left = len; left > 0;) {
        uint64_t bits = mtev_rand();
        size_t part = left < sizeof(bits) ? left : sizeof(bits);
        memcpy(to, &bits, part);
        to += part;
        left -= part;
    }
    return len;
}

uint64_t mtev_rand_secure(void)
{
    uint64_t bits;
    (void)random_secure(&bits, sizeof(bits), true);
    return bits;
}

size_t mtev_rand_buf_secure(void *buffer, size_t len)
{
    (void)random_secure(buffer, len, true);
    return len;
}

int mtev_rand_trysecure(uint64_t *out)
{
    uint64_t bits;
    if (mtev_rand_buf_trysecure(&bits, sizeof(bits)) != sizeof(bits))
        return 0;
    *out = bits;
    return 1;
}

size_t mtev_rand_buf_trysecure(void *buffer, size_t len)
{
    if (random_secure(buffer, len, false) == 0)
        return len;
    errno = EAGAIN;
    return 0;
}

void mtev_rand_init(void)
{
}

void mtev_rand_init_thread(void)
{
}
