/* SPDX-License-Identifier: MIT */
/*
 * transfer.c - one transfer by libcurl, from its options to its end.
 *
 * Source: curl_easy_setopt(3), curl_easy_pause(3).
 */
#include "base/alloc.h"
#include "client/fetch_impl.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

/* ---- what libcurl calls ---------------------------------------------------------- */

static size_t on_line(char *line, size_t size, size_t count, void *closure)
{
    struct eventer_fetch *fetch = closure;
    const size_t whole = size * count;
    size_t len = whole;
    if (len > 0 && line[len - 1] == '\n')
        len--;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    int err = answer_take_line(fetch, line, len);
    if (err == 0)
        return whole;
    fetch_fail(fetch, err, "%s",
               err == -EBADMSG    ? "a field of the answer is none"
               : err == -EMSGSIZE ? "the head of the answer is too long"
                                  : strerrordesc_np(-err));
    return 0;
}

/* Collect them; returns false if there are too many. */
static bool collect(struct eventer_fetch *fetch, const char *bytes, size_t len)
{
    int err = -EMSGSIZE;
    if (len <= fetch->options.body_max - fetch->in.len)
        err = buf_append(&fetch->in, bytes, len);
    if (err == 0)
        return true;
    fetch_fail(fetch, err, "%s",
               err == -EMSGSIZE ? "the body of the answer is too long" : strerrordesc_np(-err));
    return false;
}

/* What comes is at most CURL_MAX_WRITE_SIZE at a time. */
static size_t on_body(char *bytes, size_t size, size_t count, void *closure)
{
    struct eventer_fetch *fetch = closure;
    const size_t len = size * count;
    static_assert(CURL_MAX_WRITE_SIZE <= FETCH_CHUNK_MAX, "it fits into an empty chunk");
    fetch->has_body = true;
    if (fetch->options.consume == NULL)
        return collect(fetch, bytes, len) ? len : 0;
    if (len > FETCH_CHUNK_MAX - fetch->in.len) {
        fetch->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (buf_append(&fetch->in, bytes, len) != 0) {
        fetch_fail(fetch, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
        return 0;
    }
    fetch_wake(fetch);
    return len;
}

static size_t on_send(char *buffer, size_t size, size_t count, void *closure)
{
    struct eventer_fetch *fetch = closure;
    size_t len = fetch->out_end - fetch->out_start;
    if (len > size * count)
        len = size * count;
    if (len > 0) {
        memcpy(buffer, fetch->out + fetch->out_start, len);
        fetch->out_start += len;
        return len;
    }
    if (fetch->has_produced_all)
        return 0;
    fetch->wants_body = true;
    fetch_wake(fetch);
    return CURL_READFUNC_PAUSE;
}

/* ---- its options ----------------------------------------------------------------- */

/* Set an option of easy, unless one before it was refused. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl.easy_setopt(easy, CURLOPT_##option, value);                                \
    } while (0)

static CURLcode set_callbacks(CURL *easy, struct eventer_fetch *fetch)
{
    CURLcode code = CURLE_OK;
    SET(PRIVATE, fetch);
    SET(ERRORBUFFER, fetch->curl_text);
    SET(HEADERFUNCTION, on_line);
    SET(HEADERDATA, fetch);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, fetch);
    SET(READFUNCTION, on_send);
    SET(READDATA, fetch);
    SET(CLOSESOCKETFUNCTION, fetch_home_close);
    SET(CLOSESOCKETDATA, fetch->home);
    return code;
}

/* A body goes as that of a POST does, whatever the method. */
static CURLcode set_request(CURL *easy, const struct eventer_fetch *fetch)
{
    const eventer_fetch_options_t *options = &fetch->options;
    const bool has_body = options->body != NULL || options->produce != NULL;
    const char *method = options->method != NULL ? options->method : has_body ? "POST" : "GET";
    CURLcode code = CURLE_OK;
    SET(URL, options->url);
    SET(HTTPHEADER, fetch->curl_lines);
    if (has_body)
        SET(POST, 1L);
    if (options->body != NULL || options->body_len > 0)
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)options->body_len);
    if (options->body != NULL)
        SET(POSTFIELDS, options->body);
    if (!has_body && strcmp(method, "HEAD") == 0)
        SET(NOBODY, 1L);
    else if (strcmp(method, has_body ? "POST" : "GET") != 0)
        SET(CUSTOMREQUEST, method);
    if (options->decompress)
        SET(ACCEPT_ENCODING, "");
    return code;
}

static CURLcode set_trust(CURL *easy, const eventer_fetch_options_t *options)
{
    CURLcode code = CURLE_OK;
    if (options->insecure) {
        SET(SSL_VERIFYPEER, 0L);
        SET(SSL_VERIFYHOST, 0L);
    }
    if (options->ca_file != NULL || options->ca_path != NULL) { /* and nobody else */
        SET(CAINFO, options->ca_file);
        SET(CAPATH, options->ca_path);
    }
    return code;
}

