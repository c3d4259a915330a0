/* SPDX-License-Identifier: MIT */
/*
 * mtev_conf.h - the configuration: an XML tree that is asked by XPath.
 *
 * Everything here may be called from any thread, also while the configuration is loaded anew.
 * Nothing here yields.  Cost: one XPath evaluation a call; read at the start, not per request.
 */
#ifndef MTEV_CONF_H
#define MTEV_CONF_H

#include <mtev_defines.h>
#include <mtev_hash.h>
#include <mtev_hooks.h>
#include <mtev_log.h>

MTEV_BEGIN_DECLS

/*
 * An element of the configuration, or none.  A section held for reading outlives reloads and
 * changes: it stays as it was.  Elements whose require_env="..." does not hold are not found.
 */
typedef struct mtev_conf_section {
    void *opaque1;
    void *opaque2;
} mtev_conf_section_t;

API_EXPORT(const mtev_conf_section_t) MTEV_CONF_ROOT;  /* the root element of what is loaded now */
API_EXPORT(const mtev_conf_section_t) MTEV_CONF_EMPTY; /* none */

/*
 * Load the file path; NULL: load the current one again.
 * Returns 0; or -1 with errno after a log line "FILE:LINE: reason" for each fault, and what was
 * loaded before stays.  EDEADLK: this thread holds a section for writing.
 */
API_EXPORT(int) mtev_conf_load(const char *path);

/* Return the last element that path finds from section, or an empty section.  Release it. */
API_EXPORT(mtev_conf_section_t)
mtev_conf_get_section_read(mtev_conf_section_t section, const char *path);
API_EXPORT(void) mtev_conf_release_section_read(mtev_conf_section_t section);

/*
 * Return all elements that path finds from section, in the order of the document: an array of
 * *count sections, or NULL when there are none.  Release it.
 */
API_EXPORT(mtev_conf_section_t *)
mtev_conf_get_sections_read(mtev_conf_section_t section, const char *path, int *count);
API_EXPORT(void) mtev_conf_release_sections_read(mtev_conf_section_t *sections, int count);

/* mtev_true if section is none. */
API_EXPORT(mtev_boolean) mtev_conf_section_is_empty(mtev_conf_section_t section);

/*
 * Read the value of the attribute or element that path finds from section: when it finds several,
 * the last, which for "ancestor-or-self::node()/@port" is the deepest.  "ENV:default:{KEY}" as a
 * whole value and "{{ENV:default:{KEY}}}" anywhere in one stand for the environment variable KEY.
 * Return 1, or 0 with *out untouched when there is none, or when the value is no such number, which
 * is one log line "FILE:LINE: reason".
 */
/* *out is a copy that the caller frees with free(3). */
API_EXPORT(int)
mtev_conf_get_string(mtev_conf_section_t section, const char *path, char **out);
/* At most len bytes are written to buffer; what does not fit is cut; always NUL-terminated. */
API_EXPORT(int)
mtev_conf_get_stringbuf(mtev_conf_section_t section, const char *path, char *buffer, int len);
API_EXPORT(int)
mtev_conf_get_int32(mtev_conf_section_t section, const char *path, int32_t *out);
API_EXPORT(int)
mtev_conf_get_uint32(mtev_conf_section_t section, const char *path, uint32_t *out);
API_EXPORT(int)
mtev_conf_get_int64(mtev_conf_section_t section, const char *path, int64_t *out);
API_EXPORT(int)
mtev_conf_get_uint64(mtev_conf_section_t section, const char *path, uint64_t *out);
API_EXPORT(int)
mtev_conf_get_float(mtev_conf_section_t section, const char *path, float *out);
API_EXPORT(int)
mtev_conf_get_double(mtev_conf_section_t section, const char *path, double *out);
/* *out is mtev_true for "true" and "on" in any case, and mtev_false for every other value. */
API_EXPORT(int)
mtev_conf_get_boolean(mtev_conf_section_t section, const char *path, mtev_boolean *out);

