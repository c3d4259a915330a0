/* SPDX-License-Identifier: MIT */
/*
 * capabilities.c - what a program is and what it can do, as JSON or XML.
 *
 * What it tells are names and versions, never addresses: those would help somebody who breaks in.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "main/dso.h"

#include <mtev_capabilities_listener.h>
#include <mtev_conf.h>
#include <mtev_listener.h>
#include <mtev_rest.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/utsname.h>

#define DOCUMENT_BYTES_MAX 1048576

/* ---- a document, in one of two languages ----------------------------------------- */

struct document {
    struct buf text;
    bool is_json;
    bool has_member; /* of the object that is open: a comma comes before the next */
    int err;
};

static void add(struct document *d, const char *text, size_t len)
{
    if (d->err == 0)
        d->err = buf_append(&d->text, text, len);
}

static void add_text(struct document *d, const char *text)
{
    add(d, text, strlen(text));
}

/* What stands for the byte c where it must not stand itself; NULL: it may. */
static const char *escape_of(const struct document *d, char c, char room[static 8])
{
    if (d->is_json && (c == '"' || c == '\\'))
        snprintf(room, 8, "\\%c", c);
    else if (d->is_json && (unsigned char)c < ' ')
        snprintf(room, 8, "\\u%04x", (unsigned)c);
    else if (!d->is_json && (c == '<' || c == '>' || c == '&' || c == '"'))
        snprintf(room, 8, "&#%d;", c);
    else if (!d->is_json && (unsigned char)c < ' ')
        snprintf(room, 8, "?");
    else
        return NULL;
    return room;
}

/* Names of modules and hosts may have any bytes; both languages are UTF-8. */
static void add_escaped(struct document *d, const char *text)
{
    char room[8];
    size_t len = strlen(text), count;
    for (; len > 0; text += count, len -= count) {
        const char *escape = escape_of(d, *text, room);
        count = utf8_len(text, len);
        if (count == 0 || escape != NULL)
            add_text(d, escape != NULL ? escape : UTF8_REPLACEMENT);
        else
            add(d, text, count);
        count = count == 0 ? 1 : count;
    }
}

static void add_key(struct document *d, const char *key)
{
    add_text(d, d->has_member ? ",\"" : "\"");
    add_escaped(d, key);
    add_text(d, "\":");
    d->has_member = true;
}

/* Begin an object: in JSON it is called key, in XML it is <tag name="key">; key NULL: tag. */
static void begin(struct document *d, const char *tag, const char *key)
{
    if (d->is_json) {
        add_key(d, key == NULL ? tag : key);
        add_text(d, "{");
        d->has_member = false;
        return;
    }
    add_text(d, "<");
    add_text(d, tag);
    if (key != NULL) {
        add_text(d, " name=\"");
        add_escaped(d, key);
        add_text(d, "\"");
    }
    add_text(d, ">");
}

static void end(struct document *d, const char *tag)
{
    if (d->is_json) {
        add_text(d, "}");
        d->has_member = true;
        return;
    }
    add_text(d, "</");
    add_text(d, tag);
    add_text(d, ">");
}

static void add_value(struct document *d, const char *tag, const char *value)
{
    if (d->is_json) {
        add_key(d, tag);
        add_text(d, "\"");
        add_escaped(d, value);
        add_text(d, "\"");
        return;
    }
    begin(d, tag, NULL);
    add_escaped(d, value);
    end(d, tag);
}

/* ---- what is told ---------------------------------------------------------------- */

static void add_system(struct document *d)
{
    struct utsname name;
    begin(d, "unameBuild", NULL);
    add_value(d, "bitwidth", sizeof(void *) == 8 ? "64bit" : "32bit");
    add_value(d, "sysname", "Linux");
    add_value(d, "machine", EVENTER_MACHINE);
    add_value(d, "compiler", __VERSION__);
    end(d, "unameBuild");
    begin(d, "unameRun", NULL);
    if (uname(&name) == 0) {
        add_value(d, "bitwidth", sizeof(void *) == 8 ? "64bit" : "32bit");
        add_value(d, "sysname", name.sysname);
        add_value(d, "nodename", name.nodename);
        add_value(d, "release", name.release);
        add_value(d, "version", name.version);
        add_value(d, "machine", name.machine);
    }
    end(d, "unameRun");
}

/* The name of a function that has been given one; "unnamed": it has none but its address. */
static const char *name_of(eventer_func_t func)
{
    const char *name = eventer_name_for_callback(func);
    return strncmp(name, "0x", 2) == 0 ? "unnamed" : name;
}

static void add_service(struct document *d, const char *name, mtev_hash_table *delegates)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    begin(d, "service", name);
    add_value(d, "control_dispatch", name);
    begin(d, "commands", NULL);
    while (mtev_hash_adv(delegates, &iter)) {
        char word[16];
        uint32_t cmd;
        eventer_func_t delegate = (eventer_func_t)iter.value.ptr;
        memcpy(&cmd, iter.key.str, sizeof(cmd));
        snprintf(word, sizeof(word), "0x%08x", cmd);
        begin(d, "command", word);
        add_value(d, "name", name_of(delegate));
        end(d, "command");
    }
    end(d, "commands");
    end(d, "service");
}

