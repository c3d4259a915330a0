/* SPDX-License-Identifier: MIT */
/*
 * rest.h - what higher layers may ask of rules and access control beyond mtev_rest.h.
 *
 * Layer: rest (uses conf, http).
 */
#ifndef EVENTER_REST_REST_H
#define EVENTER_REST_REST_H

#include <mtev_rest.h>

/*
 * Compile the <rest> part of the configuration that is current, and swap it in as a whole.  An
 * <acl> with a fault denies every request that comes to it; without memory for all of it, every
 * request is denied.  Returns 0; or, logged, -EINVAL (a fault) or -ENOMEM.  Any thread; never
 * yields.
 */
int rest_acl_load(void);

/*
 * The same once it was loaded, and else nothing; but if it fails, what was there before stays.
 */
int rest_acl_reload(void);

#endif
