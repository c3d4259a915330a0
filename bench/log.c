/* SPDX-License-Identifier: MIT */
/*
 * log.c - what a line costs who says it, beside a write(2) for each; and what it adds to a request.
 *
 * Usage: log lines | log request
 *
 * lines: two loops say lines of some 90 bytes to one file, as fast as they can and at 20,000 a
 * second each; then two threads write the same lines themselves.  Of each call the time is taken.
 * request: a server in a process of its own answers one connection, with a line for each request or
 * without, a hundred of each in turn; the client takes the time.  Runs alternate; medians.
 */
#include "measure.h"

#include <eventer/eventer.h>
#include <eventer_run.h>
#include <mtev_log.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#define RUN_COUNT     5
#define THREAD_COUNT  2
#define FAST_LINES    300000 /* of each thread */
#define PACED_LINES   20000
#define PACE_NS       50000 /* between two of them */
#define REQUEST_COUNT 20000 /* of each kind */
#define BLOCK         100
#define NS_PER_US     1000.0
#define FORMAT        "connection %d from 192.0.2.%d: request %d took %d us and sent %d bytes\n"

enum figure {
    LINES_PER_S,
    P50_NS,
    P99_NS,
    P999_NS,
    LOST,
    FIGURE_COUNT,
};

enum way {
    WAY_LOG,
    WAY_WRITE,
};

static char path[64];
static enum way way;
static size_t line_count;
static uint64_t pace_ns;
static mtev_log_stream_t file;
static int fd;
static double *call_ns[THREAD_COUNT];
static pthread_barrier_t barrier;

/* ---- lines ----------------------------------------------------------------------- */

static void say(int thread, int i)
{
    if (way == WAY_LOG) {
        mtevL(file, FORMAT, i, thread, i * 7, i % 1000, i * 13);
        return;
    }
    char line[256];
    int len = snprintf(line, sizeof(line), FORMAT, i, thread, i * 7, i % 1000, i * 13);
    require(write(fd, line, (size_t)len) == len, "write");
}

static void say_all(int thread)
{
    uint64_t due_ns = clock_ns(CLOCK_MONOTONIC);
    for (size_t i = 0; i < line_count; i++) {
        uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
        if (pace_ns > 0) {
            while (start_ns < due_ns)
                start_ns = clock_ns(CLOCK_MONOTONIC);
            due_ns += pace_ns;
        }
        say(thread, (int)i);
        call_ns[thread][i] = (double)(clock_ns(CLOCK_MONOTONIC) - start_ns);
    }
}

static void *run_thread(void *arg)
{
    pthread_barrier_wait(&barrier);
    say_all(*(int *)arg);
    return NULL;
}

/* In a process of its own, so that each run begins without a writer. */
static void measure_lines(int output)
{
    static double values[FIGURE_COUNT];
    pthread_t threads[THREAD_COUNT];
    int numbers[THREAD_COUNT];
    pthread_barrier_init(&barrier, NULL, THREAD_COUNT + 1);
    file = mtev_log_stream_new("bench", "file", path, NULL, NULL);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    require(file != NULL && fd >= 0, path);
    if (way == WAY_LOG)
        mtev_log_stream_set_flags(file, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_TIMESTAMPS);
    for (int i = 0; i < THREAD_COUNT; i++) {
        numbers[i] = i;
        call_ns[i] = calloc(line_count, sizeof(double));
        require(call_ns[i] != NULL, "memory");
        memset(call_ns[i], 1, line_count * sizeof(double));
        pthread_create(&threads[i], NULL, run_thread, &numbers[i]);
    }
    pthread_barrier_wait(&barrier);
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    mtev_log_go_synch(); /* all is written */
    double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) / NS_PER_SEC;
    size_t all = THREAD_COUNT * line_count;
    double *merged = malloc(all * sizeof(double));
    require(merged != NULL, "memory");
    for (int i = 0; i < THREAD_COUNT; i++)
        memcpy(merged + (size_t)i * line_count, call_ns[i], line_count * sizeof(double));
    qsort(merged, all, sizeof(double), compare_doubles);
    char *json = mtev_log_stream_to_json(file);
    require(json != NULL, "json");
    values[LOST] = strtod(strstr(json, "\"lost\":") + strlen("\"lost\":"), NULL);
    values[LINES_PER_S] = ((double)all - values[LOST]) / seconds;
    values[P50_NS] = merged[all / 2];
    values[P99_NS] = merged[all - all / 100];
    values[P999_NS] = merged[all - all / 1000];
    require(write(output, values, sizeof(values)) == sizeof(values), "a pipe");
}

static void report_lines(const char *pace, double values[2][FIGURE_COUNT][RUN_COUNT])
{
    static const char *const names[] = {"eventer", "write"};
    for (int w = 0; w < 2; w++)
        printf("{\"bench\":\"log\",\"library\":\"%s\",\"pace\":\"%s\",\"lines_per_s\":%.0f,"
               "\"call_ns_p50\":%.0f,\"call_ns_p99\":%.0f,\"call_ns_p999\":%.0f,\"lost\":%.0f,"
               "\"runs\":%d}\n",
               names[w], pace, median(values[w][LINES_PER_S], RUN_COUNT),
               median(values[w][P50_NS], RUN_COUNT), median(values[w][P99_NS], RUN_COUNT),
               median(values[w][P999_NS], RUN_COUNT), median(values[w][LOST], RUN_COUNT),
               RUN_COUNT);
    fflush(stdout);
}