/*
 * The keys of a <config>: a table of the child elements of the elements path (such as "config") of
 * section and of all elements around it, names and values as text.  Keys of outer elements come
 * first, then those of elements that inherit="id" names, then its own; the last of a name counts.
 * The caller owns the table: mtev_hash_destroy(table, free, free), then free(table).  A value that
 * cannot be read is logged and left out.  NULL with ENOMEM.
 */
API_EXPORT(mtev_hash_table *) mtev_conf_get_hash(mtev_conf_section_t section, const char *path);
/* The same of keys <name_space:key>, without the prefix.  NULL, too, if there are none. */
API_EXPORT(mtev_hash_table *)
mtev_conf_get_namespaced_hash(mtev_conf_section_t section, const char *path,
                              const char *name_space);

/*
 * mtev_true if the condition in the attribute (NULL: require_env) of section or of an element
 * around it does not hold: VAR (is set), VAR=text, VAR~expression of pcre2pattern(3), or with a !
 * before it the opposite.
 */
API_EXPORT(mtev_boolean)
mtev_conf_env_off(mtev_conf_section_t section, const char *attribute);

/*
 * Sections for writing, from MTEV_CONF_ROOT or from a section that is held for writing; otherwise,
 * they are as those for reading.  From the first one that a thread gets to the last one that it
 * releases it alone may write, and alone sees what it writes, which others then see as a whole.
 * Others that want to write wait; nobody yields while holding one.  From a section got for reading
 * none is had: EDEADLK, with a log line.  Cost: the first one copies the configuration, as a setter
 * without one does.
 */
API_EXPORT(mtev_conf_section_t)
mtev_conf_get_section_write(mtev_conf_section_t section, const char *path);
API_EXPORT(void) mtev_conf_release_section_write(mtev_conf_section_t section);
API_EXPORT(mtev_conf_section_t *)
mtev_conf_get_sections_write(mtev_conf_section_t section, const char *path, int *count);
API_EXPORT(void) mtev_conf_release_sections_write(mtev_conf_section_t *sections, int count);

/*
 * Set the value of what path finds last from section, which is MTEV_CONF_ROOT or held for writing.
 * What a plain path (a/b/@c) does not find is made.  Text is UTF-8 without control characters, at
 * most 64 KiB; its references stand for what they do when it is read; NULL: take it out.
 * Return 1; or 0 with errno (and, but for ENOMEM and ENOENT, a log line): ENOENT (no section),
 * EDEADLK (a section got for reading), EINVAL (path), EILSEQ, EFBIG (value) or ENOMEM.
 */
API_EXPORT(int)
mtev_conf_set_string(mtev_conf_section_t section, const char *path, const char *value);
API_EXPORT(int)
mtev_conf_set_int32(mtev_conf_section_t section, const char *path, int32_t value);
API_EXPORT(int)
mtev_conf_set_uint32(mtev_conf_section_t section, const char *path, uint32_t value);
API_EXPORT(int)
mtev_conf_set_int64(mtev_conf_section_t section, const char *path, int64_t value);
API_EXPORT(int)
mtev_conf_set_uint64(mtev_conf_section_t section, const char *path, uint64_t value);
API_EXPORT(int)
mtev_conf_set_float(mtev_conf_section_t section, const char *path, float value);
API_EXPORT(int)
mtev_conf_set_double(mtev_conf_section_t section, const char *path, double value);
API_EXPORT(int)
mtev_conf_set_boolean(mtev_conf_section_t section, const char *path, mtev_boolean value);

/*
 * Take the element section, held for writing, out of the configuration; it is still to be released.
 * Returns 1; or 0 with errno: EPERM (the root), ECANCELED (a function on the hook
 * mtev_conf_delete_section does not want it), or as mtev_conf_set_string().
 */
