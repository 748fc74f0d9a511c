/* Who announces: torrents, their peers, and what each of them says next. All of it is drawn from
   seeds, so that every tracker is asked the same. */

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ADDRESS 0x7f010000u /* 127.1.0.0 */
#define FIRST_PORT 1025u
#define MOST_PORTS (65535u - FIRST_PORT)
#define SEEDS_PERCENT 30
#define HASH_SIZE 20
#define MOST_SCRAPED 4

/* Of 1,000 announces of peers that are there. Who has stopped comes back when it is next drawn. */
#define STOPPED_PERMILLE 10
#define COMPLETED_PERMILLE 10

enum event { NONE, COMPLETED, STARTED, STOPPED }; /* by their numbers in BEP 15 */
enum kind { CONNECT, ANNOUNCE, SCRAPE };
enum state { IS_SEED = 1, IS_GONE = 2 };

struct request {
    enum kind kind;
    uint32_t peer, torrent;
    enum event event;
    uint64_t left;
    int numwant;
};

static uint32_t torrents = 10000, peers = 500000, addresses = 1000;
static int numwant = 50, scrapes_permille = 10;
static uint64_t seed = 1, sequence = 1, draws;
static uint8_t (*info_hashes)[HASH_SIZE];
static uint32_t *sizes, *torrent_of;
static uint8_t *states;

/* SplitMix64. */
static uint64_t mixed(uint64_t value) {
    value += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

static uint64_t chance(uint64_t what, uint64_t which) {
    return mixed(mixed(seed * 1000 + what) + which);
}

static uint64_t draw(void) { return mixed(mixed(sequence << 32) + draws++); }

/* Torrents by Zipf's law with the exponent 1: the second has half the peers of the first. */
static void populate(void) {
    info_hashes = malloc((size_t)torrents * HASH_SIZE);
    sizes = calloc(torrents, sizeof *sizes);
    torrent_of = malloc(peers * sizeof *torrent_of);
    states = malloc(peers);
    double *sums = malloc(torrents * sizeof *sums), sum = 0;
    for (uint32_t torrent = 0; torrent < torrents; torrent++) {
        sums[torrent] = sum += 1.0 / (torrent + 1);
        for (int part = 0; part < HASH_SIZE / 4; part++) {
            uint32_t word = (uint32_t)chance(1, torrent * 8ull + part);
            memcpy(info_hashes[torrent] + part * 4, &word, 4);
        }
    }
    for (uint32_t peer = 0; peer < peers; peer++) {
        double place = (double)(chance(2, peer) >> 11) / (1ull << 53) * sum;
        uint32_t low = 0, high = torrents - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (sums[middle] <= place)
                low = middle + 1;
            else
                high = middle;
        }
        torrent_of[peer] = low;
        sizes[low]++;
        states[peer] = chance(3, peer) % 100 < SEEDS_PERCENT ? IS_SEED : 0;
    }
    free(sums);
}

static uint16_t port_of(uint32_t peer) { return (uint16_t)(FIRST_PORT + peer / addresses); }

/* As clients name themselves: who they are, then what need not be encoded in a URL. */
static void write_peer_id(uint32_t peer, char *target) {
    static const char letters[] = "0123456789-_"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz";
    uint64_t bits = chance(4, peer), more = chance(5, peer);
    memcpy(target, "-qB5030-", 8);
    for (int place = 8; place < 20; place++, bits >>= 6) {
        target[place] = letters[bits & 63];
        if (place == 17)
            bits = more;
    }
}

static uint32_t key_of(uint32_t peer) { return (uint32_t)chance(6, peer); }

/* Is this one of a torrent's peers, in the compact form of BEP 23? */
static bool belongs(const uint8_t *compact, uint32_t torrent) {
    uint32_t address = (uint32_t)compact[0] << 24 | compact[1] << 16 | compact[2] << 8 | compact[3];
    uint32_t port = compact[4] << 8 | compact[5];
    if (address < FIRST_ADDRESS || address - FIRST_ADDRESS >= addresses || port < FIRST_PORT)
        return false;
    uint64_t peer = (uint64_t)(port - FIRST_PORT) * addresses + (address - FIRST_ADDRESS);
    return peer < peers && torrent_of[peer] == torrent;
}

/* A peer's first announce. */
static struct request arrival(uint32_t peer) {
    struct request request = {ANNOUNCE, peer, torrent_of[peer], STARTED, 0, 0};
    request.left = states[peer] & IS_SEED ? 0 : 1 + chance(7, peer) % 4000000000;
    return request;
}

/* What one of all the peers says next. */
static struct request next_request(void) {
    uint32_t peer = (uint32_t)(draw() % peers);
    struct request request = arrival(peer);
    uint64_t number = draw() % 1000;
    request.numwant = numwant;
    if (draw() % 1000 < (uint64_t)scrapes_permille) {
        request.kind = SCRAPE;
    } else if (states[peer] & IS_GONE) {
        states[peer] &= ~IS_GONE;
    } else if (number < STOPPED_PERMILLE) {
        states[peer] |= IS_GONE;
        request.event = STOPPED;
        request.numwant = 0;
    } else if (number < STOPPED_PERMILLE + COMPLETED_PERMILLE && !(states[peer] & IS_SEED)) {
        states[peer] |= IS_SEED;
        request.event = COMPLETED;
        request.left = 0;
    } else {
        request.event = NONE;
    }
    return request;
}

/* The torrents of a scrape: the peer's own and some that are drawn from it. */
static uint32_t scraped(const struct request *request, uint32_t which) {
    if (!which)
        return request->torrent;
    return (uint32_t)(chance(8, request->peer * 8ull + which) % torrents);
}
