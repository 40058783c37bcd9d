// Questions to the DNS that the C library's interface of names does not have.
#ifndef CLINUXSOCKETS_NAMES_H
#define CLINUXSOCKETS_NAMES_H

#include <stdint.h>

// Values of netdb.h as they come in `failure`.
enum np_dns_failure {
    NP_DNS_NO_SUCH_NAME = 1,
    NP_DNS_TRY_AGAIN = 2,
    NP_DNS_NO_RECOVERY = 3,
    NP_DNS_NO_DATA = 4,
};

// res_nquery(3) for TXT records, with a state of its own that any thread may use. Returns the length of the answer, of
// which at most `capacity` bytes are there, or -1 with the reason in `failure`.
int np_dns_text(const char *name, uint8_t *answer, int capacity, int *failure);

#endif
