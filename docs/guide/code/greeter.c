/* SPDX-License-Identifier: MIT */
/* greeter.c - a service whose words are its configuration: chapter 10 of the guide. */
#include <eventer_run.h>

static int answer(mtev_http_rest_closure_t *restc, int status, const char *text)
{
    mtev_http_response_standard(restc->http_ctx, status, "OK", "text/plain");
    mtev_http_response_append_str(restc->http_ctx, text);
    mtev_http_response_append_str(restc->http_ctx, "\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int greet(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    char path[32], words[64];
    (void)npats;
    snprintf(path, sizeof(path), "words/%s", pats[0]);
    if (!mtev_conf_get_stringbuf(MTEV_CONF_ROOT, path, words, sizeof(words)))
        return answer(restc, 404, "that language is not known");
    return answer(restc, 200, words);
}

static int learn(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    char path[32];
    (void)npats;
    snprintf(path, sizeof(path), "words/%s", pats[0]);
    if (!mtev_conf_set_string(MTEV_CONF_ROOT, path, pats[1]))
        return answer(restc, 500, "that cannot be learnt");
    return answer(restc, 200, "learnt");
}

static int tell_settings(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_conf_section_t words = mtev_conf_get_section_read(MTEV_CONF_ROOT, "words");
    mtev_hash_table *settings = mtev_conf_get_hash(words, "config");
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    while (mtev_hash_adv(settings, &iter))
        mtev_http_response_appendf(restc->http_ctx, "%s=%s\n", iter.key.str, iter.value.str);
    mtev_hash_destroy(settings, free, free);
    free(settings);
    mtev_conf_release_section_read(words);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int setup(void)
{
    mtev_http_rest_new_rule("GET", "/words/", "^([a-z]{2})$", greet);
    mtev_http_rest_new_rule("PUT", "/words/", "^([a-z]{2})/([a-z]{1,60})$", learn);
    mtev_http_rest_new_rule("GET", "/settings/", "^$", tell_settings);
    mtev_conf_coalesce_changes(1);
    mtev_conf_watch_and_journal_watchdog(mtev_conf_write_log, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    return eventer_run(argc, argv,
                       &(struct eventer_run_options){.name = "greeter", .setup = setup});
}
