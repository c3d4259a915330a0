/* SPDX-License-Identifier: MIT */
#include "command/schema.h"

#include "command/check_impl.h"
#include "conf/env.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA_BYTES_MAX 4194304

struct writing {
    struct buf *out;
    int err;
};

static void __attribute__((format(printf, 2, 3))) put(struct writing *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (w->err == 0)
        w->err = buf_vappendf(w->out, format, args);
    va_end(args);
}

/* Put text with what XML needs escaped. */
static void put_text(struct writing *w, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            put(w, "&lt;");
        else if (*text == '&')
            put(w, "&amp;");
        else
            put(w, "%c", *text);
    }
}

/* ---- values ---------------------------------------------------------------------- */

static void put_words(struct writing *w, const char *words)
{
    while (*words != '\0') {
        size_t len = strcspn(words, "|");
        put(w, "<value>%.*s</value>", (int)len, words);
        words += len + (words[len] == '|');
    }
}

/* What the value is like, or a reference, which only stands for it. */
static void put_type(struct writing *w, const struct key *key)
{
    if (key->type != KEY_NUMBER && key->type != KEY_BOOLEAN && key->type != KEY_WORDS) {
        put(w, "<text/>");
        return;
    }
    put(w, "<choice>");
    if (key->type == KEY_NUMBER)
        put(w,
            "<data type=\"integer\"><param name=\"minInclusive\">%" PRId64 "</param>"
            "<param name=\"maxInclusive\">%" PRId64 "</param></data>",
            key->min, key->max);
    else if (key->type == KEY_BOOLEAN)
        put(w, "<data type=\"token\"><param name=\"pattern\">"
               "[Tt][Rr][Uu][Ee]|[Oo][Nn]|[Ff][Aa][Ll][Ss][Ee]|[Oo][Ff][Ff]</param></data>");
    else
        put_words(w, key->words);
    put(w, "<data type=\"string\"><param name=\"pattern\">(.|\\s)*\\{(.|\\s)*</param></data>"
           "</choice>");
}

static void put_says(struct writing *w, const struct key *key)
{
    put(w, "<a:documentation>");
    put_text(w, key->says);
    if (key->otherwise != NULL)
        put(w, " Default: %s.", key->otherwise);
    put(w, "</a:documentation>");
}

static void put_attribute(struct writing *w, const struct key *key, bool is_needed)
{
    put(w, "\n  %s<attribute name=\"%s\">", is_needed ? "" : "<optional>", key->name + 1);
    put_says(w, key);
    put_type(w, key);
    put(w, "</attribute>%s", is_needed ? "" : "</optional>");
}

/* ---- elements -------------------------------------------------------------------- */

