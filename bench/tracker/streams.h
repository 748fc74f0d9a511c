/* The load by HTTP (BEP 3, 23, 48): a connection for each request, or one kept for each address. */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replies.h"

#define MOST_EVENTS 256
#define MOST_REQUEST 1024
#define MOST_RESPONSE 16384
#define GIVEN_UP_SECONDS 5.0

struct stream {
    int fd;
    bool busy, asked;
    uint32_t address;
    size_t unsent, size, got, head;
    ssize_t body; /* -1: it ends where the connection does */
    uint64_t began;
    struct request request;
    char sent[MOST_REQUEST], response[MOST_RESPONSE];
};

static int poller;
static bool keeps;
static struct stream *streams;
static uint32_t stream_count, busy_count;
static uint64_t opened;
static uint32_t *idle_streams, idle_count;
static struct sockaddr_in http_address;
static char (*encoded_hashes)[3 * HASH_SIZE + 1];
/* While filling: who is asked again, since his connection was in use or was lost. */
static struct request *again;
static uint32_t again_count;

static void encode_hashes(void) {
    encoded_hashes = malloc(torrents * sizeof *encoded_hashes);
    for (uint32_t torrent = 0; torrent < torrents; torrent++) {
        char *at = encoded_hashes[torrent];
        for (int place = 0; place < HASH_SIZE; place++) {
            uint8_t byte = info_hashes[torrent][place];
            bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                         (byte >= 'a' && byte <= 'z') || (byte && strchr("-._~", byte));
            at += sprintf(at, plain ? "%c" : "%%%02X", byte);
        }
    }
}

static char *add(char *at, const char *text) {
    size_t size = strlen(text);
    memcpy(at, text, size);
    return at + size;
}

static char *add_number(char *at, uint64_t number) {
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

/* What programs call themselves, and whether they write their announces as Transmission does; else
   it is as libtorrent does. A server sees more than one kind of head, as it does in life. */
static const struct program {
    const char *agent;
    bool transmission;
} programs[] = {
    {"qBittorrent/5.0.3", false},      {"qBittorrent/4.6.7", false},
    {"qBittorrent/4.5.5", false},      {"Transmission/4.0.6", true},
    {"Transmission/3.00", true},       {"Deluge/2.1.1 libtorrent/2.0.11.0", false},
    {"qBittorrent/4.4.1", false},      {"Transmission/4.0.5", true},
    {"libtorrent/2.0.10.0", false},    {"qBittorrent/5.1.0", false},
    {"Transmission/2.94", true},       {"qBittorrent/4.3.9", false},
};

static char *write_announce(char *at, const struct request *request, bool transmission) {
    static const char *const events[] = {"", "&event=completed", "&event=started",
                                         "&event=stopped"};
    at = add(add(at, "GET /announce?info_hash="), encoded_hashes[request->torrent]);
    at = add(at, "&peer_id=");
    write_peer_id(request->peer, at);
    at = add_number(add(at + 20, "&port="), port_of(request->peer));
    at = add_number(add(at, "&uploaded=0&downloaded=0&left="), request->left);
    if (transmission) {
        at = add_number(add(at, "&numwant="), request->numwant);
        at += sprintf(add(at, "&key="), "%08X", key_of(request->peer)) + 5;
        return add(add(at, "&compact=1&supportcrypto=1"), events[request->event]);
    }
    at += sprintf(add(at, "&corrupt=0&key="), "%08X", key_of(request->peer)) + 15;
    at = add_number(add(add(at, events[request->event]), "&numwant="), request->numwant);
    return add(at, "&compact=1&no_peer_id=1&supportcrypto=1&redundant=0");
}

static size_t write_request(char *data, const struct request *request) {
    const struct program *program =
        &programs[chance(9, request->peer) % (sizeof programs / sizeof *programs)];
    char *at = data;
    if (request->kind == SCRAPE) {
        at = add(at, "GET /scrape");
        for (uint32_t which = 0; which < MOST_SCRAPED; which++) {
            at = add(at, which ? "&info_hash=" : "?info_hash=");
            at = add(at, encoded_hashes[scraped(request, which)]);
        }
    } else {
        at = write_announce(at, request, program->transmission);
    }
    at = add_number(add(at, " HTTP/1.1\r\nHost: 127.0.0.1:"), ntohs(http_address.sin_port));
    at = add(add(at, "\r\nUser-Agent: "), program->agent);
    at = add(at, program->transmission ? "\r\nAccept: */*\r\nAccept-Encoding: deflate, gzip"
                                       : "\r\nAccept-Encoding: gzip");
    return add(at, keeps ? "\r\nConnection: keep-alive\r\n\r\n" : "\r\nConnection: close\r\n\r\n") -
           data;
}

static void push_stream(struct stream *one) {
    while (one->unsent) {
        const char *from = one->sent + one->size - one->unsent;
        ssize_t count = send(one->fd, from, one->unsent, MSG_NOSIGNAL);
        /* Not connected yet, or closed by the server: which is seen when it is read from. */
        if (count < 0)
            return;
        one->unsent -= count;
    }
}

static void open_stream(struct stream *one) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    int yes = 1;
    source.sin_addr.s_addr = htonl(FIRST_ADDRESS + one->address);
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (one->fd < 0)
        die("socket");
    setsockopt(one->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (bind(one->fd, (struct sockaddr *)&source, sizeof source))
        die("bind");
    if (connect(one->fd, (struct sockaddr *)&http_address, sizeof http_address) &&
        errno != EINPROGRESS)
        die("connect");
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = one};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event))
        die("epoll_ctl");
    opened++;
}

