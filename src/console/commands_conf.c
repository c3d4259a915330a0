/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "conf/conf.h"
#include "console/commands_impl.h"

#include <errno.h>
#include <mtev_conf.h>
#include <stdlib.h>
#include <string.h>

#define PATH_USAGE "a path in the configuration, such as listeners//listener/@port"

static mtev_console_state_t *terminal; /* the state of "configure terminal" */

/* Say why a call failed that has left errno; returns -1. */
static int complain(mtev_console_closure_t s, const char *what)
{
    nc_printf(s, "%s: %s\n", what, strerrordesc_np(errno));
    return -1;
}

static int show(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                void *closure)
{
    int count = 0;
    char *value = NULL;
    if (argc != 1)
        return commands_expect(s, PATH_USAGE);
    mtev_conf_section_t *sections = mtev_conf_get_sections_read(MTEV_CONF_ROOT, argv[0], &count);
    bool has_value = conf_get_shown(MTEV_CONF_ROOT, argv[0], &value) == 0;
    if (has_value)
        nc_printf(s, "%s\n", value);
    if (count > 1)
        nc_printf(s, "this is the last one of %d\n", count);
    if (!has_value)
        nc_printf(s, "there is nothing at %s\n", argv[0]);
    alloc_free(value);
    mtev_conf_release_sections_read(sections, count);
    return has_value ? 0 : -1;
}

/* set PATH VALUE, and unset PATH: what path finds is taken out. */
static int set(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
               void *closure)
{
    bool takes_value = closure != NULL;
    if (argc != (takes_value ? 2 : 1))
        return commands_expect(s, takes_value ? PATH_USAGE ", and a value" : PATH_USAGE);
    if (mtev_conf_set_string(MTEV_CONF_ROOT, argv[0], takes_value ? argv[1] : NULL) == 1)
        return 0;
    return complain(s, argv[0]);
}

static int reload(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                  void *closure)
{
    int err = conf_reload();
    if (err == 0) {
        nc_printf(s, "the configuration was read again\n");
        return 0;
    }
    if (err == -EALREADY) {
        nc_printf(s, "it is being read again already, and will be once more\n");
        return 0;
    }
    nc_printf(s, "it was not read again, and is as it was; the log says why\n");
    return -1;
}

static int print(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                 void *closure)
{
    size_t len = 0;
    char *text = mtev_conf_write_in_mem(&len);
    if (text == NULL)
        return complain(s, "the configuration cannot be shown");
    nc_write(s, text, (int)len);
    nc_printf(s, "%s", len > 0 && text[len - 1] != '\n' ? "\n" : "");
    alloc_free(text);
    return 0;
}

static int save(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                void *closure)
{
    char *error = NULL;
    if (mtev_conf_write_file(&error) == 0) {
        nc_printf(s, "all changes are in the file\n");
        return 0;
    }
    if (error == NULL)
        return complain(s, "the changes were not written");
    nc_printf(s, "%s\n", error);
    alloc_free(error);
    return -1;
}

static const char *terminal_prompt(mtev_console_closure_t s)
{
    return "configure# ";
}

static int enter_terminal(mtev_console_closure_t s, int argc, char **argv,
                          mtev_console_state_t *state, void *closure)
{
    return mtev_console_state_push_state(s, terminal) == 0 ? 0 : complain(s, "configure");
}

/* Anything but NULL: a value is expected. */
#define WITH_VALUE ((void *)1)

static const struct command commands[] = {
    {{"show"}, "conf", show, NULL, NULL},
    {{"configure"}, "terminal", enter_terminal, NULL, NULL},
    {{"configure"}, "set", set, NULL, WITH_VALUE},
    {{"configure"}, "unset", set, NULL, NULL},
    {{"configure"}, "reload", reload, NULL, NULL},
    {{"write"}, "terminal", print, NULL, NULL},
    {{"write"}, "file", save, NULL, NULL},
    {{"write"}, "memory", save, NULL, NULL},
};

static bool add_terminal(void)
{
    static const char *const shared[] = {"apply", "exit", "help", "write"};
    cmd_info_t *own[] = {
        NCSCMD("show", show, NULL, NULL, NULL),
        NCSCMD("set", set, NULL, NULL, WITH_VALUE),
        NCSCMD("unset", set, NULL, NULL, NULL),
        NCSCMD("reload", reload, NULL, NULL, NULL),
        NULL,
    };
    terminal = mtev_console_state_build(terminal_prompt, own, NULL);
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]) && terminal != NULL; i++)
        if (mtev_console_state_add_cmd(
                terminal, mtev_console_state_get_cmd(mtev_console_state_initial(), shared[i])) == 0)
            return false;
    return terminal != NULL;
}

void mtev_console_conf_init(void)
{
    if (terminal == NULL &&
        (!commands_add(commands, sizeof(commands) / sizeof(commands[0])) || !add_terminal()))
        mtevL(mtev_error, "mtev_console_conf_init: out of memory: some commands are missing\n");
}
