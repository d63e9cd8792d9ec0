/* Compiler attributes, and the one way to stop on a bug of our own. */
#ifndef CNNC_SUPPORT_ATTRIBUTES_H
#define CNNC_SUPPORT_ATTRIBUTES_H

#if defined(__GNUC__)
#define PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#define NORETURN __attribute__((noreturn))
#else
#define PRINTF(format_index, first_argument)
#define NORETURN
#endif

/* A bug in cnnc, never the user's fault: prints file:line of cnnc and the message, exit status 70. */
#define ICE(...) ice_at(__FILE__, __LINE__, __VA_ARGS__)
NORETURN void ice_at(const char *file, int line, const char *format, ...) PRINTF(3, 4);
NORETURN void out_of_memory(void); /* message on stderr, exit status 70 */

#endif