static void compare_lines(const char *pace, size_t lines, uint64_t between_ns)
{
    double values[2][FIGURE_COUNT][RUN_COUNT];
    line_count = lines;
    pace_ns = between_ns;
    for (int run = 0; run < RUN_COUNT; run++)
        for (int w = 0; w < 2; w++) {
            double figures[FIGURE_COUNT];
            way = (enum way)w;
            require(truncate(path, 0) == 0, path);
            in_child(measure_lines, figures, FIGURE_COUNT);
            for (int i = 0; i < FIGURE_COUNT; i++)
                values[w][i][run] = figures[i];
        }
    report_lines(pace, values);
}

/* ---- requests -------------------------------------------------------------------- */

static char configuration[1024];

static int answer(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count;
    if (args[0][0] == 'l')
        mtevL(file, FORMAT, 1, 2, 3, 4, 5);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, "Hello world.\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int set_up_server(void)
{
    file = mtev_log_stream_new("bench", "file", path, NULL, NULL);
    if (file == NULL)
        return -1;
    mtev_log_stream_set_flags(file, MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_TIMESTAMPS);
    mtev_http_rest_new_rule("GET", "/", "^(logged|quiet)$", answer);
    return 0;
}

static pid_t start_server(int port)
{
    fflush(NULL);
    pid_t pid = fork();
    require(pid >= 0, "fork");
    if (pid > 0)
        return pid;
    char *arguments[] = {(char[]){"bench"}, NULL};
    snprintf(configuration, sizeof(configuration),
             "<bench><eventer><config><concurrency>1</concurrency></config></eventer>"
             "<listeners><listener type='http_rest_api' address='127.0.0.1' port='%d'/></listeners>"
             "<rest><acl><rule type='allow'/></acl></rest></bench>",
             port);
    require(freopen("/dev/null", "w", stdout) != NULL, "/dev/null");
    _exit(eventer_run(1, arguments,
                      &(struct eventer_run_options){.name = "bench",
                                                    .configuration = configuration,
                                                    .setup = set_up_server}));
}

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static int free_port(void)
{
    struct sockaddr_in address = address_of(0);
    socklen_t len = sizeof(address);
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(bind(probe, (struct sockaddr *)&address, len) == 0 &&
                getsockname(probe, (struct sockaddr *)&address, &len) == 0,
            "a free port");
    close(probe);
    return ntohs(address.sin_port);
}

static int connect_to(int port)
{
    const struct sockaddr_in address = address_of(port);
    int on = 1;
    for (int i = 0; i < 500; i++) {
        int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(connection, (const struct sockaddr *)&address, sizeof(address)) == 0) {
            setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            return connection;
        }
        close(connection);
        usleep(10000);
    }
    require(false, "the server does not listen");
    return -1;
}

/* Return the nanoseconds that one request takes. */
static double ask(int connection, const char *request)
{
    char response[4096];
    size_t len = 0;
    uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    require(send(connection, request, strlen(request), 0) == (ssize_t)strlen(request), "send");
    do {
        ssize_t got = recv(connection, response + len, sizeof(response) - 1 - len, 0);
        require(got > 0, "recv");
        len += (size_t)got;
        response[len] = '\0';
    } while (strstr(response, "Hello world.\n") == NULL);
    return (double)(clock_ns(CLOCK_MONOTONIC) - start_ns);
}

static void compare_requests(void)
{
    static const char *const requests[] = {"GET /quiet HTTP/1.1\r\nHost: a\r\n\r\n",
                                           "GET /logged HTTP/1.1\r\nHost: a\r\n\r\n"};
    static const char *const names[] = {"none", "one a request"};
    static double times[2][REQUEST_COUNT];
    double p50[2], p99[2];
    int port = free_port();
    pid_t server = start_server(port);
    int connection = connect_to(port);
    for (int i = 0; i < REQUEST_COUNT; i += BLOCK)
        for (int kind = 0; kind < 2; kind++)
            for (int k = 0; k < BLOCK; k++)
                times[kind][i + k] = ask(connection, requests[kind]);
    close(connection);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
    for (int kind = 0; kind < 2; kind++) {
        qsort(times[kind], REQUEST_COUNT, sizeof(double), compare_doubles);
        p50[kind] = times[kind][REQUEST_COUNT / 2] / NS_PER_US;
        p99[kind] = times[kind][REQUEST_COUNT - REQUEST_COUNT / 100] / NS_PER_US;
        printf("{\"bench\":\"log-request\",\"lines\":\"%s\",\"us_p50\":%.2f,\"us_p99\":%.2f,"
               "\"requests\":%d}\n",
               names[kind], p50[kind], p99[kind], REQUEST_COUNT);
    }
    printf("{\"bench\":\"log-request\",\"added_us_p50\":%.2f,\"added_us_p99\":%.2f}\n",
           p50[1] - p50[0], p99[1] - p99[0]);
}

int main(int argc, char **argv)
{
    snprintf(path, sizeof(path), "/tmp/bench_log.XXXXXX");
    int made = mkstemp(path);
    require(argc == 2 && made >= 0, "usage: log lines|request");
    close(made);
    if (strcmp(argv[1], "request") == 0) {
        compare_requests();
    } else {
        compare_lines("full", FAST_LINES, 0);
        compare_lines("20000/s", PACED_LINES, PACE_NS);
    }
    unlink(path);
    return 0;
}
