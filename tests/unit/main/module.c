/* SPDX-License-Identifier: MIT */
/*
 * module.c - modules for test_dso.c: each writes down what was called, in module_calls.
 */
#include <mtev_dso.h>

#include <stdio.h>

__attribute__((visibility("default"))) char module_calls[512];

__attribute__((visibility("default"))) int module_answer(int number);
int module_answer(int number)
{
    return number + 1;
}

static void note(const mtev_image_t *image, const char *what)
{
    size_t len = strlen(module_calls);
    snprintf(module_calls + len, sizeof(module_calls) - len, "%s %s\n", image->name, what);
}

static int onload(mtev_image_t *self)
{
    note(self, self->opaque_handle != NULL ? "onload" : "onload without a handle");
    return 0;
}

static int config(mtev_dso_generic_t *self, mtev_hash_table *table)
{
    note(&self->hdr, table != NULL ? "config" : "no config");
    self->hdr.opaque_handle = table; /* for the test to look at, and to free */
    return 0;
}

static int init(mtev_dso_generic_t *self)
{
    note(&self->hdr, "init");
    return 0;
}

static int fail_onload(mtev_image_t *self)
{
    note(self, "onload");
    return 1;
}

static int fail_init(mtev_dso_generic_t *self)
{
    note(&self->hdr, "init");
    return 1;
}

static int fail_config(mtev_dso_generic_t *self, mtev_hash_table *table)
{
    self->hdr.opaque_handle = table;
    note(&self->hdr, "config");
    return -1;
}

#define MODULE(name, version, onload, config, init)                                                \
    __attribute__((visibility("default"))) mtev_dso_generic_t name = {                             \
        {MTEV_GENERIC_MAGIC, version, #name, "a module", "", onload, NULL}, config, init}

MODULE(first, MTEV_GENERIC_ABI_VERSION, onload, config, init);
MODULE(second, MTEV_GENERIC_ABI_VERSION, onload, NULL, init);
MODULE(empty, MTEV_GENERIC_ABI_VERSION, NULL, NULL, NULL);
MODULE(not_loading, MTEV_GENERIC_ABI_VERSION, fail_onload, config, init);
MODULE(not_configured, MTEV_GENERIC_ABI_VERSION, onload, fail_config, init);
MODULE(not_beginning, MTEV_GENERIC_ABI_VERSION, onload, NULL, fail_init);
MODULE(outdated, MTEV_GENERIC_ABI_VERSION - 1, onload, config, init);
__attribute__((visibility("default"))) mtev_image_t stranger = {.magic = 7};
