/* The bare echo server: one epoll, one buffer, and a queue only for what a peer does not take.

   Prints "ready PORT" and serves until it is killed. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MOST_EVENTS 512
#define READ_SIZE 262144

struct connection {
    int fd;
    char *waiting;
    size_t start, end;
};

static int epoll, listening;
static char buffer[READ_SIZE];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(struct connection *one, int what, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    if (epoll_ctl(epoll, what, one->fd, &event))
        die("epoll_ctl");
}

static void end(struct connection *one) {
    close(one->fd);
    free(one->waiting);
    free(one);
}

static void take(void) {
    int fd, yes = 1;
    while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *one = calloc(1, sizeof *one);
        if (!one)
            die("calloc");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        one->fd = fd;
        watch(one, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void echo(struct connection *one) {
    ssize_t count = recv(one->fd, buffer, sizeof buffer, 0);
    if (count <= 0) {
        if (!count || errno != EAGAIN)
            end(one);
        return;
    }
    ssize_t sent = send(one->fd, buffer, count, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) {
            end(one);
            return;
        }
        sent = 0;
    }
    if (sent == count)
        return;
    one->start = 0;
    one->end = count - sent;
    one->waiting = malloc(one->end);
    if (!one->waiting)
        die("malloc");
    memcpy(one->waiting, buffer + sent, one->end);
    watch(one, EPOLL_CTL_MOD, EPOLLOUT);
}

static void go_on(struct connection *one) {
    ssize_t sent = send(one->fd, one->waiting + one->start, one->end - one->start, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            end(one);
        return;
    }
    one->start += sent;
    if (one->start < one->end)
        return;
    free(one->waiting);
    one->waiting = NULL;
    watch(one, EPOLL_CTL_MOD, EPOLLIN);
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 4096) ||
        getsockname(listening, (struct sockaddr *)&address, &length) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event))
        die("listen");
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[MOST_EVENTS];
        int count = epoll_wait(epoll, events, MOST_EVENTS, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int index = 0; index < count; index++) {
            struct connection *one = events[index].data.ptr;
            if (!one)
                take();
            else if (one->waiting)
                go_on(one);
            else
                echo(one);
        }
    }
}
