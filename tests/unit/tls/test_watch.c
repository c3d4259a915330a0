/* SPDX-License-Identifier: MIT */
/*
 * Goal: files that change are read again without anybody asking, or at once when somebody does; a
 * bad one is told once, and what was read before stays.
 * Method: the watcher looks every few milliseconds; the figures say when it has done something.
 */
#include "secured.h"

#include "tls/tls_impl.h"

static uint64_t reloads(void)
{
    eventer_ssl_stats_t stats;
    eventer_ssl_get_stats(&stats);
    return stats.reloads;
}

static uint64_t bad_reloads(void)
{
    eventer_ssl_stats_t stats;
    eventer_ssl_get_stats(&stats);
    return stats.bad_reloads;
}

static void wait_for_more(uint64_t (*figure)(void), uint64_t before)
{
    while (figure() == before)
        sched_yield();
}

static const struct authority_wish wish = {.common_name = "watched"};

static char file_name[32]; /* another one for each test: contexts stay, and are watched */

/* Both are in one file, which is replaced at once: so no look can find half of it. */
static void issue(void)
{
    authority_issue("new", &wish);
    FILE *all = fopen(authority_path("all"), "w"), *part;
    char bytes[4096];
    for (int i = 0; i < 2; i++) {
        part = fopen(authority_path(i == 0 ? "new.pem" : "new.key"), "r");
        fwrite(bytes, 1, fread(bytes, 1, sizeof(bytes), part), all);
        fclose(part);
    }
    fclose(all);
    assert_int_equal(rename(authority_path("all"), authority_path(file_name)), 0);
}

static struct tls_context *watched(void)
{
    static unsigned number;
    snprintf(file_name, sizeof(file_name), "watched%u.pem", ++number);
    issue();
    struct tls_settings settings = secured_settings("certificate", authority_path(file_name), NULL);
    return secured_get(SSL_SERVER, &settings, 1);
}

static void a_changed_file_is_read_again(void **state)
{
    struct tls_context *context = watched();
    SSL_CTX *before = tls_context_current(context);
    const uint64_t count = reloads();
    issue();
    wait_for_more(reloads, count);
    SSL_CTX *after = tls_context_current(context);
    assert_ptr_not_equal(before, after);
    SSL_CTX_free(before);
    SSL_CTX_free(after);
    tls_context_unref(context);
}

static void a_bad_file_is_told_and_the_old_one_stays(void **state)
{
    struct tls_context *context = watched();
    SSL_CTX *before = tls_context_current(context);
    const uint64_t count = bad_reloads(), good = reloads();
    authority_text("nothing", "nothing\n");
    assert_int_equal(rename(authority_path("nothing"), authority_path(file_name)), 0);
    wait_for_more(bad_reloads, count);
    SSL_CTX *after = tls_context_current(context);
    assert_ptr_equal(before, after);
    while (logged("stays in use\n") == 0)
        sched_yield();
    assert_logged(1, ".pem: it holds no certificate: no start line; what was read before "
                     "stays in use\n");
    issue();
    wait_for_more(reloads, good);
    SSL_CTX_free(before);
    SSL_CTX_free(after);
    tls_context_unref(context);
}

static void all_are_read_again_when_asked_for(void **state)
{
    struct tls_context *context = watched();
    const uint64_t count = reloads();
    tls_watch_period_ms(3600000);
    eventer_ssl_reload();
    while (reloads() < count + 3) /* and the two of before */
        sched_yield();
    tls_watch_period_ms(3);
    tls_context_unref(context);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_changed_file_is_read_again),
    clean_test(a_bad_file_is_told_and_the_old_one_stays),
    clean_test(all_are_read_again_when_asked_for),
};

int main(void)
{
    secured_begin(1);
    mtev_log_stream_set_flags(mtev_notice, /* what went well may be told at any moment */
                              mtev_log_stream_get_flags(mtev_notice) & ~MTEV_LOG_STREAM_ENABLED);
    tls_watch_period_ms(3);
    harness_keep_fds();
    int status = harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    tls_watch_period_ms(3600000);
    secured_end();
    return status;
}
