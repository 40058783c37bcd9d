#define _GNU_SOURCE
#include "CLinuxSockets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct np_mmsghdr) == sizeof(struct mmsghdr), "mmsghdr");
_Static_assert(offsetof(struct np_mmsghdr, length) == offsetof(struct mmsghdr, msg_len), "mmsghdr");
_Static_assert(sizeof(struct np_filter) == sizeof(struct sock_filter), "sock_filter");
_Static_assert(offsetof(struct np_filter, jump_true) == offsetof(struct sock_filter, jt), "sock_filter");
_Static_assert(offsetof(struct np_filter, jump_false) == offsetof(struct sock_filter, jf), "sock_filter");
_Static_assert(offsetof(struct np_filter, k) == offsetof(struct sock_filter, k), "sock_filter");
// The walk over control messages in Swift reads these layouts.
_Static_assert(sizeof(struct cmsghdr) == sizeof(size_t) + 8, "cmsghdr");
_Static_assert(CMSG_ALIGN(1) == sizeof(size_t), "CMSG_ALIGN");
_Static_assert(sizeof(struct timespec) == 16, "timespec");
_Static_assert(sizeof(struct in_pktinfo) == 12 && offsetof(struct in_pktinfo, ipi_addr) == 8, "in_pktinfo");
_Static_assert(sizeof(struct in6_pktinfo) == 20 && offsetof(struct in6_pktinfo, ipi6_ifindex) == 16, "in6_pktinfo");
_Static_assert(sizeof(struct sock_extended_err) == 16, "sock_extended_err");
_Static_assert(sizeof(struct icmp6_filter) == 32, "icmp6_filter");

int np_sendmmsg(int socket, struct np_mmsghdr *messages, unsigned int count, int flags) {
    return sendmmsg(socket, (struct mmsghdr *)messages, count, flags);
}

int np_recvmmsg(int socket, struct np_mmsghdr *messages, unsigned int count, int flags) {
    return recvmmsg(socket, (struct mmsghdr *)messages, count, flags, NULL);
}

int np_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags) {
    return accept4(socket, address, length, flags);
}

