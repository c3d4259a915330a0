/* SPDX-License-Identifier: MIT */
/*
 * fixup_impl.h - what functions of the program change in values; for this layer alone.
 */
#ifndef EVENTER_CONF_FIXUP_IMPL_H
#define EVENTER_CONF_FIXUP_IMPL_H

#include "conf/section_impl.h"
#include "conf/value.h"

/*
 * Have the program's functions change *text (owned, and replaced), the value of node as it is read,
 * or as it is set.  Returns 0; -EINVAL with reason filled: one refused it; or -ENOMEM.
 */
int fixup_read(const struct section_place *place, struct xml_node *node, const char *path,
               char **text, char reason[static VALUE_REASON_SIZE]);
int fixup_set(const struct section_place *place, const char *path, char **text,
              char reason[static VALUE_REASON_SIZE]);

#endif