static void add_services(struct document *d)
{
    mtev_hash_iter iter = MTEV_HASH_ITER_ZERO;
    mtev_hash_table *services = mtev_listener_commands();
    begin(d, "services", NULL);
    while (mtev_hash_adv(services, &iter)) {
        eventer_func_t func;
        memcpy(&func, iter.key.str, sizeof(func));
        add_service(d, name_of(func), iter.value.ptr);
    }
    end(d, "services");
}

static void add_module(const mtev_image_t *image, void *closure)
{
    struct document *d = closure;
    begin(d, "module", image->name == NULL ? "" : image->name);
    add_value(d, "type", "generic");
    add_value(d, "description", image->description == NULL ? "" : image->description);
    end(d, "module");
}

static void add_time(struct document *d)
{
    char now[32];
    uint64_t ms = clock_wall_ns() / CLOCK_NS_PER_MS;
    snprintf(now, sizeof(now), "%llu.%03llu", (unsigned long long)(ms / 1000),
             (unsigned long long)(ms % 1000));
    if (d->is_json) {
        add_key(d, "current_time");
        add_text(d, now);
    } else {
        add_value(d, "current_time", now);
    }
}

/* Write the document; free its text in any case.  0 or -errno. */
static int write_document(struct document *d, bool is_json)
{
    *d = (struct document){.is_json = is_json};
    buf_init(&d->text, DOCUMENT_BYTES_MAX);
    add_text(d, is_json ? "{" : "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<mtev_capabilities>");
    add_value(d, "version", mtev_get_app_version());
    add_value(d, "mtev_version", EVENTER_VERSION);
    add_system(d);
    begin(d, "features", NULL);
    add_value(d, "coroutines", "shared stacks");
    add_value(d, "http", "1.1");
    add_value(d, "tls", "1.2, 1.3");
    end(d, "features");
    add_services(d);
    begin(d, "modules", NULL);
    dso_each(add_module, d);
    end(d, "modules");
    add_time(d);
    add_text(d, is_json ? "}\n" : "</mtev_capabilities>\n");
    return d->err;
}

/* ---- who asks -------------------------------------------------------------------- */

static int answer(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    struct document d;
    bool is_json = strcmp(pats[0], ".json") == 0;
    mtev_http_session_ctx *ctx = restc->http_ctx;
    if (write_document(&d, is_json) == 0) {
        mtev_http_response_ok(ctx, is_json ? "application/json" : "application/xml");
        mtev_http_response_append(ctx, d.text.bytes, d.text.len);
    } else {
        mtev_http_response_server_error(ctx, "text/plain");
        mtev_http_response_append_str(ctx, "out of memory\n");
    }
    buf_free(&d.text);
    mtev_http_response_end(ctx);
    return 0;
}

struct sending {
    struct document document;
    size_t done;
};

static void end_sending(void *ctx)
{
    struct sending *sending = ctx;
    buf_free(&sending->document.text);
    alloc_free(sending);
}

/* What is to be sent on the connection of ac; NULL: there is no memory. */
static struct sending *sending_of(mtev_acceptor_closure_t *ac)
{
    struct sending *sending = mtev_acceptor_closure_ctx(ac);
    if (sending != NULL)
        return sending;
    sending = alloc_zeroed(1, sizeof(*sending));
    if (sending == NULL)
        return NULL;
    if (write_document(&sending->document, false) != 0) {
        end_sending(sending);
        return NULL;
    }
    mtev_acceptor_closure_set_ctx(ac, sending, end_sending);
    return sending;
}

/* The callback of a connection that began with the word. */
static int capabilities_transit(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct sending *sending = mask & EVENTER_EXCEPTION ? NULL : sending_of(closure);
    int wanted = 0;
    while (sending != NULL && sending->done < sending->document.text.len) {
        int count = eventer_write(e, sending->document.text.bytes + sending->done,
                                  sending->document.text.len - sending->done, &wanted);
        if (count < 0 && errno == EAGAIN)
            return wanted | EVENTER_EXCEPTION;
        if (count <= 0)
            break;
        sending->done += (size_t)count;
    }
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    return 0;
}

void mtev_capabilities_listener_init(void)
{
    static bool is_ready;
    if (is_ready)
        return;
    is_ready = true;
    eventer_name_callback("capabilities_transit", capabilities_transit);
    mtev_control_dispatch_delegate(mtev_control_dispatch, MTEV_CAPABILITIES_SERVICE,
                                   capabilities_transit);
    if (mtev_http_rest_register("GET", "/", "^capa(\\.json)?$", answer) != 0)
        mtevL(mtev_error, "mtev_capabilities_listener_init: /capa is not answered\n");
}
