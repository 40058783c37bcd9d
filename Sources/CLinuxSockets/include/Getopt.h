// getopt_long(3) without its global variables: Swift 6 refuses to read optind, optopt and optarg, and they are one
// set per process, so a parse runs between np_getopt_begin and np_getopt_end, which hold a lock.
#ifndef CLINUXSOCKETS_GETOPT_H
#define CLINUXSOCKETS_GETOPT_H

#include <stddef.h>

// struct option, getopt.h; Getopt.c compares size and offsets. An array of them ends with a name of NULL.
struct np_long_option {
    const char *name;
    int argument;
    int *flag;
    int code;
};

// What one call found: code is the option's, '?' for one refused, ':' for one without its value, -1 at the end.
struct np_getopt_step {
    int code;
    int refused;
    int next_index;
    const char *value;
};

// The argument vector that the process was started with, before any program of it ran.
int np_argument_count(void);
const char *np_argument(int index);

void np_getopt_begin(void);
struct np_getopt_step np_getopt_next(int count, char **arguments, const char *letters,
                                     const struct np_long_option *options);
void np_getopt_end(void);

#endif
