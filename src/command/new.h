/* SPDX-License-Identifier: MIT */
/*
 * new.h - `eventer new NAME`: a service that is ready to be built.
 */
#ifndef EVENTER_COMMAND_NEW_H
#define EVENTER_COMMAND_NEW_H

#define NEW_NAME_MAX 31 /* bytes of the name of a service */

/* Run the command; argv[0] is its name.  Returns the exit status. */
int new_main(int argc, char **argv);

#endif
