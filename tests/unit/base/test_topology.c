/* SPDX-License-Identifier: MIT */
/*
 * Goal: threads are spread over cores first, and packages and cores are counted.
 * Method: a folder that looks like /sys/devices/system/cpu; and this machine's.
 */
#include "harness.h"

#include "base/topology.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[40];

static int begin(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_topology.XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int end(void **state)
{
    harness_remove_folder(folder);
    return 0;
}

static void put_number(unsigned cpu, const char *name, unsigned number)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/cpu%u", folder, cpu);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/cpu%u/topology", folder, cpu);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/cpu%u/topology/%s", folder, cpu, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%u\n", number);
    fclose(file);
}

static void put_cpu(unsigned cpu, unsigned core, unsigned package)
{
    put_number(cpu, "core_id", core);
    put_number(cpu, "physical_package_id", package);
}

static void cores_come_before_their_second_threads(void **state)
{
    static struct topology topology;
    unsigned packages, cores;
    cpu_set_t allowed;
    /* Two packages of two cores of two threads, a processor off, and neighbours far apart. */
    const unsigned cpus[][3] = {{0, 0, 0}, {1, 0, 0}, {2, 1, 0}, {3, 1, 0},
                                {5, 0, 1}, {6, 1, 1}, {7, 0, 1}, {8, 1, 1}};
    for (size_t i = 0; i < 8; i++)
        put_cpu(cpus[i][0], cpus[i][1], cpus[i][2]);
    assert_int_equal(topology_read(folder, &topology), 0);
    assert_int_equal(topology.count, 8);
    topology_counts(&topology, &packages, &cores);
    assert_int_equal(packages, 2);
    assert_int_equal(cores, 4);

    CPU_ZERO(&allowed);
    for (size_t cpu = 0; cpu < 16; cpu++)
        CPU_SET(cpu, &allowed);
    const int order[] = {0, 2, 5, 6, 1, 3, 7, 8, 0, 2};
    for (unsigned n = 0; n < 10; n++)
        assert_int_equal(topology_nth(&topology, &allowed, n), order[n]);

    CPU_CLR(0, &allowed); /* its neighbour is the first of their core then */
    CPU_CLR(6, &allowed);
    CPU_CLR(8, &allowed);
    const int fewer[] = {1, 2, 5, 3, 7, 1};
    for (unsigned n = 0; n < 6; n++)
        assert_int_equal(topology_nth(&topology, &allowed, n), fewer[n]);
    CPU_ZERO(&allowed);
    assert_int_equal(topology_nth(&topology, &allowed, 0), -1);
}

static void without_a_folder_it_is_not_supported(void **state)
{
    static struct topology topology;
    assert_int_equal(topology_read("/nowhere", &topology), -ENOTSUP);
    assert_int_equal(topology_read(folder, &topology), -ENOTSUP);
    put_number(0, "core_id", 0); /* half of what is needed */
    assert_int_equal(topology_read(folder, &topology), -ENOTSUP);
}

static void put_node(unsigned cpu, unsigned node)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/cpu%u/node%u", folder, cpu, node);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void what_is_allowed_is_counted(void **state)
{
    struct topology_counts counts = {0};
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    CPU_SET(0, &allowed);
    assert_int_equal(topology_count_allowed(folder, &allowed, &counts), -ENOTSUP);
    for (unsigned cpu = 0; cpu < 8; cpu++) /* two packages of two cores of two threads */
        put_cpu(cpu, cpu / 2 % 2, cpu / 4);
    assert_int_equal(topology_count_allowed(folder, &allowed, &counts), 0);
    assert_int_equal(counts.nodes, 1); /* one, where there are none */
    for (unsigned cpu = 0; cpu < 8; cpu++)
        put_node(cpu, cpu / 4);
    for (unsigned cpu = 1; cpu < 7; cpu++)
        CPU_SET(cpu, &allowed);
    assert_int_equal(topology_count_allowed(folder, &allowed, &counts), 0);
    assert_int_equal(counts.cpus, 7);
    assert_int_equal(counts.cores, 4);
    assert_int_equal(counts.packages, 2);
    assert_int_equal(counts.nodes, 2);
    CPU_ZERO(&allowed);
    assert_int_equal(topology_count_allowed(folder, &allowed, &counts), -ENOTSUP);
}

static void *bind_here(void *closure)
{
    static cpu_set_t cpus[4];
    static int errs[4];
    unsigned n = *(unsigned *)closure;
    errs[n] = topology_bind(n);
    (void)pthread_getaffinity_np(pthread_self(), sizeof(cpus[n]), &cpus[n]);
    return errs[n] == 0 && CPU_COUNT(&cpus[n]) == 1 ? NULL : closure;
}

static void a_thread_keeps_to_one_processor(void **state)
{
    static struct topology topology;
    if (topology_read(TOPOLOGY_FOLDER, &topology) != 0)
        skip(); /* a system that does not say */
    for (unsigned n = 0; n < 4; n++) {
        pthread_t thread;
        void *failed;
        assert_int_equal(pthread_create(&thread, NULL, bind_here, &n), 0);
        pthread_join(thread, &failed);
        assert_null(failed);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(cores_come_before_their_second_threads, begin, end),
    cmocka_unit_test_setup_teardown(without_a_folder_it_is_not_supported, begin, end),
    cmocka_unit_test_setup_teardown(what_is_allowed_is_counted, begin, end),
    cmocka_unit_test(a_thread_keeps_to_one_processor),
};

HARNESS_MAIN(tests)
