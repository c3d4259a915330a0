/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "console/commands_impl.h"

#include <stdio.h>
#include <string.h>

#define SOURCE   "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define READINGS 1000

/* The source is what decides what a reading costs: with some, each is a system call. */
static int show_clocks(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                       void *closure)
{
    char source[64] = "not known";
    FILE *file = fopen(SOURCE, "re");
    if (file != NULL) {
        if (fgets(source, sizeof(source), file) != NULL)
            source[strcspn(source, "\n")] = '\0';
        fclose(file);
    }
    uint64_t begin = clock_mono_ns(), end = begin;
    for (int i = 0; i < READINGS; i++)
        end = clock_mono_ns();
    nc_printf(s, "the kernel's clocks are read, whose source is %s; a reading takes %llu ns\n",
              source, (unsigned long long)((end - begin) / READINGS));
    return 0;
}

static int refuse(mtev_console_closure_t s, int argc, char **argv, mtev_console_state_t *state,
                  void *closure)
{
    nc_printf(s, "no counter of the processor is read: there is nothing to switch on or off\n");
    return -1;
}

static const struct command commands[] = {
    {{"show", "mtev", "debug"}, "coreclocks", show_clocks, NULL, NULL},
    {{"mtev", "rdtsc"}, "status", show_clocks, NULL, NULL},
    {{"mtev", "rdtsc"}, "enable", refuse, NULL, NULL},
    {{"mtev", "rdtsc"}, "disable", refuse, NULL, NULL},
};

bool commands_add_clock(void)
{
    return commands_add(commands, sizeof(commands) / sizeof(commands[0]));
}
