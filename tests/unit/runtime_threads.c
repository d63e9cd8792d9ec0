/* runtime/cnn_threads.c: every task once, on 1 to 8 threads, many runs, nested and concurrent callers. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <time.h>

#include "../../runtime/cnn_threads.c"

enum { TASKS_MAX = 1000 };

typedef struct Counted {
    atomic_int calls[TASKS_MAX];
    double result[TASKS_MAX]; /* not atomic: the end of a run must make it visible */
} Counted;

static void count_task(void *data, int index)
{
    Counted *counted = data;
    atomic_fetch_add(&counted->calls[index], 1);
    double sum = 0;
    for (int i = 1; i <= 50; ++i) {
        sum += (double)index / i;
    }
    counted->result[index] = sum;
}

static void check_runs(cnn_threads *pool, int runs)
{
    static const int counts[] = {0, 1, 2, 3, 7, 8, 64, TASKS_MAX};
    static Counted counted;
    for (int run = 0; run < runs; ++run) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; ++c) {
            memset(&counted, 0, sizeof counted);
            cnn_threads_run(pool, count_task, &counted, counts[c]);
            for (int i = 0; i < TASKS_MAX; ++i) {
                cr_assert_eq(atomic_load(&counted.calls[i]), i < counts[c] ? 1 : 0, "task %d of %d", i, counts[c]);
                if (i > 0 && i < counts[c]) {
                    cr_assert_gt(counted.result[i], 0.0);
                }
            }
        }
    }
}

Test(runtime_threads, every_task_once_on_1_to_8_threads)
{
    for (int threads = 1; threads <= 8; ++threads) {
        cnn_threads *pool;
        cr_assert_eq(cnn_threads_create(&pool, threads), CNN_OK);
        check_runs(pool, 50);
        cnn_threads_destroy(pool);
    }
}

/* Long enough pauses that all threads sleep between the runs, and must be woken. */
Test(runtime_threads, sleeping_threads_wake)
{
    cnn_threads *pool;
    cr_assert_eq(cnn_threads_create(&pool, 4), CNN_OK);
    for (int i = 0; i < 20; ++i) {
        while (atomic_load(&pool->sleepers) < 3) {
            sched_yield();
        }
        check_runs(pool, 1);
    }
    cnn_threads_destroy(pool);
}

static void mark_task(void *data, int index)
{
    atomic_uchar *seen = data;
    atomic_fetch_add(&seen[index], 1);
}

/* Where there is nothing to do, all threads sleep, and none of them takes the processor. */
Test(runtime_threads, idle_threads_sleep)
{
    cnn_threads *pool;
    struct timespec before, after;
    cr_assert_eq(cnn_threads_create(&pool, 4), CNN_OK);
    check_runs(pool, 1);
    while (atomic_load(&pool->sleepers) < 3) {
        sched_yield();
    }
    cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
    nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
    double spent = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    cr_assert_lt(spent, 0.05, "an idle pool took %g s of processor time in 0.2 s", spent); /* one busy thread: 0.2 */
    cr_assert_eq(atomic_load(&pool->sleepers), 3);
    cnn_threads_destroy(pool);
}

/* Every share has one owner, neighbours have the same or the next, and no thread has two more than another. */
Test(runtime_threads, shares_are_dealt_evenly)
{
    static cnn_threads pool;
    for (pool.threads = 0; pool.threads < 40; ++pool.threads) {
        for (int shares = 1; shares <= SHARES_MAX; ++shares) {
            uint64_t all = 0;
            int least = SHARES_MAX, most = 0;
            for (int name = 0; name <= pool.threads; ++name) {
                uint32_t own = shares_of(&pool, name, shares);
                int count = __builtin_popcount(own);
                cr_assert(own == 0 || own > all, "shares are not in the order of threads");
                cr_assert_eq(all & own, 0u);
                all |= own;
                least = count < least ? count : least;
                most = count > most ? count : most;
            }
            cr_assert_eq(all, (UINT64_C(1) << shares) - 1, "%d shares on %d threads", shares, pool.threads + 1);
            cr_assert_leq(most - least, 1);
        }
    }
}

enum { MEETING = 4 };

typedef struct Meeting {
    atomic_int here;
    pthread_t who[MEETING];
} Meeting;

