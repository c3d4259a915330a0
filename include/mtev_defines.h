/* SPDX-License-Identifier: MIT */
/*
 * mtev_defines.h - types and small helpers that every other header of the library uses.
 */
#ifndef MTEV_DEFINES_H
#define MTEV_DEFINES_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>

#ifdef __cplusplus
#define MTEV_BEGIN_DECLS extern "C" {
#define MTEV_END_DECLS   }
#else
#define MTEV_BEGIN_DECLS
#define MTEV_END_DECLS
#endif

/* A declaration of the public interface. */
#define API_EXPORT(type) extern __attribute__((visibility("default"))) type

/*
 * A time-out sets one number, whichever of its two names a program tests.  Linux has both ETIME
 * (62) and ETIMEDOUT (110); after this header they are the same.
 */
#undef ETIME
#define ETIME ETIMEDOUT

typedef enum {
    mtev_false = 0,
    mtev_true
} mtev_boolean;

/* What a function says that is called at a hook (mtev_hooks.h). */
typedef enum {
    MTEV_HOOK_CONTINUE = 0,
    MTEV_HOOK_DONE,
    MTEV_HOOK_ABORT
} mtev_hook_return_t;

typedef long long unsigned int mtev_hrtime_t; /* nanoseconds */

#define IFS_CH    '/' /* between the names of a path */
#define UUID_SIZE 16  /* bytes of a uuid_t */
/* What matches one as text, in PCRE2. */
#define UUID_REGEX "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

/* 64 bits from the order of bytes of this machine to that of the network, and back. */
#ifndef htonll
#define htonll(value) htobe64(value)
#define ntohll(value) be64toh(value)
#endif

#define portable_readdir_r readdir_r /* of dirent.h */

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

MTEV_BEGIN_DECLS

/* Return -1, 0 or 1 as a is before, equal to or after b (both normalised). */
static inline int compare_timeval(struct timeval a, struct timeval b)
{
    if (a.tv_sec != b.tv_sec)
        return a.tv_sec < b.tv_sec ? -1 : 1;
    if (a.tv_usec != b.tv_usec)
        return a.tv_usec < b.tv_usec ? -1 : 1;
    return 0;
}

/* *out = a + b, normalised. */
static inline void add_timeval(struct timeval a, struct timeval b, struct timeval *out)
{
    out->tv_sec = a.tv_sec + b.tv_sec;
    out->tv_usec = a.tv_usec + b.tv_usec;
    if (out->tv_usec >= 1000000) {
        out->tv_sec += 1;
        out->tv_usec -= 1000000;
    }
}

/* *out = a - b.  Both fields of a negative difference are zero or below. */
static inline void sub_timeval(struct timeval a, struct timeval b, struct timeval *out)
{
    out->tv_sec = a.tv_sec - b.tv_sec;
    out->tv_usec = a.tv_usec - b.tv_usec;
    if (out->tv_usec < 0 && out->tv_sec > 0) {
        out->tv_sec -= 1;
        out->tv_usec += 1000000;
    } else if (out->tv_usec > 0 && out->tv_sec < 0) {
        out->tv_sec += 1;
        out->tv_usec -= 1000000;
    }
}

/* Return a - b in seconds. */
static inline double sub_timeval_d(struct timeval a, struct timeval b)
{
    return (double)(a.tv_sec - b.tv_sec) + (double)(a.tv_usec - b.tv_usec) / 1000000.0;
}

/* Return a - b in milliseconds (rounded towards zero). */
static inline int64_t sub_timeval_ms(struct timeval a, struct timeval b)
{
    return ((int64_t)(a.tv_sec - b.tv_sec) * 1000000 + (int64_t)(a.tv_usec - b.tv_usec)) / 1000;
}

MTEV_END_DECLS

#include <mtev_str.h>

#endif
