/* SPDX-License-Identifier: MIT */
/*
 * env.h - require_env: whether an element counts, by what is in the environment.
 *
 * Layer: conf.  Any thread (that does not change the environment meanwhile).  Nothing here logs.
 *
 *     VAR         the variable is set
 *     VAR=text    it is exactly that
 *     VAR~regex   it matches the expression of pcre2pattern(3), which is not anchored
 *     !...        the opposite; of a variable that is not set, too
 */
#ifndef EVENTER_CONF_ENV_H
#define EVENTER_CONF_ENV_H

#include "conf/conf.h"
#include "conf/xml.h"

#include <stdbool.h>

#define ENV_NAME_LEN_MAX 255 /* bytes of the name of a variable */
#define ENV_REASON_SIZE  160 /* bytes of an explanation, with its NUL */
#define ENV_ATTRIBUTE    CONF_ATTRIBUTE("require_env")

/*
 * Does the condition text hold?  Returns 0; -EINVAL with reason filled: it is none; or -ENOMEM.
 */
int env_holds(const char *text, bool *out, char reason[static ENV_REASON_SIZE]);

/*
 * Is the element node off: does the condition in its attribute called name, or in that of an
 * element around it, not hold?  One that is no condition does not.  Returns 1, 0 or -ENOMEM;
 * for env_is_off() that is off, too.
 */
int env_switches_off(struct xml_doc *doc, struct xml_node *node, const char *name);
bool env_is_off(struct xml_doc *doc, struct xml_node *node, const char *name);

#endif
