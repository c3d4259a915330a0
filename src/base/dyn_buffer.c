/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <errno.h>
#include <mtev_dyn_buffer.h>
#include <stdio.h>
#include <string.h>

void mtev_dyn_buffer_init(mtev_dyn_buffer_t *buffer)
{
    buffer->data = buffer->position = buffer->static_buffer;
    buffer->size = sizeof(buffer->static_buffer);
}

void mtev_dyn_buffer_destroy(mtev_dyn_buffer_t *buffer)
{
    if (buffer->data != buffer->static_buffer)
        alloc_free(buffer->data);
    mtev_dyn_buffer_init(buffer);
}

void mtev_dyn_buffer_reset(mtev_dyn_buffer_t *buffer)
{
    buffer->position = buffer->data;
}

size_t mtev_dyn_buffer_used(mtev_dyn_buffer_t *buffer)
{
    return (size_t)(buffer->position - buffer->data);
}

size_t mtev_dyn_buffer_size(mtev_dyn_buffer_t *buffer)
{
    return buffer->size;
}

uint8_t *mtev_dyn_buffer_data(mtev_dyn_buffer_t *buffer)
{
    return buffer->data;
}

uint8_t *mtev_dyn_buffer_write_pointer(mtev_dyn_buffer_t *buffer)
{
    return buffer->position;
}

void mtev_dyn_buffer_advance(mtev_dyn_buffer_t *buffer, size_t len)
{
    size_t room = buffer->size - mtev_dyn_buffer_used(buffer);
    buffer->position += len < room ? len : room;
}

int mtev_dyn_buffer_ensure(mtev_dyn_buffer_t *buffer, size_t len)
{
    size_t used = mtev_dyn_buffer_used(buffer), size = buffer->size;
    if (len <= size - used)
        return 0;
    if (len > SIZE_MAX / 2 - used) {
        errno = ENOMEM;
        return -1;
    }
    while (size < used + len)
        size *= 2;
    bool is_static = buffer->data == buffer->static_buffer;
    uint8_t *data = alloc_resize(is_static ? NULL : buffer->data, size);
    if (data == NULL)
        return -1;
    if (is_static)
        memcpy(data, buffer->static_buffer, used);
    buffer->data = data;
    buffer->position = data + used;
    buffer->size = size;
    return 0;
}

int mtev_dyn_buffer_add(mtev_dyn_buffer_t *buffer, const void *bytes, size_t len)
{
    if (mtev_dyn_buffer_ensure(buffer, len) != 0)
        return -1;
    if (len > 0)
        memcpy(buffer->position, bytes, len);
    buffer->position += len;
    return 0;
}

int mtev_dyn_buffer_maybe_add_vprintf(mtev_dyn_buffer_t *buffer, const char *format, va_list args)
{
    size_t room = buffer->size - mtev_dyn_buffer_used(buffer);
    int len = vsnprintf((char *)buffer->position, room, format, args);
    if (len >= 0 && (size_t)len < room)
        buffer->position += len;
    return len;
}

int mtev_dyn_buffer_add_vprintf(mtev_dyn_buffer_t *buffer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = buffer->size - mtev_dyn_buffer_used(buffer);
    int len = mtev_dyn_buffer_maybe_add_vprintf(buffer, format, args);
    if (len >= 0 && (size_t)len >= room)
        len = mtev_dyn_buffer_ensure(buffer, (size_t)len + 1) != 0
                  ? -1
                  : mtev_dyn_buffer_maybe_add_vprintf(buffer, format, again);
    va_end(again);
    return len;
}

int mtev_dyn_buffer_add_printf(mtev_dyn_buffer_t *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = mtev_dyn_buffer_add_vprintf(buffer, format, args);
    va_end(args);
    return len;
}
