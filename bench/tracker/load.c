/* Load for a tracker: peers of many torrents announce and scrape, so many at a time.

   load MODE PORT [NAME=VALUE ...]

   MODE is udp, http (a connection for each request) or keepalive (one for each address); `hashes`
   writes the info-hashes in hex instead. With fill=1 every peer announces itself once, without
   asking for others; else peers that are drawn announce for a while, and what is printed is of the
   seconds after the warm-up. See `names` below for what can be set. One line for each figure: its
   name and value; times in seconds. */

#define _GNU_SOURCE
#include "datagrams.h"
#include "streams.h"

#define LONGEST_FILLING 1800.0
#define MOST_WARMING 60

static double warm = 0.5, seconds = 3;
static long server_pid;

struct name {
    const char *name;
    enum { WORD, INTEGER, LONG_WORD, REAL, FLAG, PID } type;
    void *value;
};

static const struct name names[] = {
    {"torrents", WORD, &torrents},
    {"peers", WORD, &peers},
    {"addresses", WORD, &addresses}, /* that the peers have; each has many ports */
    {"numwant", INTEGER, &numwant},
    {"scrapes", INTEGER, &scrapes_permille}, /* of 1,000 requests */
    {"seed", LONG_WORD, &seed},              /* of the population */
    {"sequence", LONG_WORD, &sequence},      /* of the order in which peers announce */
    {"window", WORD, &window},               /* requests that are under way at a time */
    {"warm", REAL, &warm},
    {"seconds", REAL, &seconds},
    {"fill", FLAG, &filling},
    {"pid", PID, &server_pid}, /* of the server, whose CPU time is to be measured */
};

static void set(const char *argument) {
    const char *value = strchr(argument, '=');
    for (size_t index = 0; value && index < sizeof names / sizeof *names; index++) {
        const struct name *one = &names[index];
        if (strlen(one->name) != (size_t)(value - argument) ||
            strncmp(one->name, argument, value - argument))
            continue;
        switch (one->type) {
        case WORD: *(uint32_t *)one->value = (uint32_t)atol(value + 1); return;
        case INTEGER: *(int *)one->value = atoi(value + 1); return;
        case LONG_WORD: *(uint64_t *)one->value = strtoull(value + 1, NULL, 10); return;
        case REAL: *(double *)one->value = atof(value + 1); return;
        case FLAG: *(bool *)one->value = atoi(value + 1) != 0; return;
        case PID: *(long *)one->value = atol(value + 1); return;
        }
    }
    fprintf(stderr, "load: %s: not known\n", argument);
    exit(2);
}

struct usage {
    uint64_t wall, cpu;
    unsigned long user_ticks, kernel_ticks;
};

/* What the server has taken until now. Its clock is exact; ticks tell how much is the kernel's. */
static struct usage usage(void) {
    struct usage usage = {now(CLOCK_MONOTONIC), 0, 0, 0};
    char path[64], line[1024] = "";
    clockid_t clock;
    if (!server_pid)
        return usage;
    if ((errno = clock_getcpuclockid((pid_t)server_pid, &clock)))
        die("the server's CPU clock");
    usage.cpu = now(clock);
    snprintf(path, sizeof path, "/proc/%ld/stat", server_pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file))
        die(path);
    fclose(file);
    const char *after = strrchr(line, ')');
    sscanf(after ? after + 1 : "", " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
           &usage.user_ticks, &usage.kernel_ticks);
    return usage;
}

static void report(struct usage before, struct usage after) {
    double cpu = (after.cpu - before.cpu) * 1e-9;
    double user = after.user_ticks - before.user_ticks;
    double kernel = after.kernel_ticks - before.kernel_ticks;
    printf("seconds %.6f\n", (after.wall - before.wall) * 1e-9);
    printf("cpu %.6f\n", cpu);
    printf("kernel %.6f\n", cpu * (user + kernel > 0 ? kernel / (user + kernel) : 0));
    printf("announces %llu\n", (unsigned long long)announces);
    printf("scrapes %llu\n", (unsigned long long)scrapes);
    printf("connects %llu\n", (unsigned long long)connects);
    printf("peers_given %llu\n", (unsigned long long)peers_given);
    printf("peers_counted %llu\n", (unsigned long long)peers_counted);
    printf("peers_there %llu\n", (unsigned long long)peers_there);
    printf("errors %llu\n", (unsigned long long)errors);
    printf("lost %llu\n", (unsigned long long)lost);
    printf("late %llu\n", (unsigned long long)late);
    printf("p50 %.9f\n", percentile(0.5));
    printf("p99 %.9f\n", percentile(0.99));
}

static void write_hashes(void) {
    for (uint32_t torrent = 0; torrent < torrents; torrent++, putchar('\n'))
        for (int place = 0; place < HASH_SIZE; place++)
            printf("%02x", info_hashes[torrent][place]);
}

static void measure(void (*run)(double seconds, bool more)) {
    struct usage before, after;
    if (filling) {
        measuring = true;
        before = usage();
        run(LONGEST_FILLING, true);
        after = usage();
        if (arrived < peers)
            lost += peers - arrived;
        return report(before, after);
    }
    run(warm, true);
    /* All connections are there when measuring begins. */
    for (int tries = 0; keeps && opened < addresses && tries < MOST_WARMING; tries++)
        run(0.5, true);
    /* What went wrong while it warmed up is wrong too, but nothing is lost before it is late. */
    measuring = true;
    opened = 0;
    before = usage();
    run(seconds, true);
    after = usage();
    connects += opened;
    measuring = false;
    run(1.0, false);
    report(before, after);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: load udp|http|keepalive|hashes PORT [NAME=VALUE ...]\n");
        return 2;
    }
    for (int index = 3; index < argc; index++)
        set(argv[index]);
    if (!torrents || !peers || !addresses || peers / addresses >= MOST_PORTS || !window ||
        window > MOST_WINDOW) {
        fprintf(stderr, "load: such a population or window cannot be\n");
        return 2;
    }
    populate();
    if (!strcmp(argv[1], "hashes")) {
        write_hashes();
    } else if (!strcmp(argv[1], "udp")) {
        open_datagrams((uint16_t)atoi(argv[2]));
        measure(run_datagrams);
    } else {
        open_streams((uint16_t)atoi(argv[2]), !strcmp(argv[1], "keepalive"));
        measure(run_streams);
    }
    return 0;
}
