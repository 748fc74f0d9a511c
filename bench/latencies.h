/* What every load needs: clocks, and a histogram of latencies. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Latencies are counted in 64 steps to each power of two of nanoseconds: exact to 1.6 %. */
#define STEPS 64
#define BUCKETS (STEPS * 64)

static uint64_t latencies, counts[BUCKETS];

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time))
        die("the server's CPU clock");
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void record(uint64_t nanoseconds) {
    unsigned power = 0;
    while (nanoseconds >> power >= 2 * STEPS)
        power++;
    unsigned bucket = power * STEPS + (unsigned)(nanoseconds >> power);
    counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    latencies++;
}

static double percentile(double part) {
    uint64_t seen = 0, wanted = (uint64_t)(part * latencies);
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        seen += counts[bucket];
        if (counts[bucket] && seen > wanted) {
            unsigned power = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
            return (double)((uint64_t)(bucket - power * STEPS) << power) * 1e-9;
        }
    }
    return 0;
}
