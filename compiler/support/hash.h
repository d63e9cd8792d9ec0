/* FNV-1a (Fowler, Noll, Vo; parameters from RFC 9923): names and fingerprints. */
#ifndef CNNC_SUPPORT_HASH_H
#define CNNC_SUPPORT_HASH_H

#include <stdint.h>

#include "support/str.h"

static inline uint32_t hash_fnv1a_32(Str text)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < text.len; ++i) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
    }
    return hash;
}

static inline uint64_t hash_fnv1a_64(Str text)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < text.len; ++i) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    }
    return hash;
}

#endif
