/* What the parts of the sampler know of each other. */
#ifndef PLIMSOLL_SAMPLER_H
#define PLIMSOLL_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#define EXPORT __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Of each thread. `initial-exec`: no call and no allocation to get at it; two cache lines of the
 * static block that the loader reserves for us at start. */
struct thread {
    int64_t left; /* bytes until the next sample */
    uint64_t seed;
    uint8_t busy;
    uint8_t interval_log2;
};
extern __thread struct thread own __attribute__((tls_model("initial-exec")));

/* What an allocation takes off a countdown: its size up to a KiB, about the square root of it above, so
 * that buffers do not crowd out the small blocks that most leaks are made of. One more, since a size of
 * 0 still is an allocation. Readers reckon with the same (docs/formats/alloc-table.md). */
static inline int64_t charge(size_t bytes)
{
    if (LIKELY(bytes < 2048))
        return (int64_t)bytes + 1;
    int halvings = (63 - __builtin_clzll(bytes) - 10) / 2;
    return (int64_t)(bytes >> halvings) + 1;
}

/* sample.c */
int64_t sample_due(void);
void sample_taken(void *address, size_t bytes, int domain, const uintptr_t *frame);
void forget_if_sampled(void *address);
void sampler_arm(void);

/* Which addresses may be sampled ones: a bit each, so that nearly every free stops here. */
enum { FILTER_BITS = 32768 };
extern uint64_t filter[FILTER_BITS / 64];

static inline uint32_t filter_bucket(const void *address)
{
    /* Fibonacci hashing: the top bits of the product depend on all bits of the address. */
    return (uint32_t)((((uintptr_t)address >> 4) * 0x9E3779B97F4A7C15ull) >> 49);
}

static inline int may_be_sampled(const void *address)
{
    uint32_t bucket = filter_bucket(address);
    return (filter[bucket >> 6] >> (bucket & 63)) & 1;
}

/* table.c */
enum { MAX_NATIVE = 64, MAX_PYTHON = 64 };
struct python_place {
    const void *code;
    int32_t instruction; /* byte offset into the code */
};
struct trace {
    uint32_t native_count;
    uint32_t python_count;
    uint32_t cut;
    uintptr_t native[MAX_NATIVE];
    struct python_place python[MAX_PYTHON];
};
extern struct table *table;
int table_make(const char *folder, uint64_t now_ns);
void table_forget_own(void);
uint32_t table_stack(const struct trace *trace);
uint32_t table_known_stack(uint64_t key);
void table_know_stack(uint64_t key, uint32_t stack);
uint64_t mix(uint64_t hash, uint64_t word);
int table_insert(void *address, size_t bytes, uint32_t stack, uint32_t born_ms, uint8_t interval_log2, int domain);
int table_remove(void *address);
uint32_t table_string(const char *text, uint32_t length);

/* stack.c */
void stack_prepare(void);
void stack_take(struct trace *trace);
uint64_t stack_key(const struct trace *trace, const uintptr_t *frame);

/* python.c */
void python_prepare(void);
void python_take(struct trace *trace);
int python_is_eval(uintptr_t pc);
int python_is_interpreter(uintptr_t pc);
int python_resolve(const struct python_place *place, struct python_frame *frame);
void python_names(const void *code, const void **file, const void **function);
void python_hook(void);
uint32_t python_is_hooked(void);
uint32_t python_version(void);

#endif
