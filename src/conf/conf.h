/* SPDX-License-Identifier: MIT */
/*
 * conf.h - what higher layers may ask of the configuration beyond mtev_conf.h.
 *
 * Layer: conf.  Any thread, also while the configuration is loaded anew; never yields.
 *
 * One document is current.  A section holds a share of the document that it is from, so a reload
 * swaps the current one and the old one goes with the last section that is released.
 * Wherever a function says "logged" it said one line "FILE:LINE: reason" on mtev_error.
 */
#ifndef EVENTER_CONF_CONF_H
#define EVENTER_CONF_CONF_H

#include "mtev_conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_BYTES_MAX         4194304 /* of a configuration: the file with all that it includes */
#define CONF_INCLUDES_MAX      256     /* files that it includes */
#define CONF_INCLUDE_DEPTH_MAX 8       /* files that are in each other, beside the first */
#define CONF_INHERIT_DEPTH_MAX 8       /* elements that inherit="..." from each other */
#define CONF_PATH_MAX          255     /* bytes of a path given to conf_each_child() */
#define CONF_CHILDREN_MAX      1024    /* different keys in one <config>, merged */
#define CONF_NAME_MAX          63      /* bytes of the name of a program, and of its version */

/* Mark a literal as an attribute, or as a key of <config>, for tools/keys.py. */
#define CONF_ATTRIBUTE(name) name
#define CONF_KEY(name)       name

/* Whom faults are told: with the file, the line (0: none) and the reason, for the call only. */
struct conf_faults {
    void (*tell)(void *closure, const char *file, long line, const char *what);
    void *closure;
};

/*
 * The elements called name (a literal) directly under the root element, or there in an <include>:
 * the block that a part of a program is configured by.  For paths, as CONF_BLOCK("logs") "//log".
 */
#define CONF_BLOCK(name) "/*//" name "[count(ancestor::*[not(self::include)]) = 1]"

/*
 * Load the file path (NUL-terminated; NULL: the current one again, a built-in text as it was).
 * Returns 0; or, logged, -EINVAL (not what it should be), -EFBIG, -ENOMEM, -EDEADLK (this thread
 * holds a section for writing) or as open(2) and read(2).  On failure, also when a reload has
 * another root element, what was current stays.
 */
int conf_load(const char *path);

/*
 * As conf_load(NULL), and then have follow do what is new; returns what it returns.  Where that is
 * not 0 what was loaded before is current again, unless somebody has changed the new one already.
 */
int conf_load_again(int (*follow)(void));

/*
 * How the process follows a configuration that has changed, for parts below that which knows: fn
 * (NULL: nobody) is what conf_reload() calls and returns; without it that is conf_load(NULL).
 */
void conf_set_reload(int (*fn)(void));
int conf_reload(void);

/* As conf_load() for the NUL-terminated text, which errors call name.  Both are copied. */
int conf_load_text(const char *name, const char *text);

/* Make what include_read_file() gave (of which a share is taken) what is loaded. */
struct xml_doc;
void conf_publish(struct xml_doc *doc);

/*
 * Have fn called behind every change that was made by mtev_conf_set_*() and its like, in the thread
 * that made it; NULL: nobody.
 */
void conf_at_change(void (*fn)(void));

/* Forget what is loaded.  Sections that are held live on. */
void conf_unload(void);

/*
 * Copy the name of the root element; the caller owns it.  0, -ENOENT (nothing loaded) or -ENOMEM.
 */
int conf_root_name(char **out);

/*
 * The name of the program: set (copied) before threads start; "" until then.  0 or -ENAMETOOLONG.
 */
int conf_set_app_name(const char *name);
const char *conf_app_name(void);

/*
 * Is what a key or an attribute of that name holds not to be shown to anybody?  Keys, passwords,
 * passphrases, secrets and tokens are, by their names; names of files are not.
 */
bool conf_is_secret(const char *name);

/*
 * Log "FILE:LINE: ..." for section (no newline in format); conf_error_at() for a line in its file.
 */
void conf_error(mtev_conf_section_t section, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void conf_error_at(mtev_conf_section_t section, long line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Read the value that path finds from section, as mtev_conf_get_string() does.
 * Each returns 0; -ENOENT if there is none; or, logged, -EINVAL or -ENOMEM.
 */
int conf_get_text(mtev_conf_section_t section, const char *path, char **out); /* caller owns it */
int conf_get_int(mtev_conf_section_t section, const char *path, int64_t min, int64_t max,
                 int64_t *out);
int conf_get_bool(mtev_conf_section_t section, const char *path, bool *out); /* true|on|false|off */

/* conf_get_text() for people's eyes: what conf_is_secret() is "...". */
int conf_get_shown(mtev_conf_section_t section, const char *path, char **out);

/*
 * Call fn for each attribute of section itself whose name begins with prefix; what it gets is for
 * the call only.  fn returning other than 0 ends it.  Returns 0, what fn returned, or, logged,
 * -EINVAL or -ENOMEM.
 */
int conf_each_attribute(mtev_conf_section_t section, const char *prefix,
                        int (*fn)(void *closure, const char *name, const char *value),
                        void *closure);

/*
 * Log, for the value that path finds from section, "FILE:LINE: <element> name="value": ...": for
 * what only the caller can know to be wrong.  A secret is shown as "...".
 */
void conf_value_error(mtev_conf_section_t section, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Call fn for each key of the elements path (such as "config") of section and of all its ancestors:
 * their child elements, and those of what is included in them; before them those of the elements
 * that inherit="id" names.  Of several keys with one name the last, so the deepest, counts.  What
 * fn gets is for the call only; key is the element itself.  fn returning other than 0 ends it.
 * Returns 0, what fn returned, -ENOSPC (more than CONF_CHILDREN_MAX), -ENAMETOOLONG (path), -EINVAL
 * or -ENOMEM; these are logged, and fn was not called.
 */
int conf_each_key(mtev_conf_section_t section, const char *path,
                  int (*fn)(void *closure, mtev_conf_section_t key, const char *name,
                            const char *value),
                  void *closure);

/* The same with the line of the key in its file, for who needs no more. */
int conf_each_child(mtev_conf_section_t section, const char *path,
                    int (*fn)(void *closure, const char *name, const char *value, long line),
                    void *closure);

/* Set up the streams of <logs>.  Returns 0, or -EINVAL after one logged line per fault. */
int conf_apply_logs(void);

#endif
