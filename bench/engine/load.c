/* Closed-loop load for an echo server: every connection has one message under way.

   load KIND PORT SIZE CONNECTIONS WARM_SECONDS SECONDS SERVER_PID

   KIND is tcp, udp, or renew: a new TCP connection for each message. All connections are opened,
   and each has its first message answered and compared, before the warm-up begins. Prints one line:
   messages, seconds, server's CPU seconds, p50 and p99 in seconds, and how many connections had no
   answer at the end. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../latencies.h"

#define MOST_EVENTS 512
#define LONGEST_WAIT 60.0
/* A closed connection keeps its port for a minute: so many addresses have enough for all. */
#define SOURCES 64

struct connection {
    int fd;
    size_t unsent, missing;
    uint64_t began;
};

enum phase { OPENING, RUNNING, DRAINING };

static enum phase phase = OPENING;
static bool udp, renew, measuring;
static int epoll;
static uint16_t port;
static size_t size;
static char *pattern, *scratch;
static size_t answered;
static uint64_t opened, bytes;

static void push(struct connection *one) {
    while (one->unsent) {
        ssize_t count = send(one->fd, pattern + size - one->unsent, one->unsent, MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EAGAIN)
                return;
            die("send");
        }
        one->unsent -= count;
    }
}

static void begin(struct connection *one) {
    one->unsent = one->missing = size;
    one->began = now(CLOCK_MONOTONIC);
    push(one);
}

static void open_connection(struct connection *one, bool waits) {
    struct sockaddr_in address = {.sin_family = AF_INET}, source = {.sin_family = AF_INET};
    int yes = 1;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + opened++ % SOURCES);
    one->fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | (waits ? 0 : SOCK_NONBLOCK), 0);
    if (one->fd < 0)
        die("socket");
    if (!udp) {
        setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(one->fd, (struct sockaddr *)&source, sizeof source))
            die("bind");
        setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
    if (connect(one->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        die("connect");
    if (waits)
        fcntl(one->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = one};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, one->fd, &event))
        die("epoll_ctl");
    begin(one);
}

static void finished(struct connection *one) {
    if (measuring)
        record(now(CLOCK_MONOTONIC) - one->began);
    if (phase != RUNNING) {
        answered++;
    } else if (renew) {
        close(one->fd);
        open_connection(one, false);
    } else {
        begin(one);
    }
}

static void pull(struct connection *one) {
    while (one->missing) {
        size_t room = one->missing;
        ssize_t count = recv(one->fd, scratch, room, 0);
        if (count < 0) {
            if (errno == EAGAIN)
                return;
            die("recv");
        }
        if (!count)
            die("the server closed a connection");
        if (phase == OPENING && memcmp(scratch, pattern + size - one->missing, count)) {
            fprintf(stderr, "load: what came back is not what was sent\n");
            exit(1);
        }
        one->missing -= count;
        bytes += count;
        if (!one->missing) {
            finished(one);
            return;
        }
        if ((size_t)count < room)
            return;
    }
}

/* Handle events until so many are answered or the time has come. */
static bool run(size_t wanted, double seconds) {
    struct epoll_event events[MOST_EVENTS];
    uint64_t end = now(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
    while (answered < wanted) {
        uint64_t time = now(CLOCK_MONOTONIC);
        if (time >= end)
            return false;
        /* It never sleeps: who sends to a sleeper pays for waking it, so that a slow server,
           whose peers sleep more, would be shown slower still. */
        int count = epoll_wait(epoll, events, MOST_EVENTS, 0);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int index = 0; index < count; index++) {
            struct connection *one = events[index].data.ptr;
            if (events[index].events & EPOLLOUT)
                push(one);
            if (events[index].events & ~(uint32_t)EPOLLOUT)
                pull(one);
        }
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: load KIND PORT SIZE CONNECTIONS WARM SECONDS SERVER_PID\n");
        return 2;
    }
    udp = !strcmp(argv[1], "udp");
    renew = !strcmp(argv[1], "renew");
    port = (uint16_t)atoi(argv[2]);
    size = (size_t)atol(argv[3]);
    size_t connections = (size_t)atol(argv[4]);
    double warm = atof(argv[5]), seconds = atof(argv[6]);
    clockid_t server;
    if ((errno = clock_getcpuclockid(atoi(argv[7]), &server)))
        die("the server's CPU clock");
    pattern = malloc(size);
    scratch = malloc(size);
    struct connection *all = calloc(connections, sizeof *all);
    if (!pattern || !scratch || !all || (epoll = epoll_create1(0)) < 0)
        die("memory");
    for (size_t index = 0; index < size; index++)
        pattern[index] = (char)(index * 31 + index / 256);
    for (size_t index = 0; index < connections; index++) {
        open_connection(&all[index], true);
        /* Few wait at a time, so that no server's backlog overflows. */
        if (index % 32 == 31 || index + 1 == connections)
            if (!run(index + 1, LONGEST_WAIT))
                die("no answer to the first messages");
    }
    phase = RUNNING;
    answered = 0;
    for (size_t index = 0; index < connections; index++)
        begin(&all[index]);
    run(1, warm);
    measuring = true;
    uint64_t bytes_before = bytes;
    uint64_t cpu = now(server), began = now(CLOCK_MONOTONIC);
    run(1, seconds);
    cpu = now(server) - cpu;
    uint64_t took = now(CLOCK_MONOTONIC) - began;
    double messages = (double)(bytes - bytes_before) / size;
    measuring = false;
    /* A connection that is closed with something unread is reset; let all answers come first. */
    phase = DRAINING;
    run(connections, udp ? 1.0 : LONGEST_WAIT);
    printf("%.3f %.9f %.9f %.9f %.9f %zu\n", messages, took * 1e-9, cpu * 1e-9, percentile(0.5),
           percentile(0.99), connections - answered);
    return 0;
}
