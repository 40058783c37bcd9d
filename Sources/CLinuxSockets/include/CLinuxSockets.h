#ifndef CLINUXSOCKETS_H
#define CLINUXSOCKETS_H

#include "Getopt.h"
#include "Labs.h"
#include "Sockets.h"

#endif
