/* Which allocations are sampled, and what that may cost.
 *
 * Every byte is drawn with the same small chance (a Poisson process over allocated bytes), so an
 * allocation of `s` bytes is sampled with probability 1 - exp(-s / interval) and stands for
 * s / (1 - exp(-s / interval)) bytes. The interval doubles when samples cost more CPU time than their
 * share, or when the table fills, and comes back when there is room: every sample carries the interval
 * that it was drawn with, so estimates stay unbiased. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sampler.h"

enum {
    LEAST_INTERVAL_LOG2 = 13,
    FIRST_INTERVAL_LOG2 = 15,
    MOST_INTERVAL_LOG2 = 30,
    /* The controller looks after so many samples. */
    CONTROL_EVERY = 64,
    /* The thread that holds the lock may have to wait for a CPU; after so many yields (some tens of
     * milliseconds) it is taken to be stopped, and the sample is dropped. */
    SPINS = 64,
    YIELDS = 1 << 16,
    MOST_SAMPLE_NS = 200000,
};
/* Of the CPU time of the process that samples may take: the aim is 1.05 in all, with the countdowns. */
static const double MOST_SHARE = 0.02;
/* The interval comes back down below a quarter of it: half would bring it right to the edge again. */
static const double LEAST_SHARE = 0.005;
/* Looks again at whether there is something to do, after so many bytes. */
static const int64_t IDLE_BYTES = 1 << 16;

__thread struct thread own;
uint64_t filter[FILTER_BITS / 64];

static uint8_t filter_counts[FILTER_BITS];
static atomic_int lock;
static atomic_int armed;
static atomic_int failed;
static atomic_int owner; /* the process that the table belongs to */
static atomic_int changing_hands;
static atomic_uint interval_log2 = FIRST_INTERVAL_LOG2;
static int is_interval_fixed;
static char folder[512];
static uint64_t began_ns;
static uint64_t controlled_cpu_ns;
static uint64_t controlled_sampler_ns;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64* (Vigna 2016), a state a thread. */
static uint64_t draw(void)
{
    uint64_t x = own.seed;
    if (!x)
        x = ((uintptr_t)&own * 0x9E3779B97F4A7C15ull) ^ clock_ns(CLOCK_MONOTONIC) ^ ((uint64_t)getpid() << 32);
    if (!x)
        x = 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    own.seed = x;
    return x * 0x2545F4914F6CDD1Dull;
}

