/* SPDX-License-Identifier: MIT */
/*
 * mtev_dyn_buffer.h - bytes that are gathered: on the stack first, on the heap once they are many.
 *
 * One thread at a time.  No call yields.  A buffer is some 4 KiB large, most of it bytes: too large
 * for a coroutine's stack to be saved with, where it should be allocated.
 * Where there is no memory a call says so, and the buffer is as it was.
 */
#ifndef MTEV_DYN_BUFFER_H
#define MTEV_DYN_BUFFER_H

#include <mtev_defines.h>

#include <stdarg.h>

MTEV_BEGIN_DECLS

#define MTEV_DYN_BUFFER_STATIC_SIZE 4096

typedef struct mtev_dyn_buffer {
    uint8_t *data;     /* static_buffer, or on the heap */
    uint8_t *position; /* where the next byte goes */
    size_t size;       /* of data */
    uint8_t static_buffer[MTEV_DYN_BUFFER_STATIC_SIZE];
} mtev_dyn_buffer_t;

/* Make buffer empty; it allocates nothing.  destroy gives back what it took, and can be repeated.
 */
API_EXPORT(void) mtev_dyn_buffer_init(mtev_dyn_buffer_t *buffer);
API_EXPORT(void) mtev_dyn_buffer_destroy(mtev_dyn_buffer_t *buffer);

/* Forget what is in it, and keep the memory. */
API_EXPORT(void) mtev_dyn_buffer_reset(mtev_dyn_buffer_t *buffer);

/* Append len bytes.  Returns 0, or -1 with ENOMEM. */
API_EXPORT(int) mtev_dyn_buffer_add(mtev_dyn_buffer_t *buffer, const void *bytes, size_t len);

/*
 * Append as printf(3), and a NUL behind it, which is not counted as used.  Returns how many bytes
 * were appended, or -1 with ENOMEM, EINVAL or EILSEQ.  maybe: only if it fits without allocating;
 * returns how many bytes it is (with its NUL it must be no more than what is free) in any case.
 */
API_EXPORT(int)
mtev_dyn_buffer_add_printf(mtev_dyn_buffer_t *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
API_EXPORT(int)
mtev_dyn_buffer_add_vprintf(mtev_dyn_buffer_t *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
API_EXPORT(int)
mtev_dyn_buffer_maybe_add_vprintf(mtev_dyn_buffer_t *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Have room for len more bytes behind what is used.  Returns 0, or -1 with ENOMEM. */
API_EXPORT(int) mtev_dyn_buffer_ensure(mtev_dyn_buffer_t *buffer, size_t len);

/* Where to write up to size - used bytes; and count len of them, which were written, as used. */
API_EXPORT(uint8_t *) mtev_dyn_buffer_write_pointer(mtev_dyn_buffer_t *buffer);
API_EXPORT(void) mtev_dyn_buffer_advance(mtev_dyn_buffer_t *buffer, size_t len);

/* The bytes (borrowed until the next call that adds), how many there are, and how many fit. */
API_EXPORT(uint8_t *) mtev_dyn_buffer_data(mtev_dyn_buffer_t *buffer);
API_EXPORT(size_t) mtev_dyn_buffer_used(mtev_dyn_buffer_t *buffer);
API_EXPORT(size_t) mtev_dyn_buffer_size(mtev_dyn_buffer_t *buffer);

MTEV_END_DECLS

#endif
