#define _GNU_SOURCE
#include "CLinuxSockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <net/if.h>
#include <net/route.h>
#include <linux/ipv6.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

static int set_name(struct ifreq *request, const char *name) {
    memset(request, 0, sizeof *request);
    if (strlen(name) >= sizeof request->ifr_name) {
        errno = ENODEV;
        return -1;
    }
    strcpy(request->ifr_name, name);
    return 0;
}

int np_set_interface_mtu(int socket, const char *name, int mtu) {
    struct ifreq request;
    if (set_name(&request, name) != 0) return -1;
    request.ifr_mtu = mtu;
    return ioctl(socket, SIOCSIFMTU, &request);
}

int np_set_interface_queue(int socket, const char *name, int packets) {
    struct ifreq request;
    if (set_name(&request, name) != 0) return -1;
    request.ifr_qlen = packets;
    return ioctl(socket, SIOCSIFTXQLEN, &request);
}

static int set_ipv4(int socket, unsigned long operation, const char *name, const uint8_t octets[4]) {
    struct ifreq request;
    if (set_name(&request, name) != 0) return -1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    memcpy(&address.sin_addr, octets, sizeof address.sin_addr);
    memcpy(&request.ifr_addr, &address, sizeof address);
    return ioctl(socket, operation, &request);
}

int np_set_ipv4_address(int socket, const char *name, const uint8_t address[4]) {
    return set_ipv4(socket, SIOCSIFADDR, name, address);
}

int np_set_ipv4_mask(int socket, const char *name, const uint8_t mask[4]) {
    return set_ipv4(socket, SIOCSIFNETMASK, name, mask);
}

int np_add_ipv6_address(int socket, uint32_t interface, const uint8_t address[16], uint32_t prefix_length) {
    struct in6_ifreq request = {.ifr6_prefixlen = prefix_length, .ifr6_ifindex = (int)interface};
    memcpy(&request.ifr6_addr, address, sizeof request.ifr6_addr);
    return ioctl(socket, SIOCSIFADDR, &request);
}

int np_add_ipv4_default_route(int socket, const char *name) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = (char *)name};
    memcpy(&route.rt_dst, &any, sizeof any);
    memcpy(&route.rt_genmask, &any, sizeof any);
    return ioctl(socket, SIOCADDRT, &route);
}

int np_add_ipv6_default_route(int socket, uint32_t interface) {
    struct in6_rtmsg route = {.rtmsg_metric = 1, .rtmsg_flags = RTF_UP, .rtmsg_ifindex = (int)interface};
    return ioctl(socket, SIOCADDRT, &route);
}

int np_bind_mount(const char *source, const char *target) {
    return mount(source, target, "none", MS_BIND, NULL);
}

int np_unmount(const char *target) {
    return umount2(target, MNT_DETACH);
}

pid_t np_fork(void) {
    return fork();
}

int np_set_parent_death_signal(int signal) {
    return prctl(PR_SET_PDEATHSIG, (unsigned long)signal);
}

int np_run_at_real_time_priority(void) {
    struct sched_param parameters = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters);
}
