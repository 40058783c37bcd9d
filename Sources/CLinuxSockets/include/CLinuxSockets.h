#ifndef CLINUXSOCKETS_H
#define CLINUXSOCKETS_H

#include "Sockets.h"

#endif
