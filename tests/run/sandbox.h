/* For tests that run programs: a folder of their own, command lines, files, shared objects. Every fault fails the test,
 * with what the command printed. */
#ifndef TESTS_RUN_SANDBOX_H
#define TESTS_RUN_SANDBOX_H

#include "support/arena.h"

/* Whether the tests, and cnnc with them, are compiled with ASan and UBSan (and are slow). */
#if defined(__SANITIZE_ADDRESS__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

const char *sandbox_build(void); /* the build folder: $CNNC_BUILD, or "build" */
/* Whether the shell finds a program of this name: tests skip what the machine has no compiler or emulator for. */
bool sandbox_has_program(const char *name);

/* $CNNC_BUILD/tmp/NAME, empty. Lives in `arena`, as does every text below. */
const char *sandbox_create(Arena *arena, const char *name);

/* Runs a command line of the shell; what it prints goes to log.txt in `folder`, and to *output. Returns its exit
 * status. */
int sandbox_run(Arena *arena, const char *folder, Str line, Str *output);
/* The same where only success will do; returns what it printed. */
Str sandbox_expect(Arena *arena, const char *folder, Str line);

void sandbox_write(Arena *arena, const char *folder, const char *name, Str text);
Str sandbox_read(Arena *arena, const char *folder, const char *name);

void *sandbox_load(Arena *arena, const char *folder, const char *name); /* dlopen of a shared object in `folder` */
void *sandbox_symbol(void *library, const char *name);

/* At least `bytes`, aligned as arenas and weights must be, every byte `fill`; free() releases it. */
void *sandbox_memory(size_t bytes, int fill);

#endif
