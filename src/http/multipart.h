/* SPDX-License-Identifier: MIT */
/*
 * multipart.h - a body of multipart/form-data, part by part as its bytes come.
 *
 * Layer: http.  Not thread safe.  Cost: some 1 ns a byte of data that has few CRs, and 4.3 KiB a
 * body. Source: RFC 7578, RFC 2046 section 5.1, RFC 8187 section 3.2 (filename*).
 *
 * What is called, and what the verdict is, does not depend on how the bytes are cut, but for how
 * many calls of data() a part's bytes come in.  Stricter than RFC 2046: a line that begins with the
 * boundary and goes on otherwise than with "--" or blanks is malformed, as is a line of a part's
 * head that is folded or ends without CR.
 */
#ifndef EVENTER_HTTP_MULTIPART_H
#define EVENTER_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#define MULTIPART_BOUNDARY_MAX 70   /* RFC 2046 section 5.1.1 */
#define MULTIPART_HEAD_MAX     4096 /* bytes of a part's head, with all its CRLFs */
#define MULTIPART_PARTS_MAX    1024

struct multipart_part {   /* NUL-terminated texts, borrowed until begin() returns */
    const char *name;     /* of the form's field; may be "" */
    const char *filename; /* NULL: it is no file.  Never to be used as a path */
    const char *type;     /* Content-Type, "text/plain" if the part has none */
};

/* Each returns 0, or what multipart_feed() is to return; then nothing more is called. */
struct multipart_calls {
    int (*begin)(void *closure, const struct multipart_part *part);
    int (*data)(void *closure, const char *bytes, size_t len); /* len > 0; borrowed for the call */
    int (*end)(void *closure);
};

struct multipart;

/* True if the len bytes at type, a Content-Type, say that a body is such a form. */
bool multipart_is_type(const char *type, size_t len);

/*
 * Make a parser of a body with that Content-Type, which calls calls (borrowed until it is freed)
 * with closure.  The caller owns it.  Returns 0, -EINVAL (400: it is of another type, or has no
 * boundary or one that is not as RFC 2046 wants it), or -ENOMEM.
 */
int multipart_new(const char *type, size_t len, const struct multipart_calls *calls, void *closure,
                  struct multipart **out);

/* NULL is a no-op. */
void multipart_free(struct multipart *multipart);

/*
 * Take the next len bytes.  Returns 0, -EBADMSG (400: malformed, or a part without a name),
 * -E2BIG (413: a head or a number of parts over the limit), or what a call returned; nothing may be
 * fed after that.  May do what the calls do.
 */
int multipart_feed(struct multipart *multipart, const char *bytes, size_t len);

/* After the last byte: 0, or -ENODATA (400): the closing boundary is missing. */
int multipart_finish(const struct multipart *multipart);

#endif
