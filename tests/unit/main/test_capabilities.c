/* SPDX-License-Identifier: MIT */
/*
 * Goal: whoever may ask is told what the program can do, by names and never by addresses.
 * Method: the document is asked for over HTTP, in both languages, and by the word CAPA; XML is
 * parsed by the parser of configurations, and JSON by a few lines here.  Each allocation fails.
 */
#include "../listener/listening.h"

#include "base/alloc.h"
#include "conf/xml.h"

#include <mtev_capabilities_listener.h>
#include <mtev_rest.h>

static char http_address[256], control_address[256];
static char heard[65536];

static void note_address(const char *address, void *closure)
{
    int *count = closure;
    snprintf((*count)++ == 0 ? http_address : control_address, 256, "%s", address);
}

/* Send len bytes to address and hear all that is answered. */
static const char *ask(const char *address, const char *bytes, size_t len)
{
    int fd = connect_to(address);
    (void)!send(fd, bytes, len, MSG_NOSIGNAL);
    read_all(fd, heard, sizeof(heard));
    return heard;
}

/* GET path: returns the body. */
static const char *get(const char *path)
{
    char request[256];
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
             path);
    const char *body = strstr(ask(http_address, request, strlen(request)), "\r\n\r\n");
    return body == NULL ? "" : body + 4;
}

/* ---- a parser of JSON: objects, texts and numbers --------------------------------- */

static const char *skip_text(const char *at)
{
    assert_int_equal(*at++, '"');
    for (; *at != '"'; at++) {
        assert_true((unsigned char)*at >= ' ');
        if (*at == '\\')
            at++;
    }
    return at + 1;
}

static const char *skip_value(const char *at)
{
    if (*at == '"')
        return skip_text(at);
    if (*at != '{') {
        size_t len = strspn(at, "0123456789.");
        assert_true(len > 0);
        return at + len;
    }
    if (*++at == '}')
        return at + 1;
    for (;;) {
        at = skip_text(at);
        assert_int_equal(*at++, ':');
        at = skip_value(at);
        if (*at == '}')
            return at + 1;
        assert_int_equal(*at++, ',');
    }
}

static void assert_no_addresses(const char *text)
{
    for (const char *at = text; (at = strstr(at, "0x")) != NULL; at++)
        assert_int_equal(strncmp(at, "0x43415041", 10), 0);
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s is not in %s", part, text);
}

static void it_is_told_in_json(void **state)
{
    const char *body = get("/capa.json");
    assert_string_equal(skip_value(body), "\n");
    assert_has(body, "{\"version\":\"1.2 \\\"x\\\" \xef\xbf\xbd\xc3\xa4\",\"mtev_version\":\"");
    assert_has(body, "\"unameBuild\":{\"bitwidth\":\"");
    assert_has(body, "\"unameRun\":{\"bitwidth\":\"");
    assert_has(body,
               "\"services\":{\"control_dispatch\":{\"control_dispatch\":\"control_dispatch\","
               "\"commands\":{\"0x43415041\":{\"name\":\"capabilities_transit\"}}}}");
    assert_has(body, "\"features\":{\"coroutines\":\"shared stacks\",\"http\":\"1.1\","
                     "\"tls\":\"1.2, 1.3\"}");
    assert_has(body, "\"modules\":{}");
    assert_has(body, "\"current_time\":");
    assert_has(heard, "application/json");
    assert_no_addresses(body);
}

static void assert_is_xml(const char *text)
{
    struct xml_doc *doc = NULL;
    struct xml_error error;
    assert_int_equal(xml_parse("answer", text, strlen(text), &doc, &error), 0);
    xml_release(doc);
    assert_has(text, "<version>1.2 &#34;x&#34; \xef\xbf\xbd\xc3\xa4</version>");
    assert_has(text, "<service name=\"control_dispatch\"><control_dispatch>control_dispatch"
                     "</control_dispatch><commands><command name=\"0x43415041\"><name>"
                     "capabilities_transit</name></command></commands></service>");
    assert_no_addresses(text);
}

static void it_is_told_in_xml(void **state)
{
    assert_is_xml(get("/capa"));
    assert_has(heard, "application/xml");
}

static void it_is_told_by_a_word(void **state)
{
    assert_is_xml(ask(control_address, "CAPA", 4));
    assert_string_equal(ask(control_address, "CAPB", 4), "");
}

static void nothing_else_is_answered(void **state)
{
    get("/capa.xml");
    assert_has(heard, "404");
    get("/x/capa");
    assert_has(heard, "404");
}

static void ask_all(void *closure)
{
    get("/capa.json");
    ask(control_address, "CAPA", 4);
    settle_all();
    logged_clear();
}

static void each_allocation_may_fail(void **state)
{
    ask_all(NULL);
    harness_fail_each_allocation(ask_all, NULL);
    it_is_told_by_a_word(state);
}

static const struct CMUnitTest tests[] = {
    logged_test(it_is_told_in_json),       logged_test(it_is_told_in_xml),
    logged_test(it_is_told_by_a_word),     logged_test(nothing_else_is_answered),
    logged_test(each_allocation_may_fail),
};

int main(void)
{
    int count = 0;
    logged_begin();
    start_loops(2);
    mtev_set_app_version("1.2 \"x\" \xff\xc3\xa4");
    if (conf_load_text("test.conf",
                       "<test><listeners address='127.0.0.1' port='0'>"
                       "<listener type='http_rest_api'/><listener type='control_dispatch'/>"
                       "</listeners><rest><acl><rule type='allow'/></acl></rest></test>") != 0)
        return 1;
    mtev_http_rest_init();
    mtev_capabilities_listener_init();
    mtev_capabilities_listener_init();
    if (listener_init("test", true) != 0)
        return 1;
    listener_each(note_address, &count);
    eventer_loop_return();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
