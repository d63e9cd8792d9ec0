/* The version of cnnc: printed by --version and at the head of every generated file. */
#ifndef CNNC_VERSION_H
#define CNNC_VERSION_H

#define CNNC_VERSION "0.1.0"

#endif
