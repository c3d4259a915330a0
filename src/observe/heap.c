/* SPDX-License-Identifier: MIT */
/*
 * heap.c - what jemalloc says, where the process has it: its statistics, and its profile.
 *
 * It is asked by the two functions of jemalloc(3) that are declared here, and are not there if
 * nothing defines them.
 */
#include "base/alloc.h"
#include "observe/answer_impl.h"
#include "observe/heap_impl.h"

#include <mtev_heap_profiler.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
    __attribute__((weak));
extern void malloc_stats_print(void (*write)(void *closure, const char *text), void *closure,
                               const char *options) __attribute__((weak));

/* ---- statistics ------------------------------------------------------------------ */

static void take_text(void *closure, const char *text)
{
    struct answer *a = closure;
    if (a->err == 0)
        a->err = buf_append(&a->text, text, strlen(text));
}

bool heap_tell(struct answer *a)
{
    if (malloc_stats_print != NULL)
        malloc_stats_print(take_text, a, "J");
    if (a->text.len == 0)
        take_text(a, "{}\n");
    return false;
}

/* ---- the profile ----------------------------------------------------------------- */

struct profile {
    struct answer answer; /* first */
    int fd;               /* of memory that it was written to; -1: it was not yet */
    off_t at;             /* of what is told next */
};

/*
 * jemalloc writes to a file that it opens by a name.  A file without one has the name that proc(5)
 * gives its descriptor, so that nothing is left behind and no folder must be writable.
 */
static int dump_profile(int *ret_fd)
{
    char name[32];
    const char *path = name;
    int fd = memfd_create("heap_profile", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int err = mallctl("prof.dump", NULL, NULL, &path, sizeof(path));
    if (err != 0) {
        close(fd);
        return -err;
    }
    *ret_fd = fd;
    return 0;
}

static bool more_profile(struct answer *a)
{
    struct profile *profile = (struct profile *)a;
    if (profile->fd < 0)
        a->err = dump_profile(&profile->fd);
    if (a->err == 0)
        a->err = buf_reserve(&a->text, ANSWER_PART_LEN);
    if (a->err != 0)
        return false;
    ssize_t count = pread(profile->fd, a->text.bytes + a->text.len, ANSWER_PART_LEN, profile->at);
    if (count < 0)
        a->err = -errno;
    if (count <= 0)
        return false;
    a->text.len += (size_t)count;
    profile->at += count;
    return true;
}

static void send_profile(mtev_http_session_ctx *ctx)
{
    struct profile *profile = alloc_zeroed(1, sizeof(*profile));
    if (profile != NULL)
        *profile = (struct profile){
            .answer = {.more = more_profile, .type = "application/octet-stream"}, .fd = -1};
    answer_send(ctx, profile == NULL ? NULL : &profile->answer);
    if (profile != NULL && profile->fd >= 0)
        close(profile->fd);
    alloc_free(profile);
}

/* NULL: the heap can be profiled; else why it cannot. */
static const char *obstacle(void)
{
    bool is_on = false;
    size_t len = sizeof(is_on);
    if (mallctl == NULL)
        return "This process has no jemalloc: link the program with -ljemalloc, or start it with\n"
               "LD_PRELOAD=libjemalloc.so.2, and with MALLOC_CONF=prof:true,prof_active:false\n"
               "in its environment.\n";
    if (mallctl("config.prof", &is_on, &len, NULL, 0) != 0 || !is_on)
        return "The jemalloc of this process cannot profile: link one that was configured with\n"
               "--enable-prof.\n";
    if (mallctl("opt.prof", &is_on, &len, NULL, 0) != 0 || !is_on)
        return "The jemalloc of this process was not told to profile: start the program with\n"
               "MALLOC_CONF=prof:true,prof_active:false in its environment.\n";
    return NULL;
}

static void answer_text(mtev_http_session_ctx *ctx, int status, const char *reason,
                        const char *text)
{
    mtev_http_response_standard(ctx, status, reason, "text/plain");
    mtev_http_response_append_str(ctx, text);
    mtev_http_response_end(ctx);
}

/* Begin or end sampling if that is asked for, and say how it is. */
static void answer_state(mtev_http_session_ctx *ctx)
{
    bool is_active = answer_has(ctx, "activate");
    size_t len = sizeof(is_active);
    int err = 0;
    if (is_active || answer_has(ctx, "deactivate"))
        err = mallctl("prof.active", NULL, NULL, &is_active, sizeof(is_active));
    if (err == 0)
        err = mallctl("prof.active", &is_active, &len, NULL, 0);
    if (err != 0)
        answer_text(ctx, 500, "ERROR", "jemalloc refuses.\n");
    else
        answer_text(ctx, 200, "OK", is_active ? "active\n" : "inactive\n");
}

static int endpoint_profile(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    const char *why_not = obstacle();
    if (why_not != NULL)
        answer_text(ctx, 501, "NOT IMPLEMENTED", why_not);
    else if (answer_has(ctx, "dump"))
        send_profile(ctx);
    else
        answer_state(ctx);
    return 0;
}

void mtev_heap_profiler_rest_init(void)
{
    static atomic_flag is_ready = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&is_ready))
        answer_rule("GET", "/mtev/", "^heap_profile$", endpoint_profile);
}
