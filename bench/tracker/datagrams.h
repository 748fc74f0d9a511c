/* The load by UDP (BEP 15). One socket speaks for all addresses: each datagram says from which of
   them it comes (IP_PKTINFO), so that many go and come with one system call. */

#include <netinet/in.h>
#include <sys/socket.h>

#include "replies.h"

#define MOST_AT_ONCE 64
#define MOST_REPLY 4096
#define MOST_WINDOW 65536u
/* BEP 15: a client may use a connection id for a minute. */
#define CONNECTED_SECONDS 55.0
/* Between two looks at a socket that had little; less would only hinder the server's sends. */
#define PAUSE_NANOSECONDS 5000
#define RECEIVE_BUFFER (8 << 20)

#define PROTOCOL_ID 0x41727101980ull

struct slot {
    struct request request; /* what is to be asked, once a connection id is there */
    bool connecting, busy;
    uint32_t transaction;
    uint64_t began;
};

struct outgoing {
    uint8_t data[128];
    struct iovec part;
    union {
        char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
        struct cmsghdr header;
    } control;
};

static int udp_socket;
static struct slot *slots;
static uint32_t *free_slots, free_count, window = 128, generation;
static uint64_t *connection_ids, *connected_at;
static struct outgoing outgoing[MOST_AT_ONCE];
static struct mmsghdr going[MOST_AT_ONCE], coming[MOST_AT_ONCE];
static struct iovec parts[MOST_AT_ONCE];
static uint8_t replies[MOST_AT_ONCE][MOST_REPLY];
static unsigned going_count;
static struct sockaddr_in tracker_address;

static uint8_t *put(uint8_t *at, uint64_t value, int size) {
    for (int place = size; place--; value >>= 8)
        at[place] = (uint8_t)value;
    return at + size;
}

static uint64_t get(const uint8_t *at, int size) {
    uint64_t value = 0;
    while (size--)
        value = value << 8 | *at++;
    return value;
}

static void flush_datagrams(void) {
    for (unsigned sent = 0; sent < going_count;) {
        int count = sendmmsg(udp_socket, going + sent, going_count - sent, 0);
        if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            die("sendmmsg");
        sent += count > 0 ? count : 0;
    }
    going_count = 0;
}

static size_t write_datagram(uint8_t *data, const struct slot *slot) {
    const struct request *request = &slot->request;
    uint8_t *at = data;
    if (slot->connecting) {
        at = put(at, PROTOCOL_ID, 8);
        at = put(at, CONNECT, 4);
        return put(at, slot->transaction, 4) - data;
    }
    at = put(at, connection_ids[request->peer % addresses], 8);
    at = put(at, request->kind, 4);
    at = put(at, slot->transaction, 4);
    if (request->kind == SCRAPE) {
        for (uint32_t which = 0; which < MOST_SCRAPED; which++, at += HASH_SIZE)
            memcpy(at, info_hashes[scraped(request, which)], HASH_SIZE);
        return at - data;
    }
    memcpy(at, info_hashes[request->torrent], HASH_SIZE);
    write_peer_id(request->peer, (char *)at + HASH_SIZE);
    at = put(at + HASH_SIZE + 20, 0, 8); /* downloaded */
    at = put(at, request->left, 8);
    at = put(at, 0, 8); /* uploaded */
    at = put(at, request->event, 4);
    at = put(at, 0, 4); /* the address that it comes from */
    at = put(at, key_of(request->peer), 4);
    at = put(at, (uint32_t)request->numwant, 4);
    return put(at, port_of(request->peer), 2) - data;
}

/* Ask what is in a slot, or for a connection id first. */
static void ask(uint32_t index) {
    struct slot *slot = &slots[index];
    uint32_t address = slot->request.peer % addresses;
    struct outgoing *out = &outgoing[going_count];
    uint64_t time = now(CLOCK_MONOTONIC);
    slot->busy = true;
    slot->connecting =
        !connected_at[address] || time - connected_at[address] > CONNECTED_SECONDS * 1e9;
    slot->transaction = generation++ << 16 | index;
    slot->began = time;
    out->part.iov_len = write_datagram(out->data, slot);
    struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(&out->control.header);
    info->ipi_spec_dst.s_addr = htonl(FIRST_ADDRESS + address);
    if (++going_count == MOST_AT_ONCE)
        flush_datagrams();
}

static void release(uint32_t index) {
    slots[index].busy = false;
    free_slots[free_count++] = index;
}

