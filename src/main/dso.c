/* SPDX-License-Identifier: MIT */
#include "main/dso.h"

#include "base/alloc.h"
#include "conf/conf.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

MTEV_HOOK_PROTO(dso_post_init, (void), void *, closure, (void *closure));
MTEV_HOOK_IMPL(dso_post_init, (void), void *, closure, (void *closure), (closure))

struct module {
    struct module *next;
    mtev_dso_generic_t *generic; /* in the image */
    char name[];
};

static struct module *modules, **last = &modules; /* in the order of loading */
static int failures;
static bool has_run_post_init;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list */

void dso_each(void (*fn)(const mtev_image_t *image, void *closure), void *closure)
{
    pthread_mutex_lock(&lock);
    for (const struct module *module = modules; module != NULL; module = module->next)
        fn(&module->generic->hdr, closure);
    pthread_mutex_unlock(&lock);
}

static bool is_loaded(const char *name)
{
    const struct module *module = modules;
    while (module != NULL && strcmp(module->name, name) != 0)
        module = module->next;
    return module != NULL;
}

/* ---- an image -------------------------------------------------------------------- */

/* The file that image means, below directory (NULL: there is none).  0, or, logged, -errno. */
static int find_file(mtev_conf_section_t section, const char *directory, const char *image,
                     char path[static PATH_MAX])
{
    size_t len = strlen(image);
    const char *tail = len > 3 && strcmp(image + len - 3, ".so") == 0 ? "" : ".so";
    int count;
    if (image[0] == '/') {
        count = snprintf(path, PATH_MAX, "%s%s", image, tail);
    } else if (directory != NULL && directory[0] == '/') {
        count = snprintf(path, PATH_MAX, "%s/%s%s", directory, image, tail);
    } else {
        conf_value_error(section, "@image", "it is below no <modules directory=\"/...\">");
        return -EINVAL;
    }
    if (count < PATH_MAX)
        return 0;
    conf_value_error(section, "@image", "the path is too long");
    return -ENAMETOOLONG;
}

/* Load path and find the module called name in it.  0, or, logged, -EINVAL. */
static int load_image(mtev_conf_section_t section, const char *path, const char *name,
                      mtev_dso_generic_t **out)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (handle == NULL) {
        conf_value_error(section, "@image", "%s", dlerror());
        return -EINVAL;
    }
    mtev_dso_generic_t *generic = dlsym(handle, name);
    const char *why = generic == NULL                            ? "the image has no such variable"
                      : generic->hdr.magic != MTEV_GENERIC_MAGIC ? "the variable is no module"
                      : generic->hdr.version != MTEV_GENERIC_ABI_VERSION
                          ? "the module is made for another version of the library"
                          : NULL;
    if (why != NULL) {
        conf_value_error(section, "@name", "%s", why);
        (void)dlclose(handle);
        return -EINVAL;
    }
    generic->hdr.opaque_handle = handle;
    *out = generic;
    return 0;
}

/* ---- its configuration ----------------------------------------------------------- */

static int add_key(void *closure, const char *name, const char *value, long line)
{
    (void)line;
    return mtev_hash_dict_replace(closure, name, value) ? 0 : -ENOMEM;
}

/* Give the module its keys.  0, or, logged, -errno. */
static int configure(mtev_conf_section_t section, mtev_dso_generic_t *generic)
{
    if (generic->config == NULL)
        return 0;
    mtev_hash_table *config = alloc_zeroed(1, sizeof(*config));
    if (config == NULL) {
        conf_error(section, "out of memory");
        return -ENOMEM;
    }
    int err = conf_each_child(section, "config", add_key, config);
    if (err != 0) {
        mtev_hash_destroy(config, free, free);
        alloc_free(config);
        return err;
    }
    if (generic->config(generic, config) >= 0)
        return 0;
    conf_value_error(section, "@name", "the module refuses its configuration");
    return -EINVAL;
}

static int begin(mtev_conf_section_t section, mtev_dso_generic_t *generic)
{
    if (generic->hdr.onload != NULL && generic->hdr.onload(&generic->hdr) != 0) {
        conf_value_error(section, "@name", "the module cannot be used: its onload failed");
        return -EINVAL;
    }
    int err = configure(section, generic);
    if (err == 0 && generic->init != NULL && generic->init(generic) != 0) {
        conf_value_error(section, "@name", "the module cannot be used: its init failed");
        err = -EINVAL;
    }
    return err;
}

/* ---- a stanza -------------------------------------------------------------------- */

static int load(mtev_conf_section_t section, const char *image, const char *name)
{
    char path[PATH_MAX];
    char *directory = NULL;
    mtev_dso_generic_t *generic = NULL;
    int err = conf_get_text(section, "ancestor::modules/@directory", &directory);
    if (err == 0 || err == -ENOENT)
        err = find_file(section, directory, image, path);
    alloc_free(directory);
    struct module *module = alloc_bytes(sizeof(*module) + strlen(name) + 1);
    if (err == 0 && module == NULL) {
        conf_error(section, "out of memory");
        err = -ENOMEM;
    }
    if (err == 0)
        err = load_image(section, path, name, &generic);
    if (err == 0)
        err = begin(section, generic); /* the image stays: it may have left pointers to itself */
    if (err != 0) {
        alloc_free(module);
        return err;
    }
    module->next = NULL;
    module->generic = generic;
    memcpy(module->name, name, strlen(name) + 1);
    pthread_mutex_lock(&lock);
    *last = module;
    last = &module->next;
    pthread_mutex_unlock(&lock);
    return 0;
}

static int load_stanza(mtev_conf_section_t section)
{
    char *image = NULL, *name = NULL;
    int err = conf_get_text(section, "@image", &image);
    if (err == 0)
        err = conf_get_text(section, "@name", &name);
    if (err == -ENOENT)
        conf_error(section, "<generic> has no %s", image == NULL ? "image" : "name");
    if (err == 0 && !is_loaded(name) && !mtev_conf_env_off(section, NULL))
        err = load(section, image, name);
    alloc_free(image);
    alloc_free(name);
    return err;
}

int mtev_dso_init(void)
{
    int count = 0;
    mtev_conf_section_t *sections = mtev_conf_get_sections_read(
        MTEV_CONF_ROOT, "modules//generic|include/modules//generic", &count);
    for (int i = 0; i < count; i++)
        if (load_stanza(sections[i]) != 0)
            failures++;
    mtev_conf_release_sections_read(sections, count);
    return 0;
}

int mtev_dso_load_failures(void)
{
    return failures;
}

int mtev_dso_post_init(void)
{
    if (has_run_post_init)
        return 0;
    has_run_post_init = true;
    return dso_post_init_hook_invoke() == MTEV_HOOK_ABORT ? -1 : 0;
}
