/* SPDX-License-Identifier: MIT */
/*
 * Goal: what is in force changes as a whole while others read it, what was before is freed, and a
 * reload that is wrong changes nothing.
 * Method: requests as a handler has them, of a connection that is only made up; threads that ask
 * while another one loads; what is deferred and allocated, looked at afterwards.
 */
#include "configured.h"

#include "base/alloc.h"
#include "base/smr.h"
#include "rest/acl_impl.h"
#include "rest/rest.h"

#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#define RELOADS       1000
#define PENDING_MAX   16   /* policies whose end waits; an epoch or two of them */
#define GROWTH_MAX    8192 /* bytes; one policy that was kept a reload would be 1,000 times 200 */
#define READERS_COUNT 2

static void load(const char *acls)
{
    char text[256];
    snprintf(text, sizeof(text), "<a><rest>%s</rest></a>", acls);
    assert_int_equal(conf_load_text("test", text), 0);
}

static bool allows(const char *path)
{
    const struct sockaddr_in in = {.sin_family = AF_INET};
    const struct acl_question question = {
        .path = path, .path_len = strlen(path), .remote = (const struct sockaddr *)&in, .cn = ""};
    return rest_acl_allows(&question);
}

static void a_reload_before_the_first_load_does_nothing(void **state)
{
    load("<acl type='allow'/>");
    assert_int_equal(rest_acl_reload(), 0);
    assert_false(allows("/"));
}

static void a_reload_that_is_wrong_changes_nothing(void **state)
{
    load("<acl type='allow'/>");
    assert_int_equal(rest_acl_load(), 0);
    load("<acl type='deny' ip='nowhere'/>");
    assert_int_equal(rest_acl_reload(), -EINVAL);
    assert_logged_one_line("test:1: <acl> ip=\"nowhere\"");
    assert_true(allows("/"));
    alloc_fail_nth(1, 1);
    int err = rest_acl_reload();
    alloc_fail_nth(0, 0);
    assert_int_equal(err, -ENOMEM);
    assert_true(allows("/"));
    logged_clear();
    load("<acl type='deny'/>");
    assert_int_equal(rest_acl_reload(), 0);
    assert_false(allows("/"));
}

static atomic_bool is_over;
static atomic_uint wrong, asked;

/* "/always" is allowed by all policies, "/never" by none. */
static void *ask(void *closure)
{
    while (!atomic_load(&is_over)) {
        atomic_fetch_add(&wrong, !allows("/always") || allows("/never"));
        atomic_fetch_add(&asked, 1);
    }
    return NULL;
}

static void reload(int count)
{
    for (int i = 0; i < count; i++) {
        load(i % 2 == 0 ? "<acl><rule url='^/always$' type='allow'/></acl>"
                        : "<acl url='^/never' listener_x='^$'/><acl type='allow' cn='^$'/>");
        assert_int_equal(rest_acl_reload(), 0);
    }
}

static void a_thousand_reloads_keep_one_policy(void **state)
{
    pthread_t readers[READERS_COUNT];
    load("<acl url='^/always' type='allow'/>");
    assert_int_equal(rest_acl_load(), 0);
    for (size_t i = 0; i < READERS_COUNT; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, ask, NULL), 0);
    while (atomic_load(&asked) < READERS_COUNT)
        sched_yield();
    reload(RELOADS);
    atomic_store(&is_over, true);
    for (size_t i = 0; i < READERS_COUNT; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    size_t before = mallinfo2().uordblks; /* now nobody holds anything up */
    reload(RELOADS);
    assert_true(mallinfo2().uordblks <= before + GROWTH_MAX);
    assert_in_range(smr_pending(), 0, PENDING_MAX);
    assert_nothing_logged();
}

static const struct CMUnitTest tests[] = {
    configured_test(a_reload_before_the_first_load_does_nothing),
    configured_test(a_reload_that_is_wrong_changes_nothing),
    configured_test(a_thousand_reloads_keep_one_policy),
};
HARNESS_MAIN(tests)
