// The least that echo probes cost: sendmmsg and recvmmsg over raw sockets, 64 packets a call.
//
//     prober sweep FIRST COUNT WORKERS           each address once, as fast as it goes
//     prober periodic FIRST COUNT SECONDS        a probe a second to each, spread over the second in ticks of 1 ms
//
// The targets are COUNT consecutive IPv4 addresses. Each worker has a socket, an identifier, a filter for it and its
// share of the targets. Answers are counted for each target by the number in their payload; it must fit their source.
// Prints one line: probes sent, targets or probes without an answer, microseconds from the first probe to the last
// answer, microseconds of processor time, and the microseconds by which the latest tick was late.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, payload = 56, message_length = 8 + payload, slot = 256, worker_limit = 16 };
enum { tick = 1000000, patience_ms = 1000, receive_buffer = 1 << 20 };

struct worker {
    pthread_t thread;
    int socket;
    uint16_t identifier;
    uint32_t begin, end, sent, answered;
    int64_t last_answer, worst;
    struct mmsghdr out[batch], in[batch];
    struct iovec out_parts[batch], in_parts[batch];
    struct sockaddr_in out_addresses[batch];
    uint8_t out_bytes[batch][message_length], in_bytes[batch][slot];
};

static uint32_t first, target_count, rounds = 1;
static uint8_t *answers;
static int64_t start;
static struct worker workers[worker_limit];

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_socket(struct worker *worker) {
    worker->socket = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (worker->socket < 0) fail("socket");
    // An echo reply with our identifier: X is the length of the IP header.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, worker->identifier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    if (setsockopt(worker->socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)) fail("filter");
    int size = receive_buffer, yes = 1;
    if (setsockopt(worker->socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) fail("SO_RCVBUFFORCE");
    // Without it a full queue looks like loss.
    if (setsockopt(worker->socket, IPPROTO_IP, IP_RECVERR, &yes, sizeof yes)) fail("IP_RECVERR");
    for (int i = 0; i < batch; i++) {
        worker->out_parts[i] = (struct iovec){worker->out_bytes[i], message_length};
        worker->in_parts[i] = (struct iovec){worker->in_bytes[i], slot};
        worker->out_addresses[i].sin_family = AF_INET;
        worker->out[i].msg_hdr = (struct msghdr){
            .msg_name = &worker->out_addresses[i], .msg_namelen = sizeof worker->out_addresses[i],
            .msg_iov = &worker->out_parts[i], .msg_iovlen = 1};
        worker->in[i].msg_hdr = (struct msghdr){.msg_iov = &worker->in_parts[i], .msg_iovlen = 1};
    }
}

static void write_probe(struct worker *worker, int i, uint32_t target, uint32_t round) {
    uint8_t *bytes = worker->out_bytes[i];
    uint16_t identifier = htons(worker->identifier), sequence = htons((uint16_t)round);
    bytes[0] = ICMP_ECHO;
    memset(bytes + 2, 0, 2);
    memcpy(bytes + 4, &identifier, 2);
    memcpy(bytes + 6, &sequence, 2);
    memcpy(bytes + 8, &target, 4);
    uint32_t sum = 0;
    for (int at = 0; at < message_length; at += 2) {
        uint16_t word;
        memcpy(&word, bytes + at, 2);
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    uint16_t checksum = (uint16_t)~sum;
    memcpy(bytes + 2, &checksum, 2);
    worker->out_addresses[i].sin_addr.s_addr = htonl(first + target);
}

static void send_batch(struct worker *worker, int count) {
    for (int done = 0; done < count;) {
        int sent = sendmmsg(worker->socket, worker->out + done, (unsigned)(count - done), 0);
        if (sent > 0) {
            done += sent;
        } else if (errno == ENOBUFS || errno == EAGAIN) {
            usleep(100);
        } else {
            fail("sendmmsg");
        }
    }
    worker->sent += (uint32_t)count;
}

static void receive_all(struct worker *worker) {
    for (int count = batch; count == batch;) {
        count = recvmmsg(worker->socket, worker->in, batch, MSG_DONTWAIT, NULL);
        for (int i = 0; i < count; i++) {
            const uint8_t *bytes = worker->in_bytes[i];
            uint32_t length = worker->in[i].msg_len, header = (uint32_t)(bytes[0] & 15) * 4;
            uint32_t source, target;
            if (length < header + message_length) continue;
            memcpy(&source, bytes + 12, 4);
            memcpy(&target, bytes + header + 8, 4);
            if (target >= target_count || ntohl(source) != first + target || answers[target] >= rounds) continue;
            answers[target]++;
            worker->answered++;
        }
        if (count > 0) worker->last_answer = now();
    }
}

static void wait_for_the_rest(struct worker *worker) {
    int64_t end = now() + (int64_t)patience_ms * 1000000;
    while (worker->answered < worker->sent && now() < end) {
        struct pollfd ready = {worker->socket, POLLIN, 0};
        poll(&ready, 1, 1);
        receive_all(worker);
    }
}

static void *sweep(void *argument) {
    struct worker *worker = argument;
    for (uint32_t target = worker->begin; target < worker->end;) {
        int count = 0;
        while (count < batch && target < worker->end) write_probe(worker, count++, target++, 1);
        send_batch(worker, count);
        receive_all(worker);
    }
    wait_for_the_rest(worker);
    return NULL;
}

static void *periodic(void *argument) {
    struct worker *worker = argument;
    uint64_t total = (uint64_t)target_count * rounds, taken = 0;
    for (int64_t due = start; taken < total; due += tick) {
        struct timespec time = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
        int64_t late = now() - due;
        if (late > worker->worst) worker->worst = late;
        receive_all(worker);
        uint64_t wanted = (uint64_t)(due + tick - start) * target_count / 1000000000;
        if (wanted > total) wanted = total;
        while (taken < wanted) {
            int count = 0;
            for (; count < batch && taken < wanted; taken++) {
                write_probe(worker, count++, (uint32_t)(taken % target_count), (uint32_t)(taken / target_count) + 1);
            }
            send_batch(worker, count);
            receive_all(worker);
        }
    }
    wait_for_the_rest(worker);
    return NULL;
}

int main(int count, char **arguments) {
    struct in_addr address;
    if (count != 5 || inet_pton(AF_INET, arguments[2], &address) != 1) {
        fprintf(stderr, "usage: prober sweep FIRST COUNT WORKERS | periodic FIRST COUNT SECONDS\n");
        return 2;
    }
    int is_periodic = strcmp(arguments[1], "periodic") == 0;
    int worker_count = is_periodic ? 1 : atoi(arguments[4]);
    first = ntohl(address.s_addr);
    target_count = (uint32_t)strtoul(arguments[3], NULL, 10);
    if (is_periodic) rounds = (uint32_t)atoi(arguments[4]);
    if (worker_count < 1 || worker_count > worker_limit || rounds < 1 || rounds > 255) return 2;
    answers = calloc(target_count ? target_count : 1, 1);
    if (!answers) return 2;
    for (int i = 0; i < worker_count; i++) {
        workers[i].identifier = (uint16_t)(getpid() * worker_limit + i);
        workers[i].begin = (uint32_t)((uint64_t)target_count * (unsigned)i / (unsigned)worker_count);
        workers[i].end = (uint32_t)((uint64_t)target_count * (unsigned)(i + 1) / (unsigned)worker_count);
        open_socket(&workers[i]);
    }
    start = now();
    for (int i = 1; i < worker_count; i++) {
        if (pthread_create(&workers[i].thread, NULL, sweep, &workers[i])) return 2;
    }
    (is_periodic ? periodic : sweep)(&workers[0]);
    for (int i = 1; i < worker_count; i++) pthread_join(workers[i].thread, NULL);
    uint64_t sent = 0, answered = 0;
    int64_t last = start, worst = 0;
    for (int i = 0; i < worker_count; i++) {
        sent += workers[i].sent;
        answered += workers[i].answered;
        if (workers[i].last_answer > last) last = workers[i].last_answer;
        if (workers[i].worst > worst) worst = workers[i].worst;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    int64_t processor = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
                        usage.ru_stime.tv_usec;
    printf("%llu %llu %lld %lld %lld\n", (unsigned long long)sent, (unsigned long long)(sent - answered),
           (long long)(last - start) / 1000, (long long)processor, (long long)worst / 1000);
    return 0;
}
