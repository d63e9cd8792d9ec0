/* A pool of threads for cnn_parallel_for (POSIX threads, C11 atomics).
 *
 * A run is published as one word, the ticket: a bit for each share of its tasks that nobody has taken yet. Whoever clears
 * a bit by compare-and-swap owns that share, so a thread that comes late finds no bit and touches nothing. The caller
 * works too and returns when all shares are done; it never waits for a thread that took none.
 *
 * Thread i takes share i first where there are as many shares as threads: what a step of a network leaves in the cache
 * of a core is then read by the next step on the same core. Only who has done its own takes those of others.
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
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS_MAX = 256,
    SHARES_MAX = 32,    /* bits of a ticket; of more tasks a share is several */
    POLLS_BUSY = 2048,  /* polls without a pause: about a microsecond */
    POLLS = 16384,      /* polls before sleeping: some ten microseconds */
    POLLS_A_YIELD = 64, /* after the busy ones: lets another thread run where there are fewer processors than threads */
    POLLS_FOREIGN = 512 /* before a thread without a share of its own takes another's */
};

struct cnn_threads {
    /* All that changes during a run lies on one line of the cache: what a core has to fetch from another for a share is
     * this line, twice. task, data and count are written before the ticket, and constant while a share is not done. */
    alignas(CNN_ALIGNMENT) _Atomic uint64_t ticket; /* number of shares << 32 | a bit for each that is not taken */
    cnn_task *task;
    void *data;
    int count;
    atomic_int done; /* finished shares of the run */

    alignas(CNN_ALIGNMENT) atomic_bool busy; /* a run is going on */
    atomic_bool stopping;
    atomic_int sleepers;      /* threads that wait for `work` */
    atomic_bool caller_waits; /* for `finished` */

    pthread_mutex_t mutex; /* only for sleeping */
    pthread_cond_t work, finished;

    int threads;      /* started, without the caller */
    atomic_int names; /* given to threads so far: 1 .. threads; the caller of a run is 0 */
    pthread_t thread[THREADS_MAX];
};

static uint32_t ticket_open(uint64_t ticket)
{
    return (uint32_t)ticket;
}

static int ticket_shares(uint64_t ticket)
{
    return (int)(ticket >> 32);
}

static uint64_t ticket_make(int shares)
{
    return (uint64_t)shares << 32 | ((UINT64_C(1) << shares) - 1);
}

static bool has_work(cnn_threads *pool)
{
    return ticket_open(atomic_load(&pool->ticket)) != 0;
}

/* The shares that belong to thread `name`: neighbours, as equal in number as can be; none where there are too few. */
static uint32_t shares_of(const cnn_threads *pool, int name, int shares)
{
    int owners = pool->threads + 1 < shares ? pool->threads + 1 : shares;
    if (name >= owners) {
        return 0;
    }
    int first = name * shares / owners, end = (name + 1) * shares / owners;
    return (uint32_t)((UINT64_C(1) << end) - (UINT64_C(1) << first));
}

/* The number of the lowest bit of a word that is not zero. */
static int lowest(uint32_t bits)
{
    int number = 0;
    while ((bits >> number & 1) == 0) {
        ++number;
    }
    return number;
}

static void wake_caller(cnn_threads *pool)
{
    if (atomic_load(&pool->caller_waits)) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void run_share(cnn_threads *pool, int share, int shares)
{
    int first = (int)((int64_t)share * pool->count / shares), end = (int)((int64_t)(share + 1) * pool->count / shares);
    for (int index = first; index < end; ++index) {
        pool->task(pool->data, index);
    }
    if (atomic_fetch_add(&pool->done, 1) + 1 == shares) {
        wake_caller(pool);
    }
}

/* Takes and carries out shares until none is left to take: its own, then others'. */
static void work(cnn_threads *pool, int name)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    while (ticket_open(ticket) != 0) {
        int shares = ticket_shares(ticket);
        uint32_t own = ticket_open(ticket) & shares_of(pool, name, shares);
        int share = lowest(own != 0 ? own : ticket_open(ticket));
        if (atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket & ~(UINT64_C(1) << share))) {
            run_share(pool, share, shares);
            ticket = atomic_load(&pool->ticket);
        }
    }
}

static void pause_between_polls(int poll)
{
    if (poll > POLLS_BUSY && poll % POLLS_A_YIELD == 0) {
        sched_yield();
    }
}

/* Waits for work, or for the end: polls, then sleeps. Both this and publish() write their flag before they read the
 * other's, in one order that all threads see, so either the sleeper sees the work or the publisher sees the sleeper. */
static void wait_for_work(cnn_threads *pool, int name)
{
    int foreign = 0;
    for (int poll = 1; poll <= POLLS; ++poll) {
        uint64_t ticket = atomic_load(&pool->ticket);
        if (ticket_open(ticket) != 0 &&
            (shares_of(pool, name, ticket_shares(ticket)) != 0 || ++foreign > POLLS_FOREIGN)) {
            return;
        }
        if (poll % POLLS_A_YIELD == 0 && atomic_load(&pool->stopping)) {
            return;
        }
        pause_between_polls(poll);
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
    int name = atomic_fetch_add(&pool->names, 1) + 1;
    while (!atomic_load(&pool->stopping)) {
        work(pool, name);
        wait_for_work(pool, name);
    }
    return NULL;
}

/* As many as there are shares for, beside the caller's. */
static void wake_sleepers(cnn_threads *pool, int shares)
{
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        if (atomic_load(&pool->sleepers) < shares) {
            pthread_cond_broadcast(&pool->work);
        } else {
            for (int i = 1; i < shares; ++i) {
                pthread_cond_signal(&pool->work);
            }
        }
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void wait_until_done(cnn_threads *pool, int shares)
{
    for (int poll = 1; poll <= POLLS; ++poll) {
        if (atomic_load(&pool->done) == shares) {
            return;
        }
        pause_between_polls(poll);
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->caller_waits, true);
    while (atomic_load(&pool->done) != shares) {
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    atomic_store(&pool->caller_waits, false);
    pthread_mutex_unlock(&pool->mutex);
}

/* Only the caller that set `busy` gets here. */
static void publish(cnn_threads *pool, cnn_task *task, void *data, int count)
{
    int shares = count < SHARES_MAX ? count : SHARES_MAX;
    pool->task = task;
    pool->data = data;
    pool->count = count;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, ticket_make(shares));
    wake_sleepers(pool, shares);
    work(pool, 0);
    wait_until_done(pool, shares);
}

void cnn_threads_run(void *context, cnn_task *task, void *data, int count)
{
    cnn_threads *pool = context;
    if (pool == NULL || pool->threads == 0 || count <= 1 || atomic_exchange(&pool->busy, true)) {
        for (int index = 0; index < count; ++index) {
            task(data, index);
        }
        return;
    }
    publish(pool, task, data, count);
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
    cnn_threads *pool = aligned_alloc(CNN_ALIGNMENT, sizeof *pool);
    if (pool == NULL) {
        return CNN_ERROR_OUT_OF_MEMORY;
    }
    memset(pool, 0, sizeof *pool);
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