/* What the environment of the process says has no part in it. */
static CURLcode set_manners(CURL *easy, const struct eventer_fetch *fetch)
{
    const eventer_fetch_options_t *options = &fetch->options;
    const bool is_secure = strncasecmp(options->url, "https:", 6) == 0;
    const uint64_t connect_ms = fetch->connect_timeout_ns / CLOCK_NS_PER_MS + 1;
    CURLcode code = CURLE_OK;
    SET(NOSIGNAL, 1L);
    SET(QUICK_EXIT, 1L);
    SET(PROXY, "");
    SET(PROTOCOLS_STR, "http,https");
    SET(REDIR_PROTOCOLS_STR, is_secure ? "https" : "http,https");
    SET(FOLLOWLOCATION, options->redirects_max > 0 ? 1L : 0L);
    SET(MAXREDIRS, (long)options->redirects_max);
    SET(CONNECTTIMEOUT_MS, connect_ms < INT_MAX ? (long)connect_ms : (long)INT_MAX);
    SET(MAXAGE_CONN, (long)EVENTER_FETCH_IDLE_S);
    return code;
}

/* libcurl's own list of the fields. */
static CURLcode list_lines(struct eventer_fetch *fetch)
{
    for (size_t i = 0; fetch->lines[i] != NULL; i++) {
        struct curl_slist *longer = curl.slist_append(fetch->curl_lines, fetch->lines[i]);
        if (longer == NULL)
            return CURLE_OUT_OF_MEMORY;
        fetch->curl_lines = longer;
    }
    return CURLE_OK;
}

static CURLcode set_up(CURL *easy, struct eventer_fetch *fetch)
{
    CURLcode code = list_lines(fetch);
    if (code == CURLE_OK)
        code = set_callbacks(easy, fetch);
    if (code == CURLE_OK)
        code = set_request(easy, fetch);
    if (code == CURLE_OK)
        code = set_trust(easy, &fetch->options);
    return code == CURLE_OK ? set_manners(easy, fetch) : code;
}

/* ---- its life -------------------------------------------------------------------- */

static void begin(struct eventer_fetch *fetch)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    fetch->home = fetch_home_self();
    if (fetch->home != NULL)
        fetch->easy = curl.easy_init();
    if (fetch->easy != NULL)
        code = set_up(fetch->easy, fetch);
    if (code == CURLE_OK && curl.multi_add_handle(fetch->home->multi, fetch->easy) != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK) {
        fetch->is_under_way = true;
        fetch_home_enter(fetch->home);
    } else {
        transfer_end(fetch, code);
    }
}

/* Consume or produce has made it possible. */
static void go_on(struct eventer_fetch *fetch)
{
    fetch->is_paused = false; /* what comes now may set it again */
    CURLcode code = curl.easy_pause(fetch->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK)
        transfer_end(fetch, code);
    else
        fetch_home_collect(fetch->home);
}

void transfer_attend(struct eventer_fetch *fetch)
{
    if (fetch->is_done)
        return;
    if (fetch->is_given_up)
        transfer_end(fetch, CURLE_OK);
    else if (fetch->easy == NULL)
        begin(fetch);
    else
        go_on(fetch);
}

static void note_outcome(struct eventer_fetch *fetch, CURLcode code)
{
    const char *url = NULL;
    long os_errno = 0;
    if (fetch->easy != NULL) {
        (void)curl.easy_getinfo(fetch->easy, CURLINFO_EFFECTIVE_URL, &url);
        (void)curl.easy_getinfo(fetch->easy, CURLINFO_OS_ERRNO, &os_errno);
    }
    if (url != NULL && strcmp(url, fetch->options.url) != 0) {
        fetch->url = alloc_text(url);
        if (fetch->url == NULL)
            fetch_fail(fetch, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
    }
    int err = outcome_of(code, os_errno, fetch->status != 0);
    if (err != 0)
        fetch_fail(fetch, err, "%s",
                   fetch->curl_text[0] != '\0' ? fetch->curl_text : curl.easy_strerror(code));
}

static void end_text(struct eventer_fetch *fetch)
{
    if (fetch->options.consume != NULL)
        return;
    if (buf_append(&fetch->in, "", 1) == 0)
        fetch->in.len--;
    else
        fetch_fail(fetch, -ENOMEM, "%s", strerrordesc_np(ENOMEM));
}

void transfer_end(struct eventer_fetch *fetch, CURLcode code)
{
    note_outcome(fetch, code);
    if (fetch->is_under_way) {
        (void)curl.multi_remove_handle(fetch->home->multi, fetch->easy);
        fetch_home_leave(fetch->home);
    }
    if (fetch->easy != NULL)
        curl.easy_cleanup(fetch->easy);
    curl.slist_free_all(fetch->curl_lines);
    fetch->easy = NULL;
    fetch->curl_lines = NULL;
    fetch->wants_body = false;
    end_text(fetch);
    fetch->is_done = true;
    fetch_wake(fetch);
}