/* -ln of a uniform number in (0, 1], without libm: exponent and a series in the mantissa. */
static double exponential(void)
{
    union {
        double number;
        uint64_t bits;
    } uniform = {.number = (double)((draw() >> 11) + 1) * 0x1p-53};
    int exponent = (int)(uniform.bits >> 52) - 1023;
    uniform.bits = (uniform.bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    double t = (uniform.number - 1) / (uniform.number + 1);
    double square = t * t;
    double series = 1 + square * (1.0 / 3 + square * (1.0 / 5 + square * (1.0 / 7 + square / 9)));
    return -(exponent * 0.6931471805599453 + 2 * t * series);
}

static void new_countdown(void)
{
    own.interval_log2 = (uint8_t)atomic_load_explicit(&interval_log2, memory_order_relaxed);
    own.left = (int64_t)(exponential() * (double)(1ull << own.interval_log2));
}

static int try_lock(void)
{
    for (int spin = 0; spin < YIELDS; spin++) {
        int open = 0;
        if (atomic_compare_exchange_weak_explicit(&lock, &open, 1, memory_order_acquire, memory_order_relaxed))
            return 1;
        if (spin >= SPINS)
            sched_yield();
    }
    return 0;
}

static void unlock(void)
{
    atomic_store_explicit(&lock, 0, memory_order_release);
}

static void filter_add(const void *address)
{
    uint32_t bucket = filter_bucket(address);
    if (filter_counts[bucket] < UINT8_MAX)
        filter_counts[bucket]++;
    __atomic_or_fetch(&filter[bucket >> 6], 1ull << (bucket & 63), __ATOMIC_RELAXED);
}

static void filter_take(const void *address)
{
    uint32_t bucket = filter_bucket(address);
    /* A count that stuck at its top is never believed again: the bit stays. */
    if (filter_counts[bucket] == UINT8_MAX || --filter_counts[bucket] > 0)
        return;
    __atomic_and_fetch(&filter[bucket >> 6], ~(1ull << (bucket & 63)), __ATOMIC_RELAXED);
}

/* The table of this process. After a fork it is the parent's: the child begins one of its own, with
 * what it allocates itself. Nothing is unmapped: after vfork the parent's threads still write to it. */
static int have_table(void)
{
    int pid = getpid();
    if (LIKELY(atomic_load(&owner) == pid))
        return table != NULL;
    int free_to = 0;
    if (!atomic_compare_exchange_strong(&changing_hands, &free_to, 1))
        return 0;
    memset(filter, 0, sizeof filter);
    memset(filter_counts, 0, sizeof filter_counts);
    atomic_store(&lock, 0);
    own.seed = 0; /* or all children would draw the same */
    table_forget_own();
    began_ns = clock_ns(CLOCK_MONOTONIC);
    controlled_cpu_ns = controlled_sampler_ns = 0;
    if (!table_make(folder, clock_ns(CLOCK_REALTIME)))
        atomic_store(&failed, 1);
    atomic_store(&owner, pid);
    atomic_store(&changing_hands, 0);
    return table != NULL;
}

/* Keeps the cost within its share and the table from filling. Under the lock. */
static void control(void)
{
    uint32_t now = atomic_load(&interval_log2), next = now;
    uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    double spent = (double)(table->sampler_ns - controlled_sampler_ns);
    double share = spent / ((double)(cpu_ns - controlled_cpu_ns) + 1);
    controlled_cpu_ns = cpu_ns;
    controlled_sampler_ns = table->sampler_ns;
    uint32_t quarters = table->live * 4 / SLOT_COUNT;
    uint32_t least = LEAST_INTERVAL_LOG2 + (quarters >= 3 ? 8 : quarters == 2 ? 4 : quarters);
    if (share > MOST_SHARE || now < least)
        next = now + 1;
    else if (share < LEAST_SHARE && now > least)
        next = now - 1;
    if (next <= MOST_INTERVAL_LOG2 && !is_interval_fixed)
        atomic_store(&interval_log2, next);
    table->interval_log2 = atomic_load(&interval_log2);
    table->python_hooked = python_is_hooked();
}

/* Its stack, from memory where it came the same way before. Returns with the lock taken, or 0. */
static int locked_stack(const uintptr_t *frame, uint32_t *stack)
{
    struct trace trace;
    trace.native_count = trace.python_count = trace.cut = 0;
    python_take(&trace);
    uint64_t key = stack_key(&trace, frame);
    /* Read without the lock: an entry that is being written has another key. */
    *stack = table_known_stack(key);
    if (!*stack)
        stack_take(&trace);
    if (!try_lock())
        return 0;
    if (!*stack) {
        *stack = table_stack(&trace);
        if (key && *stack)
            table_know_stack(key, *stack);
    }
    return 1;
}

static int record(void *address, size_t bytes, int domain, const uintptr_t *frame)
{
    uint64_t from_ns = clock_ns(CLOCK_MONOTONIC);
    uint32_t stack;
    if (!locked_stack(frame, &stack)) {
        __atomic_add_fetch(&table->dropped_busy, 1, __ATOMIC_RELAXED);
        return 0;
    }
    uint32_t born_ms = (uint32_t)((from_ns - began_ns) / 1000000u);
    table->sampled++;
    int inserted = table_insert(address, bytes, stack, born_ms, own.interval_log2, domain);
    if (inserted)
        filter_add(address);
    /* The clock of a thread costs a system call. A sample that took longer was not running all along. */
    uint64_t took_ns = clock_ns(CLOCK_MONOTONIC) - from_ns;
    table->sampler_ns += took_ns < MOST_SAMPLE_NS ? took_ns : MOST_SAMPLE_NS;
    if (table->sampled % CONTROL_EVERY == 0)
        control();
    unlock();
    return 1;
}

/* A countdown has run out: is this allocation to be sampled? */
int64_t sample_due(void)
{
    if (own.busy || !atomic_load_explicit(&armed, memory_order_relaxed)) {
        own.left = own.busy ? 0 : IDLE_BYTES;
        return 0;
    }
    if (UNLIKELY(atomic_load_explicit(&failed, memory_order_relaxed))) {
        own.left = INT64_MAX;
        return 0;
    }
    if (UNLIKELY(!own.interval_log2)) { /* a new thread */
        own.busy = 1;
        int64_t over = own.left;
        new_countdown();
        own.busy = 0;
        if ((own.left += over) >= 0)
            return 0;
    }
    return 1;
}

void sample_taken(void *address, size_t bytes, int domain, const uintptr_t *frame)
{
    int before = errno;
    own.busy = 1;
    int dropped = 0;
    if (have_table())
        dropped = !record(address, bytes, domain, frame);
    else
        dropped = !atomic_load_explicit(&failed, memory_order_relaxed);
    new_countdown();
    /* The next one stands in for it. */
    if (UNLIKELY(dropped))
        own.left = 0;
    own.busy = 0;
    if (UNLIKELY(domain == 0))
        python_hook();
    errno = before;
}

void forget_if_sampled(void *address)
{
    if (atomic_load_explicit(&owner, memory_order_relaxed) == 0)
        return;
    int before = errno;
    uint8_t was_busy = own.busy;
    own.busy = 1;
    if (have_table()) {
        /* A signal handler that interrupts us within the lock must not wait for it. */
        if (!was_busy && try_lock()) {
            if (may_be_sampled(address) && table_remove(address)) {
                filter_take(address);
                table->forgotten++;
            }
            unlock();
        } else {
            __atomic_add_fetch(&table->dropped_busy, 1, __ATOMIC_RELAXED);
        }
    }
    own.busy = was_busy;
    errno = before;
}

/* Processes below the worker inherit the variables; those of a runtime with a sampler of its own, or
 * without the interpreter that is looked for, are none of ours. */
static int is_in_scope(void)
{
    const char *scope = getenv("PLIMSOLL_ALLOC_SCOPE");
    if (scope && strcmp(scope, "python") == 0)
        return python_version() != 0;
    return !dlsym(RTLD_DEFAULT, "napi_create_function") && !dlsym(RTLD_DEFAULT, "JNI_CreateJavaVM");
}

static void rest(void)
{
    atomic_store(&failed, 1);
    atomic_store(&armed, 1);
}

/* Without the folder's name nothing is ever sampled. */
void sampler_arm(void)
{
    const char *named = getenv("PLIMSOLL_ALLOC_DIR");
    if (!named || named[0] != '/' || strlen(named) >= sizeof folder - 64) {
        rest();
        return;
    }
    own.busy = 1;
    python_prepare();
    int wanted_here = is_in_scope();
    own.busy = 0;
    if (!wanted_here) {
        rest();
        return;
    }
    strcpy(folder, named);
    const char *interval = getenv("PLIMSOLL_ALLOC_INTERVAL_LOG2");
    if (interval) {
        int wanted = atoi(interval);
        if (wanted >= 0 && wanted <= MOST_INTERVAL_LOG2) {
            is_interval_fixed = 1;
            atomic_store(&interval_log2, (uint32_t)wanted);
        }
    }
    own.busy = 1;
    stack_prepare();
    own.busy = 0;
    own.left = 0;
    atomic_store(&armed, 1);
}
