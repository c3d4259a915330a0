/* SPDX-License-Identifier: MIT */
/*
 * mtev_dso.h - modules: shared objects that <modules> of the configuration names.
 *
 *     <modules directory="/usr/lib/app">
 *       <generic image="speak" name="speaker">
 *         <config><language>en</language></config>
 *       </generic>
 *     </modules>
 *
 * loads /usr/lib/app/speak.so, which defines the variable "mtev_dso_generic_t speaker".
 */
#ifndef MTEV_DSO_H
#define MTEV_DSO_H

#include <mtev_defines.h>
#include <mtev_hash.h>
#include <mtev_hooks.h>

MTEV_BEGIN_DECLS

#define MTEV_GENERIC_MAGIC       0x65766d67u
#define MTEV_GENERIC_ABI_VERSION 4u

/* What begins every image.  onload (NULL: nothing) is called once it is loaded; not 0: it failed.
 */
typedef struct _mtev_image {
    uint32_t magic;
    uint32_t version;
    const char *name;
    const char *description;
    const char *xml_description;
    int (*onload)(struct _mtev_image *self);
    void *opaque_handle; /* dlopen(3)'s, set when it is loaded */
} mtev_image_t;

/*
 * A module.  After onload, config is called with the keys of its <config>, a dictionary (taken,
 * empty if there are none), and then init.  Each may be NULL; from config a value below 0, from
 * init any but 0, says that it failed.
 */
typedef struct __mtev_dso_generic {
    mtev_image_t hdr;
    int (*config)(struct __mtev_dso_generic *self, mtev_hash_table *config);
    int (*init)(struct __mtev_dso_generic *self);
} mtev_dso_generic_t;

/*
 * Load what <modules> names, in the order of the configuration, and leave out what is loaded
 * already or whose require_env does not hold.  A module that cannot be loaded is one log line, and
 * counts as a failure; the others go on.  image: a path below directory, without ".so" if one
 * likes, or from '/'.  Call it once the configuration is loaded; main thread.  Modules are never
 * unloaded.  Returns 0, also if there is no directory or nothing to load.
 */
API_EXPORT(int) mtev_dso_init(void);

/*
 * Call what is on the hook dso_post_init, the newest first.  Once, when all is ready to be served
 * or to be used; a second call does nothing.  Returns 0, or -1 if one of them returned
 * MTEV_HOOK_ABORT.
 */
API_EXPORT(int) mtev_dso_post_init(void);
API_EXPORT(mtev_hook_return_t)
dso_post_init_hook_register(const char *name, mtev_hook_return_t (*func)(void *closure),
                            void *closure);

/* Return how many modules could not be loaded. */
API_EXPORT(int) mtev_dso_load_failures(void);

MTEV_END_DECLS

#endif
