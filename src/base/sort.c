/* SPDX-License-Identifier: MIT */
#include <mtev_sort.h>

/* Runs of 2^i nodes wait at i, so this is enough for more nodes than there are addresses. */
#define SORT_RUNS_MAX 64

struct order {
    mtev_sort_next_function next;
    mtev_sort_set_next_function set_next;
    mtev_sort_compare_function compare;
};

/* Merge two sorted runs, of which left comes first where nodes are equal; each may be NULL. */
static void *merge(const struct order *order, void *left, void *right)
{
    void *first = NULL, *last = NULL;
    while (left != NULL || right != NULL) {
        bool takes_left = right == NULL || (left != NULL && order->compare(left, right) <= 0);
        void *node = takes_left ? left : right;
        if (takes_left)
            left = order->next(left);
        else
            right = order->next(right);
        if (last == NULL)
            first = node;
        else
            order->set_next(last, node);
        last = node;
    }
    if (last != NULL)
        order->set_next(last, NULL);
    return first;
}

void mtev_merge_sort(void **head, mtev_sort_next_function next,
                     mtev_sort_set_next_function set_next, mtev_sort_compare_function compare)
{
    const struct order order = {next, set_next, compare};
    void *runs[SORT_RUNS_MAX] = {NULL};
    for (void *node = *head, *after; node != NULL; node = after) {
        void *run = node;
        size_t i = 0;
        after = next(node);
        set_next(node, NULL);
        for (; i < SORT_RUNS_MAX - 1 && runs[i] != NULL; i++) {
            run = merge(&order, runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = runs[i] == NULL ? run : merge(&order, runs[i], run);
    }
    void *sorted = NULL;
    for (size_t i = 0; i < SORT_RUNS_MAX; i++)
        sorted = merge(&order, runs[i], sorted);
    *head = sorted;
}
