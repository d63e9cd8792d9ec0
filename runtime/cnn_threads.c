/* A pool of threads for cnn_parallel_for (POSIX threads, C11 atomics).
 *
 * A run is published as one 64-bit ticket: number of the run, count of tasks, next task. Whoever moves `next` up by
 * compare-and-swap owns that task, so a thread that comes late, with the ticket of a run that is over, fails the swap
 * and touches nothing. The caller works too and returns when all tasks are done; it never waits for a thread that got
 * none.
 *
 * Between runs threads poll the ticket a bounded number of times, then sleep: layers of a network follow each other
 * within microseconds, while an idle network costs no processor time.
 *
 * A run from inside a task, or while another thread's run is going on, is carried out by its caller alone: correct,
 * only not faster. So one pool may serve several networks on several threads. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "cnn.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    THREADS_MAX = 256,
    COUNT_MAX = 0xFFFF, /* tasks of one ticket; longer runs take several */
    POLLS = 4096,       /* before sleeping: some microseconds */
    POLLS_A_YIELD = 64  /* lets another thread run where there are fewer processors than threads */
};

struct cnn_threads {
    /* The run going on: written by its caller before the ticket, constant while any of its tasks is not done. */
    cnn_task *task;
    void *data;
    int first; /* index of the ticket's task 0 */

    _Atomic uint64_t ticket; /* run << 32 | count << 16 | next */
    atomic_int done;         /* finished tasks of the run */
    atomic_bool busy;        /* a run is going on */
    atomic_bool stopping;
    atomic_int sleepers;      /* threads that wait for `work` */
    atomic_bool caller_waits; /* for `finished` */

    pthread_mutex_t mutex; /* only for sleeping */
    pthread_cond_t work, finished;

    int threads; /* started, without the caller */
    pthread_t thread[THREADS_MAX];
};

static int ticket_next(uint64_t ticket)
{
    return (int)(ticket & 0xFFFF);
}

static int ticket_count(uint64_t ticket)
{
    return (int)(ticket >> 16 & 0xFFFF);
}

static uint64_t ticket_make(uint32_t run, int count)
{
    return (uint64_t)run << 32 | (uint64_t)count << 16;
}

static bool has_work(cnn_threads *pool)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    return ticket_next(ticket) < ticket_count(ticket);
}

static void wake_caller(cnn_threads *pool)
{
    if (atomic_load(&pool->caller_waits)) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->mutex);
    }
}

/* Takes and carries out tasks until none is left to take. */
static void work(cnn_threads *pool)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    while (ticket_next(ticket) < ticket_count(ticket)) {
        if (atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1)) {
            pool->task(pool->data, pool->first + ticket_next(ticket));
            if (atomic_fetch_add(&pool->done, 1) + 1 == ticket_count(ticket)) {
                wake_caller(pool);
            }
            ticket = atomic_load(&pool->ticket);
        }
    }
}

/* Waits for tasks, or for the end: polls, then sleeps. Both this and publish() write their flag before they read the
 * other's, in one order that all threads see, so either the sleeper sees the work or the publisher sees the sleeper. */
static void wait_for_work(cnn_threads *pool)
{
    for (int poll = 1; poll <= POLLS; ++poll) {
        if (has_work(pool) || atomic_load(&pool->stopping)) {
            return;
        }
        if (poll % POLLS_A_YIELD == 0) {
            sched_yield();
        }
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!has_work(pool) && !atomic_load(&pool->stopping)) {
        pthread_cond_wait(&pool->work, &pool->mutex);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *thread_main(void *argument)
{
    cnn_threads *pool = argument;
    while (!atomic_load(&pool->stopping)) {
        work(pool);
        wait_for_work(pool);
    }
    return NULL;
}

static void wake_sleepers(cnn_threads *pool)
{
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void wait_until_done(cnn_threads *pool, int count)
{
    for (int poll = 1; poll <= POLLS; ++poll) {
        if (atomic_load(&pool->done) == count) {
            return;
        }
        if (poll % POLLS_A_YIELD == 0) {
            sched_yield();
        }
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_waits, true);
    while (atomic_load(&pool->done) != count) {
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    atomic_store(&pool->caller_waits, false);
    pthread_mutex_unlock(&pool->mutex);
}

/* At most COUNT_MAX tasks, first .. first + count - 1. Only the caller that set `busy` gets here. */
static void run_ticket(cnn_threads *pool, cnn_task *task, void *data, int first, int count)
{
    uint32_t run = (uint32_t)(atomic_load(&pool->ticket) >> 32);
    pool->task = task;
    pool->data = data;
    pool->first = first;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, ticket_make(run + 1, count));
    wake_sleepers(pool);
    work(pool);
    wait_until_done(pool, count);
}

void cnn_threads_run(void *context, cnn_task *task, void *data, int count)
{
    cnn_threads *pool = context;
    if (pool == NULL || pool->threads == 0 || count == 1 || atomic_exchange(&pool->busy, true)) {
        for (int index = 0; index < count; ++index) {
            task(data, index);
        }
        return;
    }
    for (int first = 0; first < count;) {
        int piece = count - first < COUNT_MAX ? count - first : COUNT_MAX;
        run_ticket(pool, task, data, first, piece);
        first += piece;
    }
    atomic_store(&pool->busy, false);
}

cnn_status cnn_threads_create(cnn_threads **result, int threads)
{
    if (result == NULL) {
        return CNN_ERROR_NULL_ARGUMENT;
    }
    *result = NULL;
    if (threads < 1 || threads > THREADS_MAX) {
        return CNN_ERROR_THREAD_COUNT;
    }
    cnn_threads *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        free(pool);
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    if (pthread_cond_init(&pool->work, NULL) != 0) {
        pthread_mutex_destroy(&pool->mutex);
        free(pool);
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    if (pthread_cond_init(&pool->finished, NULL) != 0) {
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->mutex);
        free(pool);
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    for (; pool->threads < threads - 1; ++pool->threads) {
        if (pthread_create(&pool->thread[pool->threads], NULL, thread_main, pool) != 0) {
            cnn_threads_destroy(pool);
            return CNN_ERROR_THREAD_START;
        }
    }
    *result = pool;
    return CNN_OK;
}

void cnn_threads_destroy(cnn_threads *pool)
{
    if (pool == NULL) {
        return;
    }
    atomic_store(&pool->stopping, true);
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->threads; ++i) {
        pthread_join(pool->thread[i], NULL);
    }
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
