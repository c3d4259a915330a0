/* SPDX-License-Identifier: MIT */
/*
 * Goal: a listening socket that somebody else made is used by the listener of its address, what
 * nobody takes is closed with a line, and a successor finds the sockets as they were.
 * Method: sockets made here are offered before the configuration is read; who listens where is seen
 * by connecting and by comparing inodes.
 */
#include "listening.h"

static char folder[] = "/tmp/test_inherit.XXXXXX";

static void say_one(void)
{
    eventer_aco_t e = eventer_aco_arg();
    eventer_aco_write(e, "one", 3, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static ino_t inode_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

struct seen {
    ino_t inode;
    char address[128];
    unsigned count;
};

static void see(int fd, const char *address, void *closure)
{
    struct seen *seen = closure;
    seen->inode = inode_of(fd);
    snprintf(seen->address, sizeof(seen->address), "%s", address);
    seen->count++;
}

static int listen_at(const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(local.sun_path, sizeof(local.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&local, sizeof(local)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void assert_taken(const char *stanza, ino_t inode)
{
    struct seen seen = {0};
    assert_int_equal(listen_to(stanza, true), 0);
    assert_nothing_logged();
    listener_each_socket(see, &seen);
    assert_true(seen.count >= listening_count);
    assert_int_equal(seen.inode, inode);
    assert_string_equal(seen.address, listening_on);
    listener_drop_inherited();
    assert_nothing_logged();
    assert_hears(listening_on, "one");
}

static void a_socket_with_the_address_is_taken(void **state)
{
    (void)state;
    char text[256];
    uint16_t port;
    int fd = harness_listen(&port);
    ino_t inode = inode_of(fd);
    assert_int_equal(listener_inherit(fd), 0);
    snprintf(text, sizeof(text), "<listener type='one' address='127.0.0.1' port='%u'/>", port);
    assert_taken(text, inode);
}

static void port_0_takes_any_port(void **state)
{
    (void)state;
    uint16_t port;
    int fd = harness_listen(&port);
    ino_t inode = inode_of(fd);
    assert_int_equal(listener_inherit(fd), 0);
    assert_taken("<listener type='one' address='127.0.0.1' port='0'/>", inode);
}

static int listen_beside(uint16_t port)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

/* More than there are loops, and with a second address in between: none is left out. */
static void all_sockets_of_an_address_are_taken(void **state)
{
    (void)state;
    struct sockaddr_in address = {0};
    socklen_t len = sizeof(address);
    struct seen seen = {0};
    char text[256];
    uint16_t other;
    int first = listen_beside(0), between = harness_listen(&other);
    assert_int_equal(getsockname(first, (struct sockaddr *)&address, &len), 0);
    int more[2] = {listen_beside(ntohs(address.sin_port)), listen_beside(ntohs(address.sin_port))};
    assert_int_equal(listener_inherit(between), 0);
    assert_int_equal(listener_inherit(first), 0);
    assert_int_equal(listener_inherit(more[0]), 0);
    assert_int_equal(listener_inherit(more[1]), 0);
    unsigned before = listening_look();
    listener_each_socket(see, &seen);
    unsigned sockets_before = seen.count;
    snprintf(text, sizeof(text),
             "<listener type='one' address='127.0.0.1' port='0'/>"
             "<listener type='one' address='127.0.0.1' port='%u' reuseport='on'/>",
             ntohs(address.sin_port));
    assert_int_equal(listen_to(text, true), 0);
    listener_drop_inherited();
    assert_nothing_logged(); /* port 0 did not take what another stanza names */
    seen = (struct seen){0};
    listener_each_socket(see, &seen);
    assert_int_equal(listening_count, before + 2);
    assert_int_equal(seen.count, sockets_before + 4);
    for (int i = 0; i < 20; i++)
        assert_hears(listening_on, "one");
}

static void a_path_is_taken_and_goes_at_the_end(void **state)
{
    (void)state;
    char path[64], text[256];
    snprintf(path, sizeof(path), "%s/taken", folder);
    snprintf(text, sizeof(text), "<listener type='one' address='%s'/>", path);
    int fd = listen_at(path);
    ino_t inode = inode_of(fd);
    assert_int_equal(listener_inherit(fd), 0);
    assert_taken(text, inode);
    assert_int_equal(listen_to("<listener/>", true), -EINVAL); /* stops all of them */
    logged_clear();
    assert_int_equal(access(path, F_OK), -1);
}

static void what_nobody_takes_is_closed_with_a_line(void **state)
{
    (void)state;
    char line[128];
    uint16_t port;
    int fd = harness_listen(&port);
    assert_int_equal(listener_inherit(fd), 0);
    assert_int_equal(listen_to("<listener type='one' address='127.0.0.2' port='0'/>", true), 0);
    assert_nothing_logged();
    listener_drop_inherited();
    snprintf(line, sizeof(line),
             "no listener takes the inherited socket of 127.0.0.1:%u; it is closed\n", port);
    assert_logged(1, line);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void what_does_not_listen_is_refused(void **state)
{
    (void)state;
    int fds[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    harness_socketpair(fds);
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listener_inherit(-1), -EBADF);
    assert_int_equal(listener_inherit(file), -ENOTSOCK);
    assert_int_equal(listener_inherit(fds[0]), -EINVAL);
    assert_int_equal(listener_inherit(datagram), -EINVAL);
    close(file);
    close(datagram);
    close(fds[0]);
    close(fds[1]);
    listener_drop_inherited();
    assert_nothing_logged();
}

static void offer(void *closure)
{
    (void)closure;
    uint16_t port;
    int fd = harness_listen(&port);
    if (listener_inherit(fd) != 0)
        close(fd);
    listener_drop_inherited();
}

static void without_memory_it_stays_the_callers(void **state)
{
    (void)state;
    harness_fail_each_allocation(offer, NULL);
    logged_clear();
}

/* The last test: nothing is accepted from here on. */
static void a_successor_goes_on_with_whoever_waits(void **state)
{
    (void)state;
    char path[64], text[256];
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    snprintf(path, sizeof(path), "%s/handed", folder);
    snprintf(local.sun_path, sizeof(local.sun_path), "%s", path);
    snprintf(text, sizeof(text), "<listener type='one' address='%s'/>", path);
    int fd = listen_at(path);
    int successors = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(listener_inherit(fd), 0);
    assert_int_equal(listen_to(text, true), 0);
    listener_stop_accepting();
    int waiting = connect_to(path);
    settle_all();
    int served = accept4(successors, NULL, NULL, SOCK_CLOEXEC);
    assert_true(served >= 0);
    assert_int_equal(listen_to("<listener/>", true), -EINVAL);
    logged_clear();
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    close(waiting);
    close(served);
    close(successors);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_socket_with_the_address_is_taken),
    cmocka_unit_test(port_0_takes_any_port),
    cmocka_unit_test(all_sockets_of_an_address_are_taken),
    cmocka_unit_test(a_path_is_taken_and_goes_at_the_end),
    cmocka_unit_test(what_nobody_takes_is_closed_with_a_line),
    cmocka_unit_test(what_does_not_listen_is_refused),
    cmocka_unit_test(without_memory_it_stays_the_callers),
    cmocka_unit_test(a_successor_goes_on_with_whoever_waits),
};

int main(void)
{
    listening_begin(2);
    mtev_listener_register_aco_function("one", say_one);
    return listening_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]), folder);
}
