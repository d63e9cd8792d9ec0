/* For ThreadSanitizer: several pools at once, each with two callers, with more threads than processors, few tasks and
 * many, runs from inside tasks, and pauses in which threads fall asleep. Results are plain memory: that the end of a run
 * makes them visible is what is tested. Prints nothing but faults; ends with 0 where all is well. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cnn.h"

enum { POOLS = 4, CALLERS = 8, RUNS = 1500, FEW = 40, MANY = 5000 };

typedef struct Job {
    cnn_threads *pool;
    int nests;
    atomic_int inner;
    int results[MANY];
} Job;

static void inner_task(void *data, int index)
{
    (void)index;
    atomic_fetch_add(&((Job *)data)->inner, 1);
}

static void task(void *data, int index)
{
    Job *job = data;
    job->results[index] += index + 1;
    if (job->nests && index % 3 == 0) {
        cnn_threads_run(job->pool, inner_task, job, 3);
    }
}

static void check(int holds, const char *fault)
{
    if (!holds) {
        puts(fault);
        exit(1);
    }
}

static void *caller_main(void *pool)
{
    Job *job = calloc(1, sizeof *job);
    check(job != NULL, "no memory");
    job->pool = pool;
    unsigned random = 1;
    for (int run = 0; run < RUNS; ++run) {
        random = random * 1664525u + 1013904223u;
        int count = run % 500 == 499 ? MANY : (int)(random >> 24) % FEW, inner = 0;
        job->nests = (int)(random >> 20 & 1);
        atomic_store(&job->inner, 0);
        cnn_threads_run(pool, task, job, count);
        for (int i = 0; i < count; ++i) {
            check(job->results[i] == i + 1, "a task ran twice, or not at all");
            job->results[i] = 0;
            inner += job->nests && i % 3 == 0 ? 3 : 0;
        }
        check(atomic_load(&job->inner) == inner, "a run inside a task is not complete");
        if (random >> 16 & 1 && run % 64 == 0) {
            nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        }
    }
    free(job);
    return NULL;
}

int main(void)
{
    static const int threads[POOLS] = {2, 3, 8, 40};
    cnn_threads *pool[POOLS];
    pthread_t caller[CALLERS];
    for (int i = 0; i < POOLS; ++i) {
        check(cnn_threads_create(&pool[i], threads[i]) == CNN_OK, "no pool");
    }
    for (int i = 0; i < CALLERS; ++i) {
        check(pthread_create(&caller[i], NULL, caller_main, pool[i % POOLS]) == 0, "no thread");
    }
    for (int i = 0; i < CALLERS; ++i) {
        pthread_join(caller[i], NULL);
    }
    for (int i = 0; i < POOLS; ++i) {
        cnn_threads_destroy(pool[i]);
    }
    return 0;
}