static bool is_within(const char *path, const char *base)
{
    size_t len = strlen(base);
    return strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* May key, an attribute, stand on a row, or on what groups below it? */
static bool is_attribute_of(const struct key *key, const char *path, bool is_group)
{
    bool is_own = !is_group && strcmp(key->element, path) == 0;
    bool is_inherited = (key->flags & KEY_INHERITED) != 0;
    return key->name[0] == '@' && (is_own || (is_inherited && is_within(key->element, path)));
}

/* The attributes of a row, or of what groups below it, but for those that begin with a prefix. */
static void put_attributes(struct writing *w, const struct key_block *block, const char *path,
                           bool is_group)
{
    for (size_t i = 0; i < block->key_count; i++) {
        const struct key *key = &block->keys[i];
        bool is_needed = !is_group && strcmp(key->element, path) == 0 &&
                         (key->flags & (KEY_REQUIRED | KEY_INHERITED)) == KEY_REQUIRED;
        if (is_attribute_of(key, path, is_group) && (key->flags & KEY_PREFIX) == 0)
            put_attribute(w, key, is_needed);
    }
    put(w, "\n  <ref name=\"everywhere\"/>");
}

/* May a row have attributes with names that no table has? */
static bool has_own_attributes(const struct key_block *block, const struct key_element *row)
{
    bool has_any = (row->flags & KEY_OPEN) != 0;
    for (size_t i = 0; i < block->key_count; i++)
        has_any = has_any || ((block->keys[i].flags & KEY_PREFIX) != 0 &&
                              is_attribute_of(&block->keys[i], row->path, false));
    return has_any;
}

/* Those. */
static void put_own_attributes(struct writing *w, const struct key_block *block, const char *path)
{
    put(w, "\n  <zeroOrMore><attribute><anyName><except>");
    for (size_t i = 0; i < block->key_count; i++)
        if (is_attribute_of(&block->keys[i], path, false) &&
            (block->keys[i].flags & KEY_PREFIX) == 0)
            put(w, "<name>%s</name>", block->keys[i].name + 1);
    for (size_t i = 0; i < key_everywhere_count; i++)
        put(w, "<name>%s</name>", key_everywhere[i].name + 1);
    put(w, "</except></anyName></attribute></zeroOrMore>");
}

/* May the row stand directly in base, or in a group there? */
static bool is_child(const struct key_element *row, const char *base, bool is_group)
{
    const char *slash = strrchr(row->path, '/');
    if (slash == NULL)
        return false;
    bool is_deep = slash > row->path && slash[-1] == '/';
    size_t len = (size_t)(slash - row->path) - is_deep;
    if (strncmp(row->path, base, len) != 0 || (base[len] != '\0' && base[len] != '/'))
        return false;
    return is_deep || (base[len] == '\0' && !is_group);
}

static bool has_groups(const struct key_block *block, const char *base)
{
    size_t len = strlen(base);
    for (size_t i = 0; i < block->element_count; i++)
        if (strncmp(block->elements[i].path, base, len) == 0 &&
            strncmp(block->elements[i].path + len, "//", 2) == 0)
            return true;
    return false;
}

/* The name of a definition: a path without what no name has. */
static void put_name(struct writing *w, const char *path, const char *what)
{
    for (; *path != '\0'; path++)
        if (*path != '/' || path[1] != '/')
            put(w, "%c", *path == '/' ? '.' : *path);
    put(w, "%s", what);
}

/* Names that may not be those of a group, or of a key that only the program knows. */
static void put_except(struct writing *w, const struct key_block *block, const char *base,
                       bool is_group)
{
    put(w, "<anyName><except><name>include</name>");
    for (size_t i = 0; i < block->element_count; i++)
        if (is_child(&block->elements[i], base, is_group))
            put(w, "<name>%s</name>", strrchr(block->elements[i].path, '/') + 1);
    for (size_t i = 0; i < block->key_count; i++)
        if (!is_group && strcmp(block->keys[i].element, base) == 0 &&
            block->keys[i].name[0] != '@' && (block->keys[i].flags & KEY_PREFIX) == 0)
            put(w, "<name>%s</name>", block->keys[i].name);
    put(w, "</except></anyName>");
}

/* The keys that are child elements of a row. */
static void put_keys(struct writing *w, const struct key_block *block, const char *base,
                     bool *has_any)
{
    for (size_t i = 0; i < block->key_count; i++) {
        const struct key *key = &block->keys[i];
        if (key->name[0] == '@' || strcmp(key->element, base) != 0)
            continue;
        if ((key->flags & KEY_PREFIX) != 0) {
            *has_any = true;
            continue;
        }
        put(w, "\n  <element name=\"%s\">", key->name);
        put_says(w, key);
        put(w, "<zeroOrMore><ref name=\"everywhere-any\"/></zeroOrMore>");
        put_type(w, key);
        put(w, "</element>");
    }
}

/* Define what is in a row, or in what groups below it. */
static void put_content(struct writing *w, const struct key_block *block,
                        const struct key_element *row, bool is_group)
{
    const char *what = is_group ? ".group" : "";
    bool has_any = !is_group && (row->flags & KEY_OPEN) != 0;
    put(w, "\n<define name=\"");
    put_name(w, row->path, what);
    put(w, "-content\"><zeroOrMore><choice><text/>");
    for (size_t i = 0; i < block->element_count; i++) {
        if (!is_child(&block->elements[i], row->path, is_group))
            continue;
        put(w, "\n  <ref name=\"");
        put_name(w, block->elements[i].path, "\"/>");
    }
    if (!is_group)
        put_keys(w, block, row->path, &has_any);
    if (has_groups(block, row->path)) {
        put(w, "\n  <element>");
        put_except(w, block, row->path, is_group);
        put(w, "<ref name=\"");
        put_name(w, row->path, ".group-attributes\"/><ref name=\"");
        put_name(w, row->path, ".group-content\"/></element>");
    } else if (has_any) {
        put(w, "\n  <element>");
        put_except(w, block, row->path, is_group);
        put(w, "<ref name=\"anything\"/></element>");
    }
    put(w, "\n  <element name=\"include\"><ref name=\"include-attributes\"/><ref name=\"");
    put_name(w, row->path, what);
    put(w, "-content\"/></element>\n</choice></zeroOrMore></define>");
}

static void put_row(struct writing *w, const struct key_block *block, const struct key_element *row)
{
    const char *slash = strrchr(row->path, '/');
    put(w, "\n<define name=\"");
    put_name(w, row->path, "\"><element name=\"");
    put(w, "%s\">", slash == NULL ? row->path : slash + 1);
    put_attributes(w, block, row->path, false);
    if (has_own_attributes(block, row))
        put_own_attributes(w, block, row->path);
    put(w, "\n  <ref name=\"");
    put_name(w, row->path, "-content\"/></element></define>");
    put_content(w, block, row, false);
    if (!has_groups(block, row->path))
        return;
    put(w, "\n<define name=\"");
    put_name(w, row->path, ".group-attributes\">");
    put_attributes(w, block, row->path, true);
    put(w, "</define>");
    put_content(w, block, row, true);
}

/* ---- the whole ------------------------------------------------------------------- */

/* The root element has any name, and any attributes that are not known to be something else. */
static void put_root(struct writing *w)
{
    put(w, "\n<start><element><anyName/>"
           "<zeroOrMore><ref name=\"any-attribute\"/></zeroOrMore>"
           "<ref name=\"blocks\"/></element></start>"
           "\n<define name=\"blocks\"><zeroOrMore><choice><text/>");
    for (size_t i = 1; key_blocks[i] != NULL; i++)
        put(w, "<ref name=\"%s\"/>", key_blocks[i]->name);
    put(w, "\n  <element name=\"include\"><ref name=\"include-attributes\"/><ref name=\"blocks\"/>"
           "</element>\n  <element><anyName><except><name>include</name>");
    for (size_t i = 1; key_blocks[i] != NULL; i++)
        put(w, "<name>%s</name>", key_blocks[i]->name);
    put(w, "</except></anyName><ref name=\"anything\"/></element></choice></zeroOrMore></define>");
}

static void put_shared(struct writing *w)
{
    put(w, "\n<define name=\"any-attribute\"><attribute><anyName/></attribute></define>"
           "\n<define name=\"anything\"><zeroOrMore><choice><text/><ref name=\"any-attribute\"/>"
           "<element><anyName/><ref name=\"anything\"/></element></choice></zeroOrMore></define>"
           "\n<define name=\"everywhere-any\"><choice>");
    for (size_t i = 0; i < key_everywhere_count; i++)
        put(w, "<attribute name=\"%s\"/>", key_everywhere[i].name + 1);
    put(w, "</choice></define>\n<define name=\"everywhere\">");
    for (size_t i = 0; i < key_everywhere_count; i++)
        put_attribute(w, &key_everywhere[i], false);
    put(w, "</define>\n<define name=\"include-attributes\">"
           "<zeroOrMore><ref name=\"any-attribute\"/></zeroOrMore></define>");
}

int schema_write(struct buf *out)
{
    struct writing w = {.out = out};
    put(&w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<!-- What a configuration of libeventer may hold; see eventer.conf(5).  "
            "`eventer schema` printed it. -->\n"
            "<grammar xmlns=\"http://relaxng.org/ns/structure/1.0\"\n"
            "  xmlns:a=\"http://relaxng.org/ns/compatibility/annotations/1.0\"\n"
            "  datatypeLibrary=\"http://www.w3.org/2001/XMLSchema-datatypes\">");
    put_root(&w);
    put_shared(&w);
    for (size_t i = 1; key_blocks[i] != NULL; i++)
        for (size_t k = 0; k < key_blocks[i]->element_count; k++)
            put_row(&w, key_blocks[i], &key_blocks[i]->elements[k]);
    put(&w, "\n</grammar>\n");
    return w.err;
}

int schema_main(int argc, char **argv)
{
    struct buf text;
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "eventer schema: it takes no arguments\n");
        return 2;
    }
    buf_init(&text, SCHEMA_BYTES_MAX);
    int err = schema_write(&text);
    if (err == 0 && fwrite(text.bytes, 1, text.len, stdout) != text.len)
        err = -errno;
    if (err == 0 && fflush(stdout) != 0)
        err = -errno;
    buf_free(&text);
    if (err != 0)
        fprintf(stderr, "eventer schema: %s\n", strerrordesc_np(-err));
    return err == 0 ? 0 : 2;
}

