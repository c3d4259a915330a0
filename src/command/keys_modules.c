/* SPDX-License-Identifier: MIT */
#include "command/check.h"
#include "command/keys_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Tell when the image is not where it is looked for. */
static void check_image(struct check *check, struct xml_node *generic, const char *image,
                        const char *directory)
{
    char path[PATH_MAX];
    size_t len = strlen(image);
    const char *tail = len > 3 && strcmp(image + len - 3, ".so") == 0 ? "" : ".so";
    struct xml_node *attribute = xml_attribute(generic, "image");
    if (image[0] == '/')
        directory = "";
    if (directory == NULL || (image[0] != '/' && directory[0] != '/')) {
        check_value_fault(check, attribute, image, "it is below no <modules directory=\"/...\">");
        return;
    }
    snprintf(path, sizeof(path), "%s%s%s%s", directory, image[0] == '/' ? "" : "/", image, tail);
    if (access(path, R_OK) != 0)
        check_value_fault(check, attribute, image, "%s: %s", path, strerrordesc_np(errno));
}

static void check_generic(struct check *check, struct xml_node *generic)
{
    char *image = check_attribute(check, generic, "image");
    char *directory = check_inherited(check, generic, "directory");
    if (image != NULL)
        check_image(check, generic, image, directory);
    alloc_free(directory);
    alloc_free(image);
}

static const struct key_element elements[] = {
    {.path = "modules"},
    {.path = "modules//generic", .check = check_generic},
    {.path = "modules//config", .flags = KEY_OPEN},
};

static const struct key keys[] = {
    {"modules", "@directory", KEY_TEXT, .says = "Where the images are, from the root on."},
    {"modules//generic", "@image", KEY_TEXT, .flags = KEY_REQUIRED,
     .says = "The file, below directory or from the root; .so may be left out."},
    {"modules//generic", "@name", KEY_TEXT, .flags = KEY_REQUIRED,
     .says = "The variable in the image that is the module."},
};

const struct key_block keys_modules = KEY_BLOCK("modules", elements, keys);
