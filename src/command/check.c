/* SPDX-License-Identifier: MIT */
/*
 * check.c - `eventer check`: the file is read as a program would, then every element is held
 * against the tables (check_walk.c), then what has code that can judge without starting is asked.
 */
#include "command/check_impl.h"

#include "base/alloc.h"
#include "command/schema.h"
#include "conf/env.h"
#include "conf/include.h"
#include "conf/value.h"
#include "listener/listener.h"
#include "rest/rest.h"

#include <errno.h>
#include <fcntl.h>
#include <mtev_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define USAGE "eventer check [-n NAME] FILE"

#define TEXT_SIZE       1024 /* bytes of a fault, with its NUL; what is longer is cut */
#define EXCERPT_LEN_MAX 100  /* bytes of a value that are shown */

/* ---- telling --------------------------------------------------------------------- */

bool check_was_told(const struct check *check, const char *file, long line)
{
    for (const struct told *told = check->told; told != NULL; told = told->next)
        if (told->line == line && strcmp(told->file, file) == 0)
            return true;
    return false;
}

void check_tell(struct check *check, const char *file, long line, const char *what)
{
    size_t size = strlen(file) + 1;
    struct told *told = alloc_bytes(sizeof(*told) + size);
    if (told != NULL) { /* without memory the same line may be told twice */
        told->next = check->told;
        told->line = line;
        memcpy(told->file, file, size);
        check->told = told;
    }
    check->faults++;
    if (line > 0)
        fprintf(stderr, "%s:%ld: %s\n", file, line, what);
    else
        fprintf(stderr, "%s: %s\n", file, what);
}

void check_fault(struct check *check, struct xml_node *element, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    check_tell(check, xml_file(check->doc, element), xml_line(element), text);
}

void check_note(struct check *check, struct xml_node *element, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "%s:%ld: note: %s\n", xml_file(check->doc, element), xml_line(element), text);
}

void check_value_fault(struct check *check, struct xml_node *key, const char *value,
                       const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    bool is_element = xml_is_element(key);
    value = conf_is_secret(xml_node_name(key)) ? "..." : value;
    value += strspn(value, " \t\r\n");
    size_t len = strcspn(value, "\r\n");
    check_fault(check, key, "<%s> %s%s\"%.*s\": %s", xml_node_name(xml_element(key)),
                is_element ? "" : xml_node_name(key), is_element ? "" : "=",
                (int)(len < EXCERPT_LEN_MAX ? len : EXCERPT_LEN_MAX), value, text);
}

/* ---- asking ---------------------------------------------------------------------- */

char *check_attribute(struct check *check, struct xml_node *element, const char *name)
{
    char reason[VALUE_REASON_SIZE];
    char *raw = NULL, *value = NULL;
    struct xml_node *attribute = xml_attribute(element, name);
    if (attribute == NULL || xml_text(check->doc, attribute, &raw) != 0)
        return NULL;
    if (value_interpolate(raw, &value, reason) != 0)
        value = NULL;
    alloc_free(raw);
    return value;
}

struct xml_node *check_find_inherited(struct xml_node *element, const char *name)
{
    while (element != NULL && xml_attribute(element, name) == NULL)
        element = xml_parent(element);
    return element == NULL ? NULL : xml_attribute(element, name);
}

bool check_inherits(struct check *check, struct xml_node *element, const char *name)
{
    (void)check;
    return check_find_inherited(element, name) != NULL;
}

char *check_inherited(struct check *check, struct xml_node *element, const char *name)
{
    struct xml_node *attribute = check_find_inherited(element, name);
    return attribute == NULL ? NULL : check_attribute(check, xml_element(attribute), name);
}

void check_relative(struct check *check, struct xml_node *node, const char *path)
{
    if (path[0] != '/' && xml_attribute(xml_root(check->doc), "workingdir") == NULL)
        check_note(check, node,
                   "\"%.*s\" is looked for in this folder; there is no workingdir, and a process "
                   "with a monitor looks in /",
                   EXCERPT_LEN_MAX, path);
}

/* ---- one file -------------------------------------------------------------------- */

