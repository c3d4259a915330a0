/* SPDX-License-Identifier: MIT */
/*
 * mtev_str.h - text and bytes: copies that are cut, searches that know where to end.
 *
 * Any thread; no call yields.
 */
#ifndef MTEV_STR_H
#define MTEV_STR_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/*
 * Copy from to to, or append it there, in at most size bytes with the NUL.  Returns how long the
 * text would be without that limit: size or more says that it was cut.
 */
API_EXPORT(size_t) mtev_strlcpy(char *to, const char *from, size_t size);
API_EXPORT(size_t) mtev_strlcat(char *to, const char *from, size_t size);
#if !defined(strlcpy) && !(defined(__GLIBC__) && __GLIBC_PREREQ(2, 38))
#define strlcpy mtev_strlcpy
#define strlcat mtev_strlcat
#endif

/*
 * Return where the needle is first found in the haystack (borrowed from there), or NULL.  Lengths
 * are in bytes; a needle of none is found at the beginning.
 */
API_EXPORT(const char *)
mtev_strnstrn(const char *needle, int needle_len, const char *haystack, int haystack_len);
#ifndef strnstrn
#define strnstrn mtev_strnstrn
#endif
API_EXPORT(void *)
mtev_memmem(const void *haystack, size_t haystack_len, const void *needle, size_t needle_len);

/* Return a copy of the first len bytes of text, or all of it, that ends with free(3); or NULL. */
API_EXPORT(char *) mtev_strndup(const char *text, size_t len);

MTEV_END_DECLS

#endif
