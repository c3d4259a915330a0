/* SPDX-License-Identifier: MIT */
/*
 * endpoints_impl.h - who answers which request.
 *
 * Layer: observe.  Handlers in coroutines.
 */
#ifndef EVENTER_OBSERVE_ENDPOINTS_IMPL_H
#define EVENTER_OBSERVE_ENDPOINTS_IMPL_H

#include <mtev_rest.h>

int endpoint_sockets(mtev_http_rest_closure_t *restc, int npats, char **pats);
int endpoint_timers(mtev_http_rest_closure_t *restc, int npats, char **pats);
int endpoint_coroutines(mtev_http_rest_closure_t *restc, int npats, char **pats);
int endpoint_logs(mtev_http_rest_closure_t *restc, int npats, char **pats);

#endif
