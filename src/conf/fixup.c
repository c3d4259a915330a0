/* SPDX-License-Identifier: MIT */
#include "conf/fixup_impl.h"

#include <errno.h>
#include <mtev_hooks.h>
#include <stdio.h>

MTEV_HOOK_PROTO(mtev_conf_value_fixup,
                (mtev_conf_section_t section, const char *path, const char *name, int set,
                 char **value),
                void *, closure,
                (void *closure, mtev_conf_section_t section, const char *path, const char *name,
                 int set, char **value));
MTEV_HOOK_IMPL(mtev_conf_value_fixup,
               (mtev_conf_section_t section, const char *path, const char *name, int set,
                char **value),
               void *, closure,
               (void *closure, mtev_conf_section_t section, const char *path, const char *name,
                int set, char **value),
               (closure, section, path, name, set, value))

static int fix_up(const struct section_place *place, const char *path, const char *name, int set,
                  char **text, char *reason)
{
    if (!mtev_conf_value_fixup_hook_exists())
        return 0;
    const mtev_conf_section_t section = {place->node, place->doc};
    mtev_hook_return_t answer = mtev_conf_value_fixup_hook_invoke(section, path, name, set, text);
    if (answer != MTEV_HOOK_ABORT && *text != NULL)
        return 0;
    snprintf(reason, VALUE_REASON_SIZE, "the program refuses it");
    return -EINVAL;
}

int fixup_read(const struct section_place *place, struct xml_node *node, const char *path,
               char **text, char reason[static VALUE_REASON_SIZE])
{
    return fix_up(place, path, xml_node_name(node), 0, text, reason);
}

int fixup_set(const struct section_place *place, const char *path, char **text,
              char reason[static VALUE_REASON_SIZE])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return fix_up(place, path, name + (*name == '@'), 1, text, reason);
}
