/* SPDX-License-Identifier: MIT */
/*
 * library.h - libcurl, which is loaded when it is first needed.
 *
 * Layer: client (uses the system only).  docs/decisions/0010 says why it is not linked.
 */
#ifndef EVENTER_CLIENT_LIBRARY_H
#define EVENTER_CLIENT_LIBRARY_H

#include <curl/curl.h>

#include <stdbool.h>

/*
 * The oldest version that serves: with CURLOPT_QUICK_EXIT, who gives up while a name is looked up
 * does not wait for that; and authorities are not read anew for each connection.
 */
#define LIBRARY_VERSION_MIN      0x075700
#define LIBRARY_VERSION_MIN_TEXT "7.87.0"

/* What is called, typed by libcurl's own declarations. */
struct library {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_version_info) *version_info;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_pause) *easy_pause;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_multi_init) *multi_init;
    __typeof__(curl_multi_setopt) *multi_setopt;
    __typeof__(curl_multi_add_handle) *multi_add_handle;
    __typeof__(curl_multi_remove_handle) *multi_remove_handle;
    __typeof__(curl_multi_socket_action) *multi_socket_action;
    __typeof__(curl_multi_info_read) *multi_info_read;
    __typeof__(curl_multi_cleanup) *multi_cleanup;
};

/* Filled once library_load() has returned 0. */
extern struct library curl __attribute__((visibility("hidden")));

/* The name it is loaded by; tests take another. */
extern const char *library_name __attribute__((visibility("hidden")));

/* True if library_load() has returned in some thread, or has nothing to do.  Any thread. */
bool library_is_known(void);

/*
 * Load and set up libcurl, once in a process; what it gave the first time it gives ever after.
 * Returns 0 or -ENOSYS.  Blocks: for a job's thread, or after library_is_known().
 */
int library_load(void);

/* Why library_load() failed; "" if it did not. */
const char *library_why_not(void);

#endif
