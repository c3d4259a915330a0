/* SPDX-License-Identifier: MIT */
#include "conf/include.h"

#include "base/alloc.h"
#include "conf/env.h"
#include "conf/file.h"
#include "conf/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAULT_SIZE 512 /* bytes of a fault, with its NUL; what is longer is cut */

struct reading {
    const struct journal *journal;
    const struct conf_faults *faults;
    struct xml_doc *doc;
    size_t bytes;    /* of all files so far */
    size_t includes; /* files beside the first */
    int result;
};

struct place { /* of an included file */
    struct xml_node *include;
    char *name; /* owned: what it is called in messages */
    char *path; /* owned: how it is opened */
};

static void __attribute__((format(printf, 4, 5)))
fault_at(struct reading *r, const char *file, long line, const char *format, ...)
{
    char text[FAULT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    r->faults->tell(r->faults->closure, file, line, text);
    r->result = r->result == 0 ? -EINVAL : r->result;
}

#define fault(r, node, ...) fault_at((r), xml_file((r)->doc, (node)), xml_line(node), __VA_ARGS__)

static void no_memory(struct reading *r, const char *file)
{
    fault_at(r, file, 0, "cannot be read: %s", strerrordesc_np(ENOMEM));
    r->result = -ENOMEM;
}

/* ---- one file -------------------------------------------------------------------- */

static void too_long(struct reading *r, const char *name)
{
    fault_at(r, name, 0, "longer than %d bytes%s", CONF_BYTES_MAX,
             r->includes > 0 ? " with all that is included before it" : "");
    r->result = r->includes > 0 ? -EINVAL : -EFBIG;
}

/* Parse one file; tells what is wrong with it.  Returns the document, or NULL. */
static struct xml_doc *parse(struct reading *r, const char *name, const char *bytes, size_t len,
                             bool is_snippet)
{
    struct xml_error error;
    struct xml_doc *doc = NULL;
    if (len > CONF_BYTES_MAX - r->bytes) {
        too_long(r, name);
        return NULL;
    }
    int err = is_snippet ? xml_parse_snippet(name, bytes, len, &doc, &error)
                         : xml_parse(name, bytes, len, &doc, &error);
    if (err == -EINVAL)
        fault_at(r, name, error.line, "%s", error.reason);
    else if (err != 0)
        no_memory(r, name);
    if (err != 0)
        return NULL;
    r->bytes += len;
    return doc;
}

/* What the journal has for a file that holds text, if that is what it is for; or NULL. */
static const struct journal_entry *find_newer(struct reading *r, const char *path,
                                              const struct buf *text, uint64_t digest)
{
    const struct journal_entry *entry = journal_find(r->journal, path);
    if (entry == NULL || entry->digest == digest)
        return entry;
    bool is_written = entry->len == text->len && memcmp(entry->text, text->bytes, text->len) == 0;
    if (!is_written)
        mtevL(mtev_error, "%s: it was changed after its journal was written, which is not used\n",
              path);
    return NULL;
}

/* Parse what a file holds, or what the journal has for it. */
static struct xml_doc *parse_newest(struct reading *r, const char *name, const char *path,
                                    const struct buf *text, bool is_snippet)
{
    uint64_t digest = journal_digest(text->bytes, text->len);
    const struct journal_entry *newer = find_newer(r, path, text, digest);
    struct xml_doc *doc = newer == NULL ? parse(r, name, text->bytes, text->len, is_snippet)
                                        : parse(r, name, newer->text, newer->len, is_snippet);
    if (doc == NULL)
        return NULL;
    xml_origin(doc)->digest = digest;
    xml_origin(doc)->is_changed = newer != NULL;
    xml_origin(doc)->is_kept = newer != NULL;
    return doc;
}

/* Read and parse the file path; as parse(). */
static struct xml_doc *read_one(struct reading *r, const char *name, const char *path,
                                bool is_include, bool is_snippet)
{
    struct stat stat;
    struct buf text;
    struct xml_doc *doc = NULL;
    buf_init(&text, (size_t)CONF_BYTES_MAX * 2);
    int err = file_read(path, CONF_BYTES_MAX - r->bytes, is_include, &text, &stat);
    if (err == 0)
        doc = parse_newest(r, name, path, &text, is_snippet);
    else if (err == -EFBIG)
        too_long(r, name);
    else if (err == -EINVAL && is_include)
        fault_at(r, name, 0, "cannot be read: it is no regular file");
    else
        fault_at(r, name, 0, "cannot be read: %s", strerrordesc_np(-err));
    if (err != 0 && err != -EFBIG && !is_include)
        r->result = err;
    buf_free(&text);
    if (doc == NULL)
        return NULL;
    struct xml_origin *origin = xml_origin(doc);
    origin->device = stat.st_dev;
    origin->inode = stat.st_ino;
    origin->path = alloc_text(path);
    if (origin->path == NULL) {
        no_memory(r, name);
        xml_release(doc);
        return NULL;
    }
    return doc;
}

/* ---- what is included ------------------------------------------------------------ */

/* The file that node is in. */
static struct xml_doc *file_of(struct reading *r, struct xml_node *node)
{
    const struct xml_node *include = xml_include_of(node);
    return include == NULL ? r->doc : xml_part(include);
}

static bool is_same_file(struct xml_doc *a, struct xml_doc *b)
{
    const struct xml_origin *one = xml_origin(a), *other = xml_origin(b);
    return one->path != NULL && other->path != NULL && one->device == other->device &&
           one->inode == other->inode;
}

/* Is part one of the files that include is in? */
static bool includes_itself(struct reading *r, struct xml_node *include, struct xml_doc *part)
{
    for (; include != NULL; include = xml_include_of(include))
        if (is_same_file(file_of(r, include), part))
            return true;
    return false;
}

static size_t depth_of(struct xml_node *include)
{
    size_t depth = 0;
    for (; include != NULL; include = xml_include_of(include))
        depth++;
    return depth;
}

/* Read the value of an attribute: *out is NULL where it is missing.  False after a fault. */
static bool read_attribute(struct reading *r, struct xml_node *node, const char *name, char **out)
{
    char reason[VALUE_REASON_SIZE];
    char *raw = NULL;
    struct xml_node *attribute = xml_attribute(node, name);
    *out = NULL;
    if (attribute == NULL)
        return true;
    int err = xml_text(r->doc, attribute, &raw);
    if (err == 0)
        err = value_interpolate(raw, out, reason);
    if (err == -ENOMEM)
        no_memory(r, xml_file(r->doc, node));
    else if (err != 0)
        fault(r, node, "<%s> %s=\"%s\": %s", xml_node_name(node), name, raw, reason);
    alloc_free(raw);
    return err == 0;
}

/* Find out where the file is.  False after a fault. */
static bool find_place(struct reading *r, struct xml_node *include, struct place *out)
{
    char *file = NULL;
    struct xml_doc *around = file_of(r, include);
    const char *base = xml_origin(around)->path;
    if (!read_attribute(r, include, CONF_ATTRIBUTE("file"), &file))
        return false;
    *out = (struct place){.include = include};
    out->name = base == NULL ? alloc_text(file) : file_beside(xml_name(around), file);
    out->path = base == NULL ? file_absolute(file) : file_beside(base, file);
    alloc_free(file);
    if (out->name != NULL && out->path != NULL)
        return true;
    no_memory(r, xml_name(around));
    return false;
}

static bool is_snippet(struct reading *r, struct xml_node *include)
{
    char *text = NULL;
    if (!read_attribute(r, include, CONF_ATTRIBUTE("snippet"), &text) || text == NULL)
        return false;
    bool is_on = strcasecmp(text, "true") == 0 || strcasecmp(text, "on") == 0;
    if (!is_on && strcasecmp(text, "false") != 0 && strcasecmp(text, "off") != 0)
        fault(r, include, "<include> snippet=\"%s\": neither true (on) nor false (off)", text);
    alloc_free(text);
    return is_on;
}

static void read_include(struct reading *r, const struct place *place)
{
    long line = 0;
    struct xml_doc *part =
        read_one(r, place->name, place->path, true, is_snippet(r, place->include));
    if (part == NULL)
        return;
    if (includes_itself(r, place->include, part)) {
        fault(r, place->include, "<include> %s: it is included in itself", place->name);
        xml_release(part);
        return;
    }
    int err = xml_include(r->doc, place->include, part, &line);
    if (err == -EINVAL)
        fault_at(r, place->name, line, "elements are nested too deep");
    else if (err != 0)
        no_memory(r, place->name);
}

static void include_at(struct reading *r, struct xml_node *include)
{
    struct place place = {.include = include};
    if (xml_first_child(include) != NULL) {
        fault(r, include, "<include> has elements of its own; they belong into the file");
    } else if (depth_of(include) > CONF_INCLUDE_DEPTH_MAX) {
        fault(r, include, "files are included more than %d deep", CONF_INCLUDE_DEPTH_MAX);
    } else if (++r->includes > CONF_INCLUDES_MAX) {
        fault(r, include, "more than %d files are included", CONF_INCLUDES_MAX);
        r->result = -ENOSPC; /* one line is enough */
    } else if (find_place(r, include, &place)) {
        read_include(r, &place);
    }
    alloc_free(place.name);
    alloc_free(place.path);
}

/* ---- every element --------------------------------------------------------------- */

static void check_condition(struct reading *r, struct xml_node *node)
{
    char reason[ENV_REASON_SIZE];
    char *text = NULL;
    bool holds;
    struct xml_node *condition = xml_attribute(node, ENV_ATTRIBUTE);
    if (condition == NULL)
        return;
    int err = xml_text(r->doc, condition, &text);
    if (err == 0)
        err = env_holds(text, &holds, reason);
    if (err == -EINVAL)
        fault(r, node, "<%s> " ENV_ATTRIBUTE "=\"%s\": %s", xml_node_name(node), text, reason);
    else if (err != 0)
        no_memory(r, xml_file(r->doc, node));
    alloc_free(text);
}

static void check_element(struct reading *r, struct xml_node *node)
{
    check_condition(r, node);
    if (xml_attribute(node, "backingstore") != NULL)
        fault(r, node,
              "<%s> backingstore=\"...\": a folder of files is not supported; <include> is",
              xml_node_name(node));
    if (strcmp(xml_node_name(node), "include") == 0 && xml_attribute(node, "file") != NULL &&
        !env_is_off(r->doc, node, ENV_ATTRIBUTE))
        include_at(r, node);
}

/* What is included comes behind its <include> in the order of the document, and so is seen. */
static int finish(struct reading *r, struct xml_doc *doc, struct xml_doc **out)
{
    r->doc = doc;
    if (doc == NULL)
        return r->result;
    struct xml_node *node = xml_root(doc);
    for (; node != NULL && r->result != -ENOMEM && r->result != -ENOSPC; node = xml_next(node))
        check_element(r, node);
    *out = doc;
    return r->result == -ENOSPC ? -EINVAL : r->result;
}

int include_read_file(const char *name, const char *path, const struct journal *journal,
                      const struct conf_faults *faults, struct xml_doc **out)
{
    struct reading r = {.journal = journal, .faults = faults};
    return finish(&r, read_one(&r, name, path, false, false), out);
}

int include_read_text(const char *name, const char *bytes, size_t len,
                      const struct conf_faults *faults, struct xml_doc **out)
{
    struct reading r = {.faults = faults};
    return finish(&r, parse(&r, name, bytes, len, false), out);
}
