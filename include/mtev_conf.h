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
#include <mtev_log.h>

MTEV_BEGIN_DECLS

/*
 * An element of the configuration, or none.  A held section outlives a reload: it stays as it was.
 */
typedef struct mtev_conf_section {
    void *opaque1;
    void *opaque2;
} mtev_conf_section_t;

API_EXPORT(const mtev_conf_section_t) MTEV_CONF_ROOT;  /* the root element of what is loaded now */
API_EXPORT(const mtev_conf_section_t) MTEV_CONF_EMPTY; /* none */

/*
 * Load the file path; NULL: load the current one again.
 * Returns 0; or -1 after one log line "FILE:LINE: reason", and what was loaded before stays.
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

MTEV_END_DECLS

#endif
