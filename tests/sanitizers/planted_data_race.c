/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds two threads that change one variable without a lock.
 * Method: let two threads count on it; the test passes when the sanitizer reports it.
 */
#include <pthread.h>
#include <stddef.h>

static long shared;

static void *count(void *closure)
{
    for (int i = 0; i < 1000; i++)
        shared++;
    return closure;
}

int main(void)
{
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, count, NULL) != 0)
            return 0;
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
