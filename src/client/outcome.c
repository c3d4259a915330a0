/* SPDX-License-Identifier: MIT */
/*
 * outcome.c - how a transfer went, as an errno.
 */
#include "client/fetch_impl.h"

#include <errno.h>

/* Of what libcurl tells by the errno of a system call, where there was one. */
static int os_or(long os_errno, int otherwise)
{
    return os_errno > 0 ? -(int)os_errno : -otherwise;
}

static int of_tls(CURLcode code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return -EPROTO;
    case CURLE_SSL_CACERT_BADFILE:
        return -EINVAL; /* ca_file or ca_path */
    default:
        return -EIO;
    }
}

static int of_message(CURLcode code, long os_errno, bool has_status)
{
    switch (code) {
    case CURLE_SEND_ERROR:
        return os_or(os_errno, ECONNRESET);
    case CURLE_RECV_ERROR: /* it also calls a wrong chunk so */
        return os_or(os_errno, has_status ? EBADMSG : ECONNRESET);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return -ECONNRESET;
    case CURLE_UNSUPPORTED_PROTOCOL: /* of a redirect, or what came is older than HTTP/1.0 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WRITE_ERROR:
        return -EBADMSG;
    case CURLE_TOO_MANY_REDIRECTS:
        return -ELOOP;
    case CURLE_SEND_FAIL_REWIND:
        return -ESPIPE;
    default:
        return of_tls(code);
    }
}

int outcome_of(CURLcode code, long os_errno, bool has_status)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_URL_MALFORMAT:
        return has_status ? -EBADMSG : -EINVAL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return os_or(os_errno, ECONNREFUSED);
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    default:
        return of_message(code, os_errno, has_status);
    }
}
