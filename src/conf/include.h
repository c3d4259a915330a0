/* SPDX-License-Identifier: MIT */
/*
 * include.h - from files to one document: <include file="..."/>, and what holds of every element.
 *
 * Layer: conf, for this layer alone.  Any thread.  Blocks on the disk.
 */
#ifndef EVENTER_CONF_INCLUDE_H
#define EVENTER_CONF_INCLUDE_H

#include "conf/conf.h"
#include "conf/journal.h"
#include "conf/xml.h"

/*
 * Read the file path, which errors call name, with all that it includes.  Each fault is told, and
 * what can be read besides is read all the same.  What journal (NULL: none) has
 * for a file that is still the same stands for it.  Gives the document, if there is one, in *out;
 * the caller owns the share.  Returns 0, -EINVAL or -EFBIG after the faults, or another errno after
 * one fault (-ENOMEM, or as open(2) and read(2)).
 */
int include_read_file(const char *name, const char *path, const struct journal *journal,
                      const struct conf_faults *faults, struct xml_doc **out);

/* The same for the len bytes at bytes; files are beside the working directory then. */
int include_read_text(const char *name, const char *bytes, size_t len,
                      const struct conf_faults *faults, struct xml_doc **out);

#endif
