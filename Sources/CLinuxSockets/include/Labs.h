// What a program needs to build a network by itself: addresses, routes, mounts and a second process.
//
// As in Sockets.h, every function forwards to one system call and leaves errno as it is set there.
#ifndef CLINUXSOCKETS_LABS_H
#define CLINUXSOCKETS_LABS_H

#include <stdint.h>
#include <sys/types.h>

int np_set_interface_mtu(int socket, const char *name, int mtu);
int np_set_interface_queue(int socket, const char *name, int packets);
// The address as 4 or 16 octets in network byte order, over a socket of its family.
int np_set_ipv4_address(int socket, const char *name, const uint8_t address[4]);
int np_set_ipv4_mask(int socket, const char *name, const uint8_t mask[4]);
int np_add_ipv6_address(int socket, uint32_t interface, const uint8_t address[16], uint32_t prefix_length);
int np_add_ipv4_default_route(int socket, const char *name);
int np_add_ipv6_default_route(int socket, uint32_t interface);

int np_bind_mount(const char *source, const char *target);
int np_unmount(const char *target);

pid_t np_fork(void);
int np_set_parent_death_signal(int signal);
int np_run_at_real_time_priority(void);

#endif
