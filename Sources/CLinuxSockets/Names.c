#define _GNU_SOURCE
#include "Names.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

_Static_assert(NP_DNS_NO_SUCH_NAME == HOST_NOT_FOUND && NP_DNS_TRY_AGAIN == TRY_AGAIN
                   && NP_DNS_NO_RECOVERY == NO_RECOVERY && NP_DNS_NO_DATA == NO_DATA,
               "the reasons are netdb.h's");

int np_dns_text(const char *name, uint8_t *answer, int capacity, int *failure) {
    struct __res_state state;
    memset(&state, 0, sizeof state);
    *failure = NP_DNS_NO_RECOVERY;
    if (res_ninit(&state) != 0) return -1;
    int length = res_nquery(&state, name, ns_c_in, ns_t_txt, answer, capacity);
    if (length < 0) *failure = state.res_h_errno;
    res_nclose(&state);
    return length;
}
