// What Swift's Glibc module hides of the kernel's socket interface: structs, constants and forwards.
//
// Every function forwards one system call and leaves errno as it is set there. Nothing here needs _GNU_SOURCE, which
// would change the layout that other modules see; what does need it is mirrored and compared in Sockets.c.
#ifndef CLINUXSOCKETS_SOCKETS_H
#define CLINUXSOCKETS_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// struct mmsghdr, socket.h
struct np_mmsghdr {
    struct msghdr header;
    unsigned int length;
};

// struct sock_filter, linux/filter.h
struct np_filter {
    uint16_t code;
    uint8_t jump_true;
    uint8_t jump_false;
    uint32_t k;
};

// struct epoll_event without its packing
struct np_poll_event {
    uint64_t token;
    uint32_t readiness;
};

int np_sendmmsg(int socket, struct np_mmsghdr *messages, unsigned int count, int flags);
int np_recvmmsg(int socket, struct np_mmsghdr *messages, unsigned int count, int flags);
int np_accept4(int socket, struct sockaddr *address, socklen_t *length, int flags);

int np_attach_filter(int socket, const struct np_filter *program, unsigned short count);

int np_epoll_create(void);
int np_epoll_control(int epoll, int operation, int descriptor, uint32_t interest, uint64_t token);
int np_epoll_wait(int epoll, struct np_poll_event *events, int capacity, int timeout_milliseconds);
int np_timerfd_create(int clock);
int np_timerfd_set(int timer, int64_t seconds, int64_t nanoseconds);
int np_eventfd(void);
int np_signalfd(const int *signals, int count);
int np_signalfd_read(int descriptor);

int np_lease_flow_label(int socket, uint32_t label);

// pwritev2(2) at the file's own position with RWF_NOWAIT: EAGAIN where write(2) would wait.
long np_write_without_waiting(int descriptor, const void *bytes, size_t count);

int64_t np_clock(int clock);
int np_getrandom(void *bytes, size_t count);

int np_set_keep_capabilities(int keep);
int np_set_no_new_privileges(void);
int np_no_new_privileges(void);
int np_set_dumpable(int dumpable);
int np_clear_ambient(void);
int np_drop_bounding(int capability);
int np_real_ids(uid_t *user, gid_t *group);
int np_has_other_ids(void);
int np_set_all_ids(uid_t user, gid_t group);

int np_unshare_network(void);
int np_enter_network(int namespace_descriptor);
int np_set_interface_up(int socket, const char *name);
int np_interface_mtu(int socket, const char *name);
int np_tun_open(char name[16]);

int np_window_size(int terminal, uint16_t *columns, uint16_t *rows);

const char *np_error_name(int number);
const char *np_error_description(int number);

// Values of macros and enums, so that Swift sees one type for all of them.
extern const int32_t NP_SO_TIMESTAMPING, NP_SO_TIMESTAMPNS, NP_SO_RXQ_OVFL, NP_SO_MEMINFO, NP_SO_MARK,
    NP_SO_BINDTODEVICE, NP_SO_RCVBUFFORCE, NP_SO_SNDBUFFORCE, NP_SO_DETACH_FILTER, NP_SO_LOCK_FILTER, NP_SO_DOMAIN,
    NP_SO_PRIORITY, NP_SO_REUSEPORT;
extern const int32_t NP_SCM_TIMESTAMPING, NP_SCM_TIMESTAMPNS, NP_SCM_TS_OPT_ID;
extern const int32_t NP_SOL_IP, NP_SOL_IPV6, NP_SOL_RAW, NP_SOL_ICMPV6, NP_SOL_PACKET;
extern const int32_t NP_PACKET_TX_TIMESTAMP;
extern const int32_t NP_IP_RECVERR, NP_IP_RECVERR_RFC4884, NP_IP_RECVTTL, NP_IP_TTL, NP_IP_RECVTOS, NP_IP_TOS,
    NP_IP_PKTINFO, NP_IP_HDRINCL, NP_IP_MTU_DISCOVER, NP_IP_MTU, NP_IP_FREEBIND, NP_IP_TRANSPARENT,
    NP_IP_MULTICAST_TTL, NP_IP_MULTICAST_LOOP, NP_IP_MULTICAST_IF, NP_IP_OPTIONS, NP_IP_RECVOPTS,
    NP_IP_ADD_MEMBERSHIP;
extern const int32_t NP_IPV6_RECVERR, NP_IPV6_RECVERR_RFC4884, NP_IPV6_RECVHOPLIMIT, NP_IPV6_HOPLIMIT,
    NP_IPV6_UNICAST_HOPS, NP_IPV6_RECVTCLASS, NP_IPV6_TCLASS, NP_IPV6_RECVPKTINFO, NP_IPV6_PKTINFO, NP_IPV6_HDRINCL,
    NP_IPV6_MTU_DISCOVER, NP_IPV6_MTU, NP_IPV6_FREEBIND, NP_IPV6_TRANSPARENT, NP_IPV6_MULTICAST_HOPS,
    NP_IPV6_MULTICAST_LOOP, NP_IPV6_MULTICAST_IF, NP_IPV6_CHECKSUM, NP_IPV6_V6ONLY, NP_IPV6_AUTOFLOWLABEL,
    NP_IPV6_FLOWINFO_SEND, NP_IPV6_JOIN_GROUP, NP_IPV6_DONTFRAG;
extern const int32_t NP_ICMP_FILTER, NP_ICMP6_FILTER;

#endif