/* Use the free slots; many at once, which is cheaper. */
static void fill_window(bool more) {
    if (free_count < (window < 64 ? (window + 3) / 4 : 16u) && !(filling && next_arrival < peers))
        return;
    while (more && free_count && (!filling || next_arrival < peers)) {
        uint32_t index = free_slots[--free_count];
        slots[index].request = filling ? arrival(next_arrival++) : next_request();
        ask(index);
    }
    flush_datagrams();
}

static void understand(const struct slot *slot, const uint8_t *data, size_t size) {
    const struct request *request = &slot->request;
    if (request->kind == SCRAPE) {
        if (size != 8 + 12 * MOST_SCRAPED)
            return wrong("a scrape's answer of another size", "", 0);
        return scrape_answered(slot->began);
    }
    if (size < 20)
        return wrong("an answer that is cut off", "", 0);
    announced(request, get(data + 8, 4), get(data + 16, 4), get(data + 12, 4), data + 20, size - 20,
              slot->began);
}

static void take(const uint8_t *data, size_t size) {
    uint32_t action = size < 8 ? 99 : (uint32_t)get(data, 4);
    uint32_t transaction = size < 8 ? 0 : (uint32_t)get(data + 4, 4);
    uint32_t index = transaction & 0xffff;
    struct slot *slot = &slots[index];
    if (size < 8 || index >= window) {
        wrong("an answer to nothing", "", 0);
        return;
    }
    if (!slot->busy || slot->transaction != transaction) {
        late++;
        return;
    }
    if (action != (slot->connecting ? CONNECT : slot->request.kind)) {
        wrong("not the answer to this", data + 8, size - 8);
        /* An id that is refused is asked for anew. */
        connected_at[slot->request.peer % addresses] = 0;
        return release(index);
    }
    if (!slot->connecting) {
        understand(slot, data, size);
        arrived++;
        return release(index);
    }
    if (size < 16)
        return wrong("an answer that is cut off", "", 0);
    connection_ids[slot->request.peer % addresses] = get(data + 8, 8);
    connected_at[slot->request.peer % addresses] = slot->began;
    connects += measuring;
    ask(index);
}

/* Give up what has not been answered for a second; while filling it is asked again. */
static void give_up(double seconds) {
    uint64_t time = now(CLOCK_MONOTONIC);
    for (uint32_t index = 0; index < window; index++) {
        if (!slots[index].busy || time - slots[index].began < seconds * 1e9)
            continue;
        lose();
        if (filling)
            ask(index);
        else
            release(index);
    }
    flush_datagrams();
}

static void run_datagrams(double seconds, bool more) {
    uint64_t began = now(CLOCK_MONOTONIC), end = began + (uint64_t)(seconds * 1e9), looked = began;
    while (filling ? arrived < peers : more || free_count < window) {
        uint64_t time = now(CLOCK_MONOTONIC);
        if (time >= end)
            return;
        if (time - looked > 100000000) {
            looked = time;
            give_up(1.0);
        }
        fill_window(more);
        int count = recvmmsg(udp_socket, coming, MOST_AT_ONCE, MSG_DONTWAIT, NULL);
        if (count < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            die("recvmmsg");
        for (int index = 0; index < count; index++)
            take(replies[index], coming[index].msg_len);
        flush_datagrams();
        if (count < 8)
            while (now(CLOCK_MONOTONIC) - time < PAUSE_NANOSECONDS)
                ;
    }
}

static void open_datagrams(uint16_t port) {
    int size = RECEIVE_BUFFER;
    struct sockaddr_in any = {.sin_family = AF_INET};
    tracker_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    tracker_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    udp_socket = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp_socket < 0 || bind(udp_socket, (struct sockaddr *)&any, sizeof any))
        die("socket");
    if (setsockopt(udp_socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(udp_socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    slots = calloc(window, sizeof *slots);
    free_slots = malloc(window * sizeof *free_slots);
    connection_ids = calloc(addresses, sizeof *connection_ids);
    connected_at = calloc(addresses, sizeof *connected_at);
    while (free_count < window) {
        free_slots[free_count] = free_count;
        free_count++;
    }
    for (unsigned index = 0; index < MOST_AT_ONCE; index++) {
        struct outgoing *out = &outgoing[index];
        out->part.iov_base = out->data;
        out->control.header.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        out->control.header.cmsg_level = IPPROTO_IP;
        out->control.header.cmsg_type = IP_PKTINFO;
        going[index].msg_hdr = (struct msghdr){
            &tracker_address, sizeof tracker_address, &out->part, 1, out->control.space,
            sizeof out->control.space, 0};
        parts[index] = (struct iovec){replies[index], MOST_REPLY};
        coming[index].msg_hdr = (struct msghdr){.msg_iov = &parts[index], .msg_iovlen = 1};
    }
}
