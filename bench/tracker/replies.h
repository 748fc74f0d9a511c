/* What the tracker answered: counted, and looked at, so that nonsense is not taken for speed. */

#pragma once

#include "../latencies.h"
#include "population.h"

#define MOST_SHOWN 300
#define LONGEST_INTERVAL 86400u
/* A server that loses more while it is filled does not answer. */
#define MOST_LOST_OF_FILLING 100000u

static bool measuring;
/* While filling: the next peer to arrive, and how many have been answered. */
static bool filling;
static uint32_t next_arrival, arrived;
static uint64_t announces, scrapes, connects, errors, lost, late, peers_given;
/* Of all announces: the peers that the tracker counted, and those that are there. */
static uint64_t peers_counted, peers_there;

/* An answer that is no answer. The first of them is said. */
static void wrong(const char *why, const void *text, size_t size) {
    int shown = size < MOST_SHOWN ? (int)size : MOST_SHOWN;
    if (!errors++)
        fprintf(stderr, "load: %s: %.*s\n", why, shown, (const char *)text);
}

static void lose(void) {
    if (++lost > MOST_LOST_OF_FILLING && filling) {
        fprintf(stderr, "load: the tracker does not answer\n");
        exit(1);
    }
}

static void announced(const struct request *request, uint64_t interval, uint64_t complete,
                      uint64_t incomplete, const uint8_t *compact, size_t size, uint64_t began) {
    size_t given = size / 6;
    if (interval == 0 || interval > LONGEST_INTERVAL)
        return wrong("an interval that cannot be", "", 0);
    /* One more than there are: who announces may be counted by an old entry too. */
    if (complete + incomplete > sizes[request->torrent] + 1ull)
        return wrong("more peers counted than there are", "", 0);
    if (size % 6 || given > (size_t)numwant)
        return wrong("not so many peers were wanted", "", 0);
    if (given && !(belongs(compact, request->torrent) &&
                   belongs(compact + size - 6, request->torrent)))
        return wrong("a peer that is not of this torrent", "", 0);
    if (!measuring)
        return;
    record(now(CLOCK_MONOTONIC) - began);
    announces++;
    peers_given += given;
    peers_counted += complete + incomplete;
    peers_there += sizes[request->torrent];
}

static void scrape_answered(uint64_t began) {
    if (!measuring)
        return;
    record(now(CLOCK_MONOTONIC) - began);
    scrapes++;
}
