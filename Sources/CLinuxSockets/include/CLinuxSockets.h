#ifndef CLINUXSOCKETS_H
#define CLINUXSOCKETS_H

#endif
