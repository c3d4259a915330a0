/* SPDX-License-Identifier: MIT */
/*
 * mtev_rand.h - random numbers: fast ones, and ones that nobody can foretell.
 *
 * Any thread; nothing has to be called first; no call yields or allocates.
 */
#ifndef MTEV_RAND_H
#define MTEV_RAND_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/* For older programs: nothing has to be made ready. */
API_EXPORT(void) mtev_rand_init(void);
API_EXPORT(void) mtev_rand_init_thread(void);

/*
 * Return 64 bits, or fill the len bytes at buffer and return len.  Each thread, and each process
 * after a fork(2), has a sequence of its own, begun with bits of the kernel; who sees some of it
 * can work out the rest.  Cost: some 2 ns.  Source: Blackman & Vigna, xoshiro256**, 2018.
 */
API_EXPORT(uint64_t) mtev_rand(void);
API_EXPORT(size_t) mtev_rand_buf(void *buffer, size_t len);

/*
 * The same from the kernel's generator, which nobody can foretell.  secure: waits, early in the
 * life of a machine, until that is ready.  trysecure: does not wait: 1 and the bits in *out, or 0
 * with EAGAIN; trysecure_buf: len, or 0.  Cost: a system call.  Source: getrandom(2).
 */
API_EXPORT(uint64_t) mtev_rand_secure(void);
API_EXPORT(size_t) mtev_rand_buf_secure(void *buffer, size_t len);
API_EXPORT(int) mtev_rand_trysecure(uint64_t *out);
API_EXPORT(size_t) mtev_rand_buf_trysecure(void *buffer, size_t len);

MTEV_END_DECLS

#endif