static void on_fault(void *closure, const char *file, long line, const char *what)
{
    char text[512];
    snprintf(text, sizeof(text), "the schema does not allow this: %s", what);
    check_tell(closure, file, line, text);
}

/*
 * True if the schema has no say in doc: it knows nothing of names with a name space, which are the
 * program's own, nor of elements that do not count.
 */
static bool is_beyond(struct xml_doc *doc)
{
    for (struct xml_node *node = xml_root(doc); node != NULL; node = xml_next(node)) {
        struct xml_node *attribute = xml_first_attribute(node);
        while (attribute != NULL && xml_prefix(attribute) == NULL)
            attribute = xml_next_attribute(attribute);
        if (attribute != NULL || xml_prefix(node) != NULL || env_is_off(doc, node, ENV_ATTRIBUTE))
            return true;
    }
    return false;
}

void schema_check(struct check *check, struct xml_doc *doc)
{
    struct buf text;
    if (is_beyond(doc))
        return;
    buf_init(&text, SCHEMA_BYTES_MAX);
    int err = schema_write(&text);
    if (err == 0)
        err = xml_validate(doc, text.bytes, text.len, on_fault, check);
    if (err != 0)
        check_tell(check, check->path, 0, "the schema cannot be used");
    buf_free(&text);
}
