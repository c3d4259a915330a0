/* SPDX-License-Identifier: MIT */
/*
 * mtev_sort.h - sort a list of one's own nodes.
 */
#ifndef MTEV_SORT_H
#define MTEV_SORT_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/* Return the node after current (NULL: it is the last); and make value the one after current. */
typedef void *(*mtev_sort_next_function)(void *current);
typedef void (*mtev_sort_set_next_function)(void *current, void *value);

/* Return a value below, equal to or above 0 as left is to be before, beside or after right. */
typedef int (*mtev_sort_compare_function)(void *left, void *right);

/*
 * Sort the list whose first node is *head, which becomes the first one of the sorted list; nodes
 * that compare equal keep their order.  Does not allocate.  Cost: O(n log n) comparisons.
 * Source: Knuth, The Art of Computer Programming 3, section 5.2.4, bottom up.
 */
API_EXPORT(void)
mtev_merge_sort(void **head, mtev_sort_next_function next, mtev_sort_set_next_function set_next,
                mtev_sort_compare_function compare);

MTEV_END_DECLS

#endif
