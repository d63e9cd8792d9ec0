/* Parts of a path. */
#ifndef CNNC_SUPPORT_PATH_H
#define CNNC_SUPPORT_PATH_H

#include "support/str.h"

/* "a/b/c" -> "a/b/", "c" -> "" */
static inline Str path_folder(Str path)
{
    while (path.len > 0 && path.ptr[path.len - 1] != '/') {
        --path.len;
    }
    return path;
}

/* "a/b/c" -> "c", "a/b/" -> "" */
static inline Str path_name(Str path)
{
    size_t folder = path_folder(path).len;
    return (Str){path.ptr + folder, path.len - folder};
}

#endif