static void on_fault(void *closure, const char *file, long line, const char *what)
{
    check_tell(closure, file, line, what);
}

/* Tell what was logged to fd as "FILE:LINE: reason" about lines that nothing was told of. */
static void tell_logged(struct check *check, int fd)
{
    FILE *lines = fdopen(fd, "r");
    char line[TEXT_SIZE];
    if (lines == NULL)
        return;
    rewind(lines);
    while (fgets(line, sizeof(line), lines) != NULL) {
        char *end = NULL;
        char *colon = strstr(line, ": ");
        line[strcspn(line, "\n")] = '\0';
        if (colon == NULL)
            continue;
        *colon = '\0';
        char *number = strrchr(line, ':');
        long at = number == NULL ? 0 : strtol(number + 1, &end, 10);
        if (number == NULL || *end != '\0' || at <= 0)
            continue; /* of no line */
        *number = '\0';
        if (!check_was_told(check, line, at))
            check_tell(check, line, at, colon + 2);
    }
    fclose(lines);
}

/* Have the code that reads a part say what it thinks of what is loaded. */
static void ask(struct check *check, int (*part)(void))
{
    int fd = memfd_create("faults", MFD_CLOEXEC);
    int copy = fd < 0 ? -1 : dup(fd);
    if (copy < 0 || mtev_log_stream_new_on_fd("error", copy, NULL) == NULL) {
        check_tell(check, check->path, 0, strerrordesc_np(errno));
        return;
    }
    (void)part();
    tell_logged(check, fd);
}

/* Go where the program works, because of relative paths.  Returns where we were, or -1. */
static int enter_folder(struct check *check)
{
    struct xml_node *root = xml_root(check->doc);
    char *folder = check_attribute(check, root, "workingdir");
    int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder != NULL && chdir(folder) != 0)
        check_value_fault(check, xml_attribute(root, "workingdir"), folder, "%s",
                          strerrordesc_np(errno));
    alloc_free(folder);
    return before;
}

static void leave_folder(int before)
{
    if (before >= 0 && fchdir(before) == 0)
        close(before);
}

static void check_document(struct check *check, bool is_whole)
{
    int before = enter_folder(check);
    check_elements(check);
    check_references(check);
    conf_publish(check->doc);
    if (is_whole)
        ask(check, rest_acl_load);
    if (is_whole && check->faults == 0)
        ask(check, listener_check);
    conf_unload();
    leave_folder(before);
}

static void check_name(struct check *check, const char *name)
{
    struct xml_node *root = xml_root(check->doc);
    if (name != NULL && strcmp(xml_node_name(root), name) != 0)
        check_fault(check, root, "the root element is <%s>, not <%s>", xml_node_name(root), name);
}

void check_end(struct check *check)
{
    xml_release(check->doc);
    check->doc = NULL;
    while (check->told != NULL) {
        struct told *told = check->told;
        check->told = told->next;
        alloc_free(told);
    }
}

/* Returns how many faults there are. */
static size_t check_file(const char *path, const char *name)
{
    struct check check = {.path = path};
    const struct conf_faults faults = {.tell = on_fault, .closure = &check};
    include_read_file(path, path, NULL, &faults, &check.doc);
    bool is_whole = check.faults == 0;
    if (check.doc != NULL) {
        check_name(&check, name);
        check_document(&check, is_whole);
    }
    if (check.faults == 0)
        schema_check(&check, check.doc);
    check_end(&check);
    return check.faults;
}

static int complain(const char *what)
{
    fprintf(stderr, "eventer check: %s (usage: " USAGE ")\n", what);
    return 2;
}

int check_main(int argc, char **argv)
{
    const char *name = NULL;
    int option;
    opterr = 0;
    while ((option = getopt(argc, argv, "+:n:")) != -1) {
        if (option == ':')
            return complain("no name for -n");
        if (option != 'n')
            return complain("unknown option");
        name = optarg;
    }
    if (optind + 1 != argc)
        return complain(optind == argc ? "no file was named" : "more than one file was named");
    return check_file(argv[optind], name) == 0 ? 0 : 2;
}
