/* SPDX-License-Identifier: MIT */
#include "command/new.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES_MAX 65536 /* of a file */

static const struct template
{
    const char *source, *text;
}
templates[] = {
#include "new_templates.h"
};

/* Where each of them goes, below the folder; NAME is the name of the service. */
static const struct file {
    const char *source, *target;
    mode_t mode;
} files[] = {
    {"service.c", "NAME.c", 0644},
    {"service.conf", "NAME.conf", 0644},
    {"service.unit", "NAME.service", 0644},
    {"Makefile", "Makefile", 0644},
    {"run", "tests/run", 0755},
    {"README.md", "README.md", 0644},
};

/* ---- names ----------------------------------------------------------------------- */

/* What is wrong with the name of a service, or NULL. */
static const char *fault_of(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz", more[] = "0123456789-";
    static const char *const taken[] = {"clean",    "console", "eventer", "include", "install",
                                        "makefile", "run",     "test",    "tests"};
    char all[sizeof(letters) + sizeof(more)];
    snprintf(all, sizeof(all), "%s%s", letters, more);
    if (name[0] == '\0')
        return "it is empty";
    if (strlen(name) > NEW_NAME_MAX)
        return "it has more than 31 bytes";
    if (strchr(letters, name[0]) == NULL)
        return "it does not begin with a small letter";
    if (name[strspn(name, all)] != '\0')
        return "it has more in it than small letters, digits and dashes";
    if (strncmp(name, "xml", 3) == 0)
        return "no element of XML may begin so";
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(name, taken[i]) == 0)
            return "it means something else to the service or its Makefile";
    return NULL;
}

/* The name as that of an environment variable: "my-service" is MY_SERVICE. */
static void variable_of(const char *name, char variable[static NEW_NAME_MAX + 1])
{
    size_t i = 0;
    for (; name[i] != '\0'; i++) {
        char c = name[i];
        variable[i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    variable[i] = '\0';
}

/* ---- files ----------------------------------------------------------------------- */

static const char *text_of(const char *source)
{
    size_t i = 0;
    while (strcmp(templates[i].source, source) != 0)
        i++;
    return templates[i].text;
}

/* Append text, with name and variable where they belong.  0 or as buf_append(). */
static int fill_in(const char *text, const char *name, const char *variable, struct buf *out)
{
    int err = 0;
    while (*text != '\0' && err == 0) {
        bool is_name = strncmp(text, "@NAME@", 6) == 0,
             is_variable = strncmp(text, "@ENV@", 5) == 0;
        const char *piece = is_name ? name : is_variable ? variable : text;
        err = buf_append(out, piece, is_name || is_variable ? strlen(piece) : 1);
        text += is_name ? 6 : is_variable ? 5 : 1;
    }
    return err;
}

static int write_file(int folder, const char *path, mode_t mode, const struct buf *text)
{
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int err = 0;
    for (size_t done = 0; done < text->len && err == 0;) {
        ssize_t count = write(fd, text->bytes + done, text->len - done);
        if (count < 0)
            err = -errno;
        else
            done += (size_t)count;
    }
    return close(fd) != 0 && err == 0 ? -errno : err;
}

/* Make one file; its path goes to path for messages.  0 or -errno. */
static int make_file(int folder, const struct file *file, const char *name, char path[static 64])
{
    char variable[NEW_NAME_MAX + 1];
    struct buf text;
    bool is_named = strncmp(file->target, "NAME", 4) == 0;
    snprintf(path, 64, "%s%s", is_named ? name : "", file->target + (is_named ? 4 : 0));
    variable_of(name, variable);
    buf_init(&text, TEXT_BYTES_MAX);
    int err = fill_in(text_of(file->source), name, variable, &text);
    if (err == 0)
        err = write_file(folder, path, file->mode, &text);
    buf_free(&text);
    return err;
}

static int complain(const char *name, const char *path, int err)
{
    fprintf(stderr, "eventer new: %s%s%s: %s\n", name, path[0] == '\0' ? "" : "/", path,
            strerror(-err));
    return 2;
}

static int make_service(const char *name)
{
    char path[64] = "";
    if (mkdir(name, 0777) != 0)
        return complain(name, path, -errno);
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = folder < 0 || mkdirat(folder, "tests", 0777) != 0 ? -errno : 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && err == 0; i++)
        err = make_file(folder, &files[i], name, path);
    if (folder >= 0)
        close(folder);
    if (err != 0)
        return complain(name, path, err);
    printf("made the service %s: cd %s && make test\n", name, name);
    return fflush(stdout) == 0 ? 0 : 2;
}

int new_main(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: eventer new NAME\n");
        return 2;
    }
    const char *fault = fault_of(argv[1]);
    if (fault != NULL) {
        fprintf(stderr, "eventer new: \"%s\" is no name for a service: %s\n", argv[1], fault);
        return 2;
    }
    return make_service(argv[1]);
}
