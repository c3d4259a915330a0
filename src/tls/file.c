/* SPDX-License-Identifier: MIT */
/*
 * file.c - files of certificates and keys: read whole, and looked at for changes.
 */
#include "base/alloc.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool tls_is_text(const char *name)
{
    return strchr(name, '\n') != NULL;
}

static struct tls_stamp stamp_of(const struct stat *st)
{
    struct tls_stamp stamp;
    memset(&stamp, 0, sizeof(stamp));
    stamp.device = st->st_dev;
    stamp.inode = st->st_ino;
    stamp.size = st->st_size;
    stamp.modified = st->st_mtim;
    stamp.changed = st->st_ctim;
    return stamp;
}

void tls_stamp_take(const char *name, struct tls_stamp *out)
{
    struct stat st;
    memset(out, 0, sizeof(*out));
    if (!tls_is_text(name) && stat(name, &st) == 0)
        *out = stamp_of(&st);
}

bool tls_stamp_is_same(const struct tls_stamp *a, const struct tls_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Read what fd has, to its end.  0 or -errno. */
static int read_all(int fd, struct tls_file *file)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    if (st.st_size > TLS_FILE_BYTES_MAX)
        return -EFBIG;
    file->stamp = stamp_of(&st);
    const size_t size = (size_t)st.st_size;
    file->bytes = alloc_bytes(size + 1);
    if (file->bytes == NULL)
        return -ENOMEM;
    while (file->len < size) {
        ssize_t count = read(fd, file->bytes + file->len, size - file->len);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            break;
        file->len += (size_t)count;
    }
    file->bytes[file->len] = '\0';
    return 0;
}

int tls_file_read(const char *name, struct tls_file *out, char reason[static TLS_REASON_SIZE])
{
    *out = (struct tls_file){.name = name};
    int err = 0;
    if (tls_is_text(name)) {
        out->name = "the text in the configuration";
        out->len = strlen(name);
        out->bytes = alloc_text(name);
        err = out->bytes == NULL ? -ENOMEM : 0;
    } else {
        int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        err = fd < 0 ? -errno : read_all(fd, out);
        if (fd >= 0)
            close(fd);
    }
    if (err == 0)
        return 0;
    tls_file_free(out);
    snprintf(reason, TLS_REASON_SIZE, "%s: it cannot be read: %s", name,
             err == -EINVAL ? "it is no file" : strerror(-err));
    return err;
}

void tls_file_free(struct tls_file *file)
{
    if (file->bytes != NULL)
        OPENSSL_cleanse(file->bytes, file->len);
    alloc_free(file->bytes);
    file->bytes = NULL;
    file->len = 0;
}