static void meet_task(void *data, int index)
{
    Meeting *meeting = data;
    meeting->who[index] = pthread_self();
    atomic_fetch_add(&meeting->here, 1);
    while (atomic_load(&meeting->here) < MEETING) {
        sched_yield();
    }
}

/* Where every thread takes part, the same one takes the same task each time. */
Test(runtime_threads, a_task_stays_with_its_thread)
{
    enum { RUNS = 50 };
    pthread_t first[MEETING];
    cnn_threads *pool;
    cr_assert_eq(cnn_threads_create(&pool, MEETING), CNN_OK);
    for (int run = 0; run < RUNS; ++run) {
        Meeting meeting = {0};
        cnn_threads_run(pool, meet_task, &meeting, MEETING);
        cr_assert(pthread_equal(meeting.who[0], pthread_self()), "the caller takes the first");
        for (int i = 0; i < MEETING; ++i) {
            cr_assert(run == 0 || pthread_equal(meeting.who[i], first[i]), "task %d has another thread", i);
            first[i] = meeting.who[i];
        }
    }
    cnn_threads_destroy(pool);
}

Test(runtime_threads, more_tasks_than_a_ticket_has_bits)
{
    cnn_threads *pool;
    cr_assert_eq(cnn_threads_create(&pool, 3), CNN_OK);
    enum { MANY = 200003 };
    static atomic_uchar seen[MANY];
    cnn_threads_run(pool, mark_task, seen, MANY);
    for (int i = 0; i < MANY; ++i) {
        cr_assert_eq(atomic_load(&seen[i]), 1, "task %d", i);
    }
    cnn_threads_destroy(pool);
}

typedef struct Nested {
    cnn_threads *pool;
    atomic_int inner_calls;
} Nested;

static void inner_task(void *data, int index)
{
    (void)index;
    atomic_fetch_add(&((Nested *)data)->inner_calls, 1);
}

static void outer_task(void *data, int index)
{
    (void)index;
    Nested *nested = data;
    cnn_threads_run(nested->pool, inner_task, nested, 10);
}

Test(runtime_threads, a_run_inside_a_task_is_carried_out)
{
    Nested nested = {0};
    cr_assert_eq(cnn_threads_create(&nested.pool, 4), CNN_OK);
    for (int i = 1; i <= 100; ++i) {
        cnn_threads_run(nested.pool, outer_task, &nested, 8);
        cr_assert_eq(atomic_load(&nested.inner_calls), 80 * i);
    }
    cnn_threads_destroy(nested.pool);
}

static void *caller_main(void *argument)
{
    static const int runs = 200;
    Counted *counted = calloc(1, sizeof *counted);
    bool ok = counted != NULL;
    for (int run = 1; run <= runs && ok; ++run) {
        cnn_threads_run(argument, count_task, counted, 100);
        for (int i = 0; i < 100; ++i) {
            ok = ok && atomic_load(&counted->calls[i]) == run;
        }
    }
    free(counted);
    return ok ? argument : NULL;
}

Test(runtime_threads, several_callers_share_a_pool)
{
    cnn_threads *pool;
    cr_assert_eq(cnn_threads_create(&pool, 3), CNN_OK);
    pthread_t callers[4];
    for (int i = 0; i < 4; ++i) {
        cr_assert_eq(pthread_create(&callers[i], NULL, caller_main, pool), 0);
    }
    for (int i = 0; i < 4; ++i) {
        void *result;
        pthread_join(callers[i], &result);
        cr_assert(result == pool, "caller %d saw a task twice, or not at all", i);
    }
    cnn_threads_destroy(pool);
}

Test(runtime_threads, bad_arguments)
{
    cnn_threads *pool = (cnn_threads *)&pool;
    cr_assert_eq(cnn_threads_create(NULL, 2), CNN_ERROR_NULL_ARGUMENT);
    cr_assert_eq(cnn_threads_create(&pool, 0), CNN_ERROR_THREAD_COUNT);
    cr_assert(pool == NULL);
    cr_assert_eq(cnn_threads_create(&pool, THREADS_MAX + 1), CNN_ERROR_THREAD_COUNT);
    cnn_threads_destroy(NULL);
    static Counted counted;
    cnn_threads_run(NULL, count_task, &counted, 3); /* no pool: a plain loop */
    cr_assert_eq(atomic_load(&counted.calls[2]), 1);
}
