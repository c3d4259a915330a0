/* SPDX-License-Identifier: MIT */
#include "client/library.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct library curl;
const char *library_name = "libcurl.so.4";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool is_known;
static char why_not[256]; /* written once, before is_known */

#define CALL(name)                                                                                 \
    {                                                                                              \
        "curl_" #name, offsetof(struct library, name)                                              \
    }

static const struct {
    const char *name;
    size_t offset;
} calls[] = {
    CALL(global_init),      CALL(version_info),        CALL(slist_append),
    CALL(slist_free_all),   CALL(easy_init),           CALL(easy_setopt),
    CALL(easy_getinfo),     CALL(easy_pause),          CALL(easy_strerror),
    CALL(easy_cleanup),     CALL(multi_init),          CALL(multi_setopt),
    CALL(multi_add_handle), CALL(multi_remove_handle), CALL(multi_socket_action),
    CALL(multi_info_read),  CALL(multi_cleanup),
};
#define CALL_COUNT (sizeof(calls) / sizeof(calls[0]))

static_assert(sizeof(struct library) == CALL_COUNT * sizeof(void (*)(void)), "a call has no name");

static bool find_calls(void *handle)
{
    for (size_t i = 0; i < CALL_COUNT; i++) {
        void *call = dlsym(handle, calls[i].name);
        if (call == NULL) {
            snprintf(why_not, sizeof(why_not), "%s has no %s", library_name, calls[i].name);
            return false;
        }
        memcpy((char *)&curl + calls[i].offset, &call, sizeof(call));
    }
    return true;
}

static bool is_fit(void)
{
    const curl_version_info_data *info = curl.version_info(CURLVERSION_NOW);
    if (info->version_num < LIBRARY_VERSION_MIN) {
        snprintf(why_not, sizeof(why_not), "libcurl %s is older than " LIBRARY_VERSION_MIN_TEXT,
                 info->version);
        return false;
    }
    if ((info->features & CURL_VERSION_ASYNCHDNS) == 0) { /* it would hold the loop up */
        snprintf(why_not, sizeof(why_not), "this libcurl looks names up in the calling thread");
        return false;
    }
    return true;
}

static void load(void)
{
    void *handle = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *why = dlerror();
        snprintf(why_not, sizeof(why_not), "libcurl cannot be loaded: %s", why == NULL ? "" : why);
    } else if (find_calls(handle) && is_fit() && curl.global_init(CURL_GLOBAL_DEFAULT) != 0) {
        snprintf(why_not, sizeof(why_not), "libcurl cannot be set up");
    }
    atomic_store(&is_known, true); /* pairs with library_is_known(): all above was written before */
}

bool library_is_known(void)
{
    return atomic_load(&is_known);
}

int library_load(void)
{
    pthread_once(&once, load);
    return why_not[0] == '\0' ? 0 : -ENOSYS;
}

const char *library_why_not(void)
{
    return why_not;
}
