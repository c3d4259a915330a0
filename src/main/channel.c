/* SPDX-License-Identifier: MIT */
#include "main/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control { /* what goes beside a message: room for one fd */
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_open(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -errno;
    return 0;
}

int channel_send(int channel, enum channel_word word, int32_t number, int fd)
{
    struct channel_message message = {.word = (uint32_t)word, .number = number};
    struct iovec piece = {&message, sizeof(message)};
    union control control = {.bytes = ""};
    struct msghdr head = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd != -1) {
        head.msg_control = control.bytes;
        head.msg_controllen = sizeof(control.bytes);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    while (sendmsg(channel, &head, MSG_NOSIGNAL) < 0) {
        struct pollfd full = {.fd = channel, .events = POLLOUT};
        if (errno == EAGAIN)
            (void)poll(&full, 1, -1);
        else if (errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
    }
    return 0;
}

int channel_take(int channel, struct channel_message *out, int *out_fd)
{
    struct channel_message message = {.word = CHANNEL_NOTHING};
    struct iovec piece = {&message, sizeof(message)};
    union control control = {.bytes = ""};
    struct msghdr head = {.msg_iov = &piece,
                          .msg_iovlen = 1,
                          .msg_control = control.bytes,
                          .msg_controllen = sizeof(control.bytes)};
    ssize_t len;
    do
        len = recvmsg(channel, &head, MSG_CMSG_CLOEXEC);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return errno == EAGAIN ? -EAGAIN : -EPIPE;
    if (len == 0)
        return -EPIPE;
    *out = message;
    *out_fd = -1;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&head);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(out_fd, CMSG_DATA(header), sizeof(*out_fd));
    return 0;
}
