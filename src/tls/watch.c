/* SPDX-License-Identifier: MIT */
/*
 * watch.c - a thread that looks for files that have changed, and reads them anew; so no loop waits
 * for a disk.
 *
 * A file that has changed is read when it has stayed as it is for one period, since a certificate
 * and its key are two files, and are seldom replaced at once.
 */
#include "base/clock.h"
#include "base/smr.h"
#include "base/thread.h"
#include "tls/tls_impl.h"

#include <errno.h>

#define PERIOD_MS_DEFAULT 2000

static _Atomic unsigned period_ms = PERIOD_MS_DEFAULT;
static _Atomic uint32_t is_wanted; /* 1: reload all, whether changed or not */
static _Atomic bool is_running;

static void reload(struct tls_context *context)
{
    char reason[TLS_REASON_SIZE];
    int err = tls_context_reload(context, reason);
    if (err == 0)
        mtevL(mtev_notice, "TLS: %s: read again\n",
              context->settings[0].texts[TLS_CERTIFICATE] == NULL ||
                      tls_is_text(context->settings[0].texts[TLS_CERTIFICATE])
                  ? "a context"
                  : context->settings[0].texts[TLS_CERTIFICATE]);
    else
        mtevL(mtev_error, "TLS: %s; what was read before stays in use\n", reason);
}

static void look(bool at_all)
{
    struct tls_context *context = tls_context_after(NULL);
    while (context != NULL) {
        if (at_all || tls_context_is_stale(context))
            reload(context);
        struct tls_context *next = tls_context_after(context);
        tls_context_unref(context);
        context = next;
    }
}

static void *watcher_main(void *arg)
{
    (void)arg;
    thread_set_name("e:tls");
    for (;;) {
        const struct timespec period = clock_timespec(atomic_load(&period_ms) * CLOCK_NS_PER_MS);
        (void)thread_ops.wait(&is_wanted, 0, &period);
        look(atomic_exchange(&is_wanted, 0) != 0); /* pairs with tls_reload_all() */
        tls_tickets_rotate(false);
    }
    return NULL;
}

void tls_watch_begin(void)
{
    if (atomic_exchange(&is_running, true))
        return;
    int err = thread_start_detached(watcher_main, NULL);
    if (err == 0)
        return;
    atomic_store(&is_running, false); /* the next context tries again */
    mtevL(mtev_error, "TLS: no thread watches the files of certificates: %s\n",
          strerrordesc_np(-err));
}

void tls_watch_period_ms(unsigned ms)
{
    atomic_store(&period_ms, ms);
    thread_ops.wake(&is_wanted, 1);
}

void tls_reload_all(void)
{
    atomic_store(&is_wanted, 1);
    thread_ops.wake(&is_wanted, 1);
}

void eventer_ssl_reload(void)
{
    tls_reload_all();
}
