/* SPDX-License-Identifier: MIT */
/*
 * foreign_impl.h - outlets that are functions of the program's own; for this layer alone.  The
 * target of such an outlet is its stream.
 */
#ifndef EVENTER_LOG_FOREIGN_IMPL_H
#define EVENTER_LOG_FOREIGN_IMPL_H

#include "log/outlet.h"

/* True for an outlet of functions of the program's own. */
bool foreign_is(const struct outlet_ops *ops);

/* The type that was registered under that name, or NULL. */
const struct outlet_ops *foreign_find(const char *type);

/* What mtev_log_stream_reopen(), _rename(), _cull() and _size() do of them; 0 or -errno. */
int foreign_reopen(struct outlet *o);
int foreign_rename(struct outlet *o, const char *name);
int foreign_cull(struct outlet *o, int age, ssize_t bytes);
size_t foreign_size(struct outlet *o);

#endif