static void ask_stream(struct stream *one, const struct request *request) {
    one->request = *request;
    one->busy = true;
    one->got = one->head = 0;
    one->body = -1;
    one->began = now(CLOCK_MONOTONIC);
    one->size = one->unsent = write_request(one->sent, request);
    busy_count++;
    if (one->fd < 0) {
        one->address = request->peer % addresses;
        open_stream(one);
    }
    push_stream(one);
}

static void close_stream(struct stream *one) {
    close(one->fd);
    one->fd = -1;
}

/* What was asked is answered, or is given up. */
static void end_stream(struct stream *one, bool closes) {
    if (closes || !keeps)
        close_stream(one);
    if (!one->busy)
        return;
    one->busy = false;
    busy_count--;
    if (!keeps)
        idle_streams[idle_count++] = (uint32_t)(one - streams);
}

static void fail_stream(struct stream *one) {
    if (filling && one->busy)
        again[again_count++] = one->request;
    end_stream(one, true);
}

/* The number behind a key of a bencoded dictionary; 0 without it. */
static uint64_t number_of(const char *body, size_t size, const char *key) {
    const char *found = memmem(body, size, key, strlen(key));
    return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

static void understand_announce(const struct stream *one, const char *body, size_t size) {
    const char *found = memmem(body, size, "5:peers", 7), *end = body + size;
    char *from = NULL;
    if (memmem(body, size, "14:failure reason", 17))
        return wrong("a failure", body, size);
    size_t given = found ? strtoull(found + 7, &from, 10) : 0;
    if (!found || *from != ':' || given > (size_t)(end - from - 1) || body[size - 1] != 'e')
        return wrong("no compact peers", body, size);
    announced(&one->request, number_of(body, size, "8:intervali"),
              number_of(body, size, "8:completei"), number_of(body, size, "10:incompletei"),
              (const uint8_t *)from + 1, given, one->began);
}

static void understand_response(struct stream *one) {
    const char *body = one->response + one->head;
    size_t size = one->got - one->head;
    if (memcmp(one->response, "HTTP/1.", 7) || memcmp(one->response + 8, " 200", 4))
        wrong("not the status 200", one->response, one->got);
    else if (!size || *body != 'd' || body[size - 1] != 'e')
        wrong("not bencoded", one->response, one->got);
    else if (one->request.kind == ANNOUNCE)
        understand_announce(one, body, size);
    else if (!memmem(body, size, "8:completei", 11))
        wrong("nothing was scraped", body, size);
    else
        scrape_answered(one->began);
    arrived++;
}

/* Find where the head ends and what it says of the body's size. */
static void read_head(struct stream *one) {
    const char *end = memmem(one->response, one->got, "\r\n\r\n", 4);
    if (!end)
        return;
    one->head = end - one->response + 4;
    const char *line = one->response;
    while (line < end) {
        if (!strncasecmp(line, "content-length:", 15))
            one->body = atol(line + 15);
        line = (const char *)memchr(line, '\n', end - line + 2) + 1;
    }
}

static void pull_stream(struct stream *one) {
    while (one->fd >= 0) {
        size_t room = MOST_RESPONSE - 1 - one->got;
        ssize_t count = room ? recv(one->fd, one->response + one->got, room, 0) : -1;
        if (count < 0 && room && errno == EAGAIN)
            return;
        if (count <= 0) {
            /* The end; what had no size is complete with it. */
            if (one->busy && !count && one->head && one->body < 0) {
                understand_response(one);
                return end_stream(one, true);
            }
            if (one->busy)
                lose();
            return fail_stream(one);
        }
        one->got += count;
        one->response[one->got] = 0;
        if (!one->head)
            read_head(one);
        if (one->head && one->body >= 0 && one->got >= one->head + one->body) {
            if (one->got > one->head + one->body || !one->busy)
                wrong("more than was asked for", one->response, one->got);
            understand_response(one);
            return end_stream(one, false);
        }
        if ((size_t)count < room)
            return;
    }
}

static struct stream *stream_for(const struct request *request) {
    if (!keeps)
        return &streams[idle_streams[--idle_count]];
    struct stream *one = &streams[request->peer % addresses];
    return one->busy ? NULL : one;
}

static bool next_of_filling(struct request *request) {
    if (again_count)
        *request = again[--again_count];
    else if (next_arrival < peers)
        *request = arrival(next_arrival++);
    else
        return false;
    return true;
}

static void fill_streams(bool more) {
    struct request request;
    while (more && busy_count < window) {
        if (!filling)
            request = next_request();
        else if (!next_of_filling(&request))
            return;
        struct stream *one = stream_for(&request);
        if (one) {
            ask_stream(one, &request);
        } else if (filling) {
            again[again_count++] = request;
            return;
        }
    }
}

static void give_up_streams(void) {
    uint64_t time = now(CLOCK_MONOTONIC);
    for (uint32_t index = 0; index < stream_count; index++)
        if (streams[index].busy && time - streams[index].began > GIVEN_UP_SECONDS * 1e9) {
            lose();
            fail_stream(&streams[index]);
        }
}

static void run_streams(double seconds, bool more) {
    struct epoll_event events[MOST_EVENTS];
    uint64_t began = now(CLOCK_MONOTONIC), end = began + (uint64_t)(seconds * 1e9), looked = began;
    while (filling ? arrived < peers : more || busy_count) {
        uint64_t time = now(CLOCK_MONOTONIC);
        if (time >= end)
            return;
        if (time - looked > 100000000) {
            looked = time;
            give_up_streams();
        }
        fill_streams(more);
        /* It never sleeps: whoever sends to a sleeper pays for waking it. */
        int count = epoll_wait(poller, events, MOST_EVENTS, 0);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int index = 0; index < count; index++) {
            struct stream *one = events[index].data.ptr;
            if (events[index].events & EPOLLOUT)
                push_stream(one);
            if (events[index].events & ~(uint32_t)EPOLLOUT)
                pull_stream(one);
        }
    }
}

static void open_streams(uint16_t port, bool keep) {
    keeps = keep;
    stream_count = keeps ? addresses : window;
    if (keeps && window > addresses / 2) {
        fprintf(stderr, "load: a connection for each address is too few for this window\n");
        exit(2);
    }
    http_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    http_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    encode_hashes();
    streams = calloc(stream_count, sizeof *streams);
    idle_streams = malloc(stream_count * sizeof *idle_streams);
    again = malloc((window + 1) * sizeof *again);
    if ((poller = epoll_create1(0)) < 0 || !streams || !idle_streams || !again)
        die("memory");
    for (uint32_t index = 0; index < stream_count; index++) {
        streams[index].fd = -1;
        streams[index].address = index;
        idle_streams[idle_count++] = index;
    }
}