API_EXPORT(int) mtev_conf_remove_section(mtev_conf_section_t section);

/*
 * Write what was changed back to its files, each replaced as a whole and with its mode kept; what
 * is not changed, comments and <include>s stay, but the form of tags and blanks in them may not.
 * Returns 0; or -1 with errno and *error (of free(3); NULL without memory), or without error
 * (NULL) a log line.  EEXIST: a file was changed since it was read, and is not overwritten; ENOENT:
 * the configuration is not from a file; EDEADLK: this thread holds a section for writing; EINVAL:
 * what was changed is included twice; or as open(2), write(2) and rename(2).  Blocks on the disk.
 */
API_EXPORT(int) mtev_conf_write_file(char **error);

/* Return the text of the file itself as it is now, NUL-terminated; free(3) it.  NULL with errno. */
API_EXPORT(char *) mtev_conf_write_in_mem(size_t *len);

/*
 * Write what was changed to the journal, FILE.journal, from which a load takes it as long as FILE
 * is as it was; mtev_conf_write_file() removes it.  Returns 0, or -1 with errno after a log line.
 * Blocks on the disk: for a job, or mtev_conf_watch_and_journal_watchdog().
 */
API_EXPORT(int) mtev_conf_write_log(void *unused);
/* It may be called without an argument. */
#define mtev_conf_write_log(...) (mtev_conf_write_log)((void *)0)

/*
 * Have f (such as mtev_conf_write_log) called with closure after changes, in a job, and at the end
 * of eventer_loop().  mtev_conf_coalesce_changes(): so many seconds after the first change, so that
 * those that follow it are in one call; 5 if it is not called, 86400 at most.  f returning other
 * than 0 is called again.  After eventer_init().
 */
API_EXPORT(void)
mtev_conf_watch_and_journal_watchdog(int (*f)(void *closure), void *closure);
API_EXPORT(void) mtev_conf_coalesce_changes(uint32_t seconds);

/*
 * Enter the commands that show, change and write the configuration into the console; after
 * mtev_console_init().  See eventer_console(7).  A second call does nothing.
 */
API_EXPORT(void) mtev_console_conf_init(void);

/* The name and the version of the program (copied), at most 63 bytes; "" until they are set. */
API_EXPORT(void) mtev_set_app_name(const char *name);
API_EXPORT(const char *) mtev_get_app_name(void);
API_EXPORT(void) mtev_set_app_version(const char *version);
API_EXPORT(const char *) mtev_get_app_version(void);

/*
 * Functions of the program, as mtev_hooks.h describes them; any thread may call them.
 * value_fixup changes *value (of free(3)), that of the element or attribute called name which path
 * found from section, as it is read (set 0) or set (set 1); MTEV_HOOK_ABORT makes it a fault.
 * value_interpolate is asked what {{facility:fallback:{key}}} stands for where the library does
 * not know the facility: MTEV_HOOK_DONE with *value (of malloc(3), taken; NULL: the fallback).
 * delete_section may forbid, with MTEV_HOOK_ABORT, that the element called name is taken out.
 */
API_EXPORT(mtev_hook_return_t)
mtev_conf_value_fixup_hook_register(const char *name,
                                    mtev_hook_return_t (*func)(void *closure,
                                                               mtev_conf_section_t section,
                                                               const char *path, const char *name,
                                                               int set, char **value),
                                    void *closure);
API_EXPORT(mtev_hook_return_t)
mtev_conf_value_interpolate_hook_register(
    const char *name,
    mtev_hook_return_t (*func)(void *closure, const char *facility, const char *key,
                               const char *fallback, char **value),
    void *closure);
API_EXPORT(mtev_hook_return_t)
mtev_conf_delete_section_hook_register(const char *name,
                                       mtev_hook_return_t (*func)(void *closure,
                                                                  mtev_conf_section_t section,
                                                                  const char *name),
                                       void *closure);

MTEV_END_DECLS

#endif
