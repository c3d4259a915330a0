/* SPDX-License-Identifier: MIT */
#include "main/reload.h"

#include "conf/conf.h"
#include "listener/listener.h"
#include "main/child.h"
#include "main/notify.h"
#include "main/start.h"
#include "rest/rest.h"
#include "tls/tls.h"

#include <mtev_log.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static pthread_cond_t is_done = PTHREAD_COND_INITIALIZER;
static bool is_under_way, is_wanted_again, has_ended;

static int follow(void)
{
    int err = start_refuse_managed();
    if (err == 0)
        err = start_logs();
    if (err == 0)
        err = rest_acl_reload();
    return err != 0 ? err : listener_reload();
}

/* The log files first: what follows may have to be said. */
static int load(void)
{
    if (mtev_log_reopen_all() != 0)
        mtevL(mtev_error, "a log file cannot be opened anew: %s\n", strerrordesc_np(errno));
    int err = conf_load_again(follow);
    if (err == 0) {
        tls_reload_all(); /* files of certificates, which may be the same and hold others */
        return 0;
    }
    (void)start_logs(); /* these may be as the new one wanted them */
    (void)rest_acl_reload();
    mtevL(mtev_error, "the configuration that was there before stays\n");
    return err;
}

static bool begin(void)
{
    pthread_mutex_lock(&lock);
    const bool is_first = !is_under_way && !has_ended;
    is_wanted_again = is_under_way;
    is_under_way = is_under_way || is_first;
    pthread_mutex_unlock(&lock);
    return is_first;
}

static bool goes_on(void)
{
    pthread_mutex_lock(&lock);
    is_under_way = is_wanted_again && !has_ended;
    is_wanted_again = false;
    const bool again = is_under_way;
    if (!again)
        pthread_cond_broadcast(&is_done);
    pthread_mutex_unlock(&lock);
    return again;
}

void reload_end(void)
{
    pthread_mutex_lock(&lock);
    has_ended = true;
    while (is_under_way)
        pthread_cond_wait(&is_done, &lock);
    pthread_mutex_unlock(&lock);
}

int reload(void)
{
    int err;
    if (!begin())
        return -EALREADY;
    do {
        if (child_self.monitor == 0)
            notify_reloading();
        err = load();
        child_say_ready(); /* of the listeners there are now */
        child_say_reloaded(err);
    } while (goes_on());
    return err;
}
