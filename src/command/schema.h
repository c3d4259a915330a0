/* SPDX-License-Identifier: MIT */
/*
 * schema.h - the tables of keys.h as a RELAX NG schema, for editors and other tools.
 *
 * Program: eventer.  One thread.
 * Source: RELAX NG Specification, OASIS, 3 December 2001.
 *
 * The root element and elements that group have any name; a schema cannot know a beginning of names
 * (loop_NAME) either, so it lets more pass than `eventer check` does.
 */
#ifndef EVENTER_COMMAND_SCHEMA_H
#define EVENTER_COMMAND_SCHEMA_H

#include "base/buf.h"
#include "command/check.h"

/* `eventer schema`: print it.  Returns the exit status. */
int schema_main(int argc, char **argv);

/* Append the schema.  0, -ENOSPC or -ENOMEM. */
int schema_write(struct buf *out);

/* Hold doc against the schema, and tell what it finds. */
void schema_check(struct check *check, struct xml_doc *doc);

#endif
