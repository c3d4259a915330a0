/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program `eventer`: commands about programs on the library.
 */
#include "command/check.h"
#include "command/new.h"
#include "command/schema.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit status */
    const char *arguments;
    const char *says;
} commands[] = {
    {"check", check_main, "[-n NAME] FILE", "find what is wrong with a configuration"},
    {"new", new_main, "NAME", "make a service that is ready to be built"},
    {"schema", schema_main, "", "print the RELAX NG schema of configurations"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
    printf("usage: eventer COMMAND [ARGUMENTS]\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-7s %-15s %s\n", commands[i].name, commands[i].arguments, commands[i].says);
    printf("  --help  print this\n");
    return fflush(stdout) == 0 ? 0 : 2;
}

static int complain(const char *name)
{
    struct near near = near_begin(name);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        near_offer(&near, commands[i].name, strlen(commands[i].name));
    fprintf(stderr, "eventer: there is no command \"%s\"%s%.*s%s (eventer --help lists them)\n",
            name, near.found == NULL ? "" : "; did you mean \"", (int)near.len,
            near.found == NULL ? "" : near.found, near.found == NULL ? "" : "\"?");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "eventer: no command was given (eventer --help lists them)\n");
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return complain(argv[1]);
}
