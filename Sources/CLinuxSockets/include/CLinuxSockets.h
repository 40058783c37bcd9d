#ifndef CLINUXSOCKETS_H
#define CLINUXSOCKETS_H

#include "Getopt.h"
#include "Labs.h"
#include "Names.h"
#include "Sockets.h"

#endif
