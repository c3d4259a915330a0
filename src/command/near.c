/* SPDX-License-Identifier: MIT */
/*
 * Source: the restricted edit distance; Damerau, "A technique for computer detection and correction
 * of spelling errors", CACM 1964.
 */
#include "command/check.h"

#include <mtev_defines.h>

struct near near_begin(const char *wanted)
{
    return (struct near){.wanted = wanted, .distance = SIZE_MAX};
}

/* How many letters to change to make a of b; both are at most NEAR_NAME_LEN_MAX long. */
static size_t distance_of(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAR_NAME_LEN_MAX + 1]; /* the one before the last, the last, this one */
    for (size_t k = 0; k <= b_len; k++)
        rows[0][k] = rows[1][k] = rows[2][k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        const size_t *before = rows[(i + 1) % 3], *last = rows[(i + 2) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t k = 1; k <= b_len; k++) {
            size_t replaced = last[k - 1] + (a[i - 1] != b[k - 1]);
            row[k] = MIN(replaced, MIN(last[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = MIN(row[k], before[k - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void near_offer(struct near *near, const char *name, size_t len)
{
    size_t wanted_len = strlen(near->wanted);
    if (len == 0 || len > NEAR_NAME_LEN_MAX || wanted_len > NEAR_NAME_LEN_MAX)
        return;
    size_t distance = distance_of(near->wanted, wanted_len, name, len);
    if (distance < near->distance && distance <= (MIN(len, wanted_len) + 2) / 3) {
        near->found = name;
        near->len = len;
        near->distance = distance;
    }
}
