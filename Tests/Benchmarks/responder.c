// A host behind a TUN device that answers ICMP echo requests after a delay which it measures itself.
//
//     responder DEVICE LOW HIGH LOG spin|sleep
//
// Every request to any IPv4 address waits LOW to HIGH microseconds, drawn anew for each, and comes back with source
// and destination exchanged. LOG gets a line per reply: destination, identifier, sequence number, and the nanoseconds
// of CLOCK_MONOTONIC between the return of read() and the call of write(). What a tool measures beyond that is its
// own and the kernel's. The lines are kept in memory and written at SIGTERM: no file is touched while packets wait.
//
// How it waits decides what the log is worth, because a packet that lies in the device before read() takes it has
// already been sent. On an idle machine it must `spin`, on the last processor: to wake a halted virtual processor takes
// 50 us. Among busy processes it must `sleep` in a real-time class: there the processors are awake, it goes before
// everybody, and the kernel would stop a real-time process that spins for 50 ms of every second.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { waiting_limit = 256, log_limit = 1 << 20, packet_limit = 2048 };

struct packet {
    int64_t taken, due;
    int length;
    uint8_t bytes[packet_limit];
};

struct entry {
    uint32_t destination;
    uint16_t identifier, sequence;
    int64_t delay;
};

static struct packet waiting[waiting_limit];
static int waiting_count;
static struct entry *entries;
static int entry_count;
static volatile sig_atomic_t is_over;

static void stop(int signal) {
    (void)signal;
    is_over = 1;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(2);
}

// An echo request becomes its reply in place. Exchanging the addresses leaves the IP checksum as it was; the type
// changes from 8 to 0, which the ICMP checksum follows (RFC 1624).
static int turn(struct packet *packet) {
    uint8_t *bytes = packet->bytes;
    if (packet->length < 28 || bytes[0] >> 4 != 4 || bytes[9] != 1) return 0;
    int header = (bytes[0] & 15) * 4;
    if (header < 20 || packet->length < header + 8 || bytes[header] != 8 || bytes[header + 1] != 0) return 0;
    uint8_t source[4];
    memcpy(source, bytes + 12, 4);
    memcpy(bytes + 12, bytes + 16, 4);
    memcpy(bytes + 16, source, 4);
    uint32_t sum = (uint32_t)bytes[header + 2] << 8 | bytes[header + 3];
    sum += 0x0800;
    sum = (sum & 0xffff) + (sum >> 16);
    bytes[header] = 0;
    bytes[header + 2] = sum >> 8;
    bytes[header + 3] = sum & 0xff;
    return 1;
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: responder DEVICE LOW HIGH LOG spin|sleep\n");
        return 2;
    }
    int64_t low = atoll(arguments[2]) * 1000, high = atoll(arguments[3]) * 1000;
    if (low < 0 || high < low) return 2;
    entries = calloc(log_limit, sizeof *entries);
    if (!entries) die("calloc");
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0) die("/dev/net/tun");
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    strncpy(request.ifr_name, arguments[1], IFNAMSIZ - 1);
    if (ioctl(device, TUNSETIFF, &request) < 0) die("TUNSETIFF");
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) die("mlockall");
    int spins = strcmp(arguments[5], "spin") == 0;
    if (spins) {
        cpu_set_t last;
        CPU_ZERO(&last);
        CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
        if (sched_setaffinity(0, sizeof last, &last) < 0) die("sched_setaffinity");
        if (setpriority(PRIO_PROCESS, 0, -20) < 0) die("setpriority");
    } else {
        struct sched_param priority = {.sched_priority = 1};
        if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0) die("sched_setscheduler");
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    puts("ready");
    fflush(stdout);

    uint64_t random = 0x9e3779b97f4a7c15;
    while (!is_over) {
        int first = -1;
        for (int i = 0; i < waiting_count; i++)
            if (first < 0 || waiting[i].due < waiting[first].due) first = i;
        struct timespec patience, *limit = NULL;
        if (first >= 0) {
            int64_t left = waiting[first].due - now();
            if (left <= 0) {
                struct packet *packet = &waiting[first];
                uint8_t *bytes = packet->bytes;
                int header = (bytes[0] & 15) * 4;
                int64_t sent = now();
                int written = write(device, bytes, packet->length) == packet->length;
                if (written && entry_count < log_limit) {
                    struct entry *entry = &entries[entry_count++];
                    memcpy(&entry->destination, bytes + 12, 4);
                    entry->identifier = bytes[header + 4] << 8 | bytes[header + 5];
                    entry->sequence = bytes[header + 6] << 8 | bytes[header + 7];
                    entry->delay = sent - packet->taken;
                }
                *packet = waiting[--waiting_count];
                continue;
            }
            patience = (struct timespec){left / 1000000000, left % 1000000000};
            limit = &patience;
        }
        struct pollfd readable = {.fd = device, .events = waiting_count < waiting_limit ? POLLIN : 0};
        if (!spins && ppoll(&readable, 1, limit, NULL) < 0 && errno != EINTR) die("ppoll");
        while (waiting_count < waiting_limit) {
            struct packet *packet = &waiting[waiting_count];
            ssize_t length = read(device, packet->bytes, packet_limit);
            if (length <= 0) break;
            packet->taken = now();
            packet->length = (int)length;
            if (!turn(packet)) continue;
            random = random * 6364136223846793005 + 1442695040888963407;
            packet->due = packet->taken + low + (int64_t)((random >> 33) % (uint64_t)(high - low + 1));
            waiting_count++;
        }
    }
    FILE *log = fopen(arguments[4], "w");
    if (!log) die(arguments[4]);
    for (int i = 0; i < entry_count; i++) {
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &entries[i].destination, text, sizeof text);
        fprintf(log, "%s %u %u %lld\n", text, entries[i].identifier, entries[i].sequence, (long long)entries[i].delay);
    }
    return fclose(log) == 0 ? 0 : 2;
}
