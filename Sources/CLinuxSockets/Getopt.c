#define _GNU_SOURCE
#include "Getopt.h"

#include <getopt.h>
#include <pthread.h>

_Static_assert(sizeof(struct np_long_option) == sizeof(struct option), "size of struct option");
_Static_assert(offsetof(struct np_long_option, name) == offsetof(struct option, name), "offset of name");
_Static_assert(offsetof(struct np_long_option, argument) == offsetof(struct option, has_arg), "offset of has_arg");
_Static_assert(offsetof(struct np_long_option, flag) == offsetof(struct option, flag), "offset of flag");
_Static_assert(offsetof(struct np_long_option, code) == offsetof(struct option, val), "offset of val");

static int argument_count;
static char **arguments_at_start;

// glibc gives constructors what it gives main.
__attribute__((constructor)) static void remember_arguments(int count, char **arguments) {
    argument_count = count;
    arguments_at_start = arguments;
}

int np_argument_count(void) {
    return argument_count;
}

const char *np_argument(int index) {
    return index >= 0 && index < argument_count ? arguments_at_start[index] : NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void np_getopt_begin(void) {
    pthread_mutex_lock(&lock);
    // 0 and not 1: glibc then also forgets what it knew of the last argument vector.
    optind = 0;
    opterr = 0;
}

struct np_getopt_step np_getopt_next(int count, char **arguments, const char *letters,
                                     const struct np_long_option *options) {
    optopt = 0;
    optarg = NULL;
    struct np_getopt_step step;
    step.code = getopt_long(count, arguments, letters, (const struct option *)options, NULL);
    step.refused = optopt;
    step.next_index = optind;
    step.value = optarg;
    return step;
}

void np_getopt_end(void) { pthread_mutex_unlock(&lock); }