int np_attach_filter(int socket, const struct np_filter *program, unsigned short count) {
    struct sock_fprog filter = {.len = count, .filter = (struct sock_filter *)program};
    return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

int np_epoll_create(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

int np_epoll_control(int epoll, int operation, int descriptor, uint32_t interest, uint64_t token) {
    struct epoll_event event = {.events = interest, .data.u64 = token};
    return epoll_ctl(epoll, operation, descriptor, &event);
}

int np_epoll_wait(int epoll, struct np_poll_event *events, int capacity, int timeout_milliseconds) {
    struct epoll_event packed[64];
    if (capacity > 64) capacity = 64;
    int count = epoll_wait(epoll, packed, capacity, timeout_milliseconds);
    for (int i = 0; i < count; i++) {
        events[i].token = packed[i].data.u64;
        events[i].readiness = packed[i].events;
    }
    return count;
}

int np_timerfd_create(int clock) {
    return timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK);
}

int np_timerfd_set(int timer, int64_t seconds, int64_t nanoseconds) {
    struct itimerspec once = {.it_value = {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    return timerfd_settime(timer, TFD_TIMER_ABSTIME, &once, NULL);
}

int np_eventfd(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int np_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++)
        if (sigaddset(&set, signals[i]) != 0) return -1;
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int np_signalfd_read(int descriptor) {
    struct signalfd_siginfo information;
    ssize_t count = read(descriptor, &information, sizeof information);
    return count == sizeof information ? (int)information.ssi_signo : -1;
}

// struct in6_flowlabel_req, linux/in6.h, which clashes with netinet/in.h
struct flow_label_request {
    struct in6_addr destination;
    uint32_t label;
    uint8_t action, share;
    uint16_t flags, expires, linger;
    uint32_t padding;
};
_Static_assert(sizeof(struct flow_label_request) == 32, "in6_flowlabel_req");

int np_lease_flow_label(int socket, uint32_t label) {
    // IPV6_FL_A_GET, IPV6_FL_S_ANY, IPV6_FL_F_CREATE; the destination only has to be one of a host.
    struct flow_label_request request = {
        .destination = IN6ADDR_LOOPBACK_INIT, .label = htonl(label), .action = 0, .share = 255, .flags = 1};
    return setsockopt(socket, IPPROTO_IPV6, 32 /* IPV6_FLOWLABEL_MGR */, &request, sizeof request);
}

int64_t np_clock(int clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) return -1;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

long np_write_without_waiting(int descriptor, const void *bytes, size_t count) {
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
    return pwritev2(descriptor, &vector, 1, -1, RWF_NOWAIT);
}

int np_getrandom(void *bytes, size_t count) {
    return (int)getrandom(bytes, count, 0);
}

int np_set_keep_capabilities(int keep) {
    return prctl(PR_SET_KEEPCAPS, keep, 0, 0, 0);
}

int np_set_no_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int np_no_new_privileges(void) {
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

int np_set_dumpable(int dumpable) {
    return prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
}

int np_clear_ambient(void) {
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int np_drop_bounding(int capability) {
    return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

int np_real_ids(uid_t *user, gid_t *group) {
    uid_t other_user[2];
    gid_t other_group[2];
    if (getresuid(user, &other_user[0], &other_user[1]) != 0) return -1;
    return getresgid(group, &other_group[0], &other_group[1]);
}

int np_has_other_ids(void) {
    uid_t user[3];
    gid_t group[3];
    if (getresuid(&user[0], &user[1], &user[2]) != 0 || getresgid(&group[0], &group[1], &group[2]) != 0) return -1;
    return user[0] != user[1] || user[0] != user[2] || group[0] != group[1] || group[0] != group[2];
}

int np_set_all_ids(uid_t user, gid_t group) {
    if (setresgid(group, group, group) != 0) return -1;
    return setresuid(user, user, user);
}

int np_unshare_network(void) {
    return unshare(CLONE_NEWNET);
}

int np_enter_network(int namespace_descriptor) {
    return setns(namespace_descriptor, CLONE_NEWNET);
}

static int copy_name(struct ifreq *request, const char *name) {
    memset(request, 0, sizeof *request);
    if (strlen(name) >= sizeof request->ifr_name) {
        errno = ENODEV;
        return -1;
    }
    strcpy(request->ifr_name, name);
    return 0;
}

int np_set_interface_up(int socket, const char *name) {
    struct ifreq request;
    if (copy_name(&request, name) != 0 || ioctl(socket, SIOCGIFFLAGS, &request) != 0) return -1;
    request.ifr_flags |= IFF_UP;
    return ioctl(socket, SIOCSIFFLAGS, &request);
}

int np_interface_mtu(int socket, const char *name) {
    struct ifreq request;
    if (copy_name(&request, name) != 0 || ioctl(socket, SIOCGIFMTU, &request) != 0) return -1;
    return request.ifr_mtu;
}

int np_tun_open(char name[16]) {
    struct ifreq request;
    if (copy_name(&request, name) != 0) return -1;
    int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (device < 0) return -1;
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(device, TUNSETIFF, &request) != 0) {
        int error = errno;
        close(device);
        errno = error;
        return -1;
    }
    memcpy(name, request.ifr_name, sizeof request.ifr_name);
    return device;
}

int np_window_size(int terminal, uint16_t *columns, uint16_t *rows) {
    struct winsize size;
    if (ioctl(terminal, TIOCGWINSZ, &size) != 0) return -1;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

const char *np_error_name(int number) {
    return strerrorname_np(number);
}

const char *np_error_description(int number) {
    return strerrordesc_np(number);
}

// Linux 6.13, asm-generic/socket.h
#ifndef SCM_TS_OPT_ID
#define SCM_TS_OPT_ID 81
#endif

const int32_t NP_SO_TIMESTAMPING = SO_TIMESTAMPING, NP_SO_TIMESTAMPNS = SO_TIMESTAMPNS, NP_SO_RXQ_OVFL = SO_RXQ_OVFL,
              NP_SO_MEMINFO = SO_MEMINFO, NP_SO_MARK = SO_MARK, NP_SO_BINDTODEVICE = SO_BINDTODEVICE,
              NP_SO_RCVBUFFORCE = SO_RCVBUFFORCE, NP_SO_SNDBUFFORCE = SO_SNDBUFFORCE,
              NP_SO_DETACH_FILTER = SO_DETACH_FILTER, NP_SO_LOCK_FILTER = SO_LOCK_FILTER, NP_SO_DOMAIN = SO_DOMAIN,
              NP_SO_PRIORITY = SO_PRIORITY, NP_SO_REUSEPORT = SO_REUSEPORT;
const int32_t NP_SCM_TIMESTAMPING = SCM_TIMESTAMPING, NP_SCM_TIMESTAMPNS = SCM_TIMESTAMPNS,
              NP_SCM_TS_OPT_ID = SCM_TS_OPT_ID;
const int32_t NP_SOL_IP = SOL_IP, NP_SOL_IPV6 = SOL_IPV6, NP_SOL_RAW = SOL_RAW, NP_SOL_ICMPV6 = SOL_ICMPV6,
              NP_SOL_PACKET = SOL_PACKET;
// linux/if_packet.h, which clashes with netpacket/packet.h
const int32_t NP_PACKET_TX_TIMESTAMP = 16;
const int32_t NP_IP_RECVERR = IP_RECVERR, NP_IP_RECVERR_RFC4884 = IP_RECVERR_RFC4884, NP_IP_RECVTTL = IP_RECVTTL,
              NP_IP_TTL = IP_TTL, NP_IP_RECVTOS = IP_RECVTOS, NP_IP_TOS = IP_TOS, NP_IP_PKTINFO = IP_PKTINFO,
              NP_IP_HDRINCL = IP_HDRINCL, NP_IP_MTU_DISCOVER = IP_MTU_DISCOVER, NP_IP_MTU = IP_MTU,
              NP_IP_FREEBIND = IP_FREEBIND, NP_IP_TRANSPARENT = IP_TRANSPARENT,
              NP_IP_MULTICAST_TTL = IP_MULTICAST_TTL, NP_IP_MULTICAST_LOOP = IP_MULTICAST_LOOP,
              NP_IP_MULTICAST_IF = IP_MULTICAST_IF, NP_IP_OPTIONS = IP_OPTIONS, NP_IP_RECVOPTS = IP_RECVOPTS,
              NP_IP_ADD_MEMBERSHIP = IP_ADD_MEMBERSHIP;
const int32_t NP_IPV6_RECVERR = IPV6_RECVERR, NP_IPV6_RECVERR_RFC4884 = IPV6_RECVERR_RFC4884,
              NP_IPV6_RECVHOPLIMIT = IPV6_RECVHOPLIMIT, NP_IPV6_HOPLIMIT = IPV6_HOPLIMIT,
              NP_IPV6_UNICAST_HOPS = IPV6_UNICAST_HOPS, NP_IPV6_RECVTCLASS = IPV6_RECVTCLASS,
              NP_IPV6_TCLASS = IPV6_TCLASS, NP_IPV6_RECVPKTINFO = IPV6_RECVPKTINFO, NP_IPV6_PKTINFO = IPV6_PKTINFO,
              NP_IPV6_HDRINCL = IPV6_HDRINCL, NP_IPV6_MTU_DISCOVER = IPV6_MTU_DISCOVER, NP_IPV6_MTU = IPV6_MTU,
              NP_IPV6_FREEBIND = IPV6_FREEBIND, NP_IPV6_TRANSPARENT = IPV6_TRANSPARENT,
              NP_IPV6_MULTICAST_HOPS = IPV6_MULTICAST_HOPS, NP_IPV6_MULTICAST_LOOP = IPV6_MULTICAST_LOOP,
              NP_IPV6_MULTICAST_IF = IPV6_MULTICAST_IF, NP_IPV6_CHECKSUM = IPV6_CHECKSUM,
              NP_IPV6_V6ONLY = IPV6_V6ONLY, NP_IPV6_AUTOFLOWLABEL = 70, NP_IPV6_FLOWINFO_SEND = 33,
              NP_IPV6_JOIN_GROUP = IPV6_JOIN_GROUP, NP_IPV6_DONTFRAG = IPV6_DONTFRAG;
const int32_t NP_ICMP_FILTER = 1, NP_ICMP6_FILTER = ICMP6_FILTER;
