/* Allocation functions in front of the program's own.
 *
 * The way that nearly every call takes: one subtraction from a thread's countdown, or one bit of a
 * filter, then the real function. Everything else is in sample.c. The real functions are those that
 * would have been called without us, whichever allocator that is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "sampler.h"

static void *early_malloc(size_t bytes);
static void *early_calloc(size_t count, size_t bytes);
static void *early_realloc(void *address, size_t bytes);
static void early_free(void *address);
static void *early_memalign(size_t alignment, size_t bytes);
static int early_posix_memalign(void **address, size_t alignment, size_t bytes);

static void *(*real_malloc)(size_t) = early_malloc;
static void *(*real_calloc)(size_t, size_t) = early_calloc;
static void *(*real_realloc)(void *, size_t) = early_realloc;
static void (*real_free)(void *) = early_free;
static void *(*real_memalign)(size_t, size_t) = early_memalign;
static void *(*real_aligned_alloc)(size_t, size_t) = early_memalign;
static int (*real_posix_memalign)(void **, size_t, size_t) = early_posix_memalign;
static void *(*real_valloc)(size_t);
static void *(*real_pvalloc)(size_t);

/* Memory for whoever allocates while the real functions are being looked up; never given back. */
static char early_memory[32768] __attribute__((aligned(64)));
static size_t early_used;

static int is_early(const void *address)
{
    return (uintptr_t)address - (uintptr_t)early_memory < sizeof early_memory;
}

static void *early_take(size_t alignment, size_t bytes)
{
    if (alignment < 16)
        alignment = 16;
    size_t at = (early_used + alignment - 1) & ~(alignment - 1);
    if (bytes > sizeof early_memory || at > sizeof early_memory - bytes) {
        errno = ENOMEM;
        return NULL;
    }
    early_used = at + bytes;
    return early_memory + at;
}

/* 1 once the real functions are known. While they are looked up, calls come from the look-up itself. */
static int find_real(void)
{
    static volatile int finding;
    if (finding)
        return 0;
    finding = 1;
    void *found[] = {
        dlsym(RTLD_NEXT, "malloc"),   dlsym(RTLD_NEXT, "calloc"),        dlsym(RTLD_NEXT, "realloc"),
        dlsym(RTLD_NEXT, "free"),     dlsym(RTLD_NEXT, "posix_memalign"), dlsym(RTLD_NEXT, "memalign"),
        dlsym(RTLD_NEXT, "aligned_alloc"),
    };
    real_valloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "valloc");
    real_pvalloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "pvalloc");
    for (size_t i = 0; i < 5; i++)
        if (!found[i])
            return 0; /* still `finding`: from here on early memory is all there is */
    real_posix_memalign = (int (*)(void **, size_t, size_t))found[4];
    if (found[5])
        real_memalign = (void *(*)(size_t, size_t))found[5];
    if (found[6])
        real_aligned_alloc = (void *(*)(size_t, size_t))found[6];
    real_calloc = (void *(*)(size_t, size_t))found[1];
    real_realloc = (void *(*)(void *, size_t))found[2];
    real_free = (void (*)(void *))found[3];
    real_malloc = (void *(*)(size_t))found[0];
    finding = 0;
    return 1;
}

static void *early_malloc(size_t bytes)
{
    return find_real() ? real_malloc(bytes) : early_take(16, bytes);
}

static void *early_calloc(size_t count, size_t bytes)
{
    if (find_real())
        return real_calloc(count, bytes);
    size_t all;
    /* Early memory is zero and used once. */
    return __builtin_mul_overflow(count, bytes, &all) ? NULL : early_take(16, all);
}

static void *early_realloc(void *address, size_t bytes)
{
    if (find_real())
        return real_realloc(address, bytes);
    void *moved = early_take(16, bytes);
    if (moved && address) {
        size_t most = (size_t)(early_memory + sizeof early_memory - (char *)address);
        memmove(moved, address, bytes < most ? bytes : most);
    }
    return moved;
}

static void early_free(void *address)
{
    if (find_real())
        real_free(address);
}

static void *early_memalign(size_t alignment, size_t bytes)
{
    if (real_malloc == early_malloc && find_real() && real_memalign != early_memalign)
        return real_memalign(alignment, bytes);
    if (real_malloc == early_malloc)
        return early_take(alignment, bytes);
    void *address = NULL; /* an allocator without memalign */
    int error = real_posix_memalign(&address, alignment < sizeof(void *) ? sizeof(void *) : alignment, bytes);
    if (error)
        errno = error;
    return error ? NULL : address;
}

static int early_posix_memalign(void **address, size_t alignment, size_t bytes)
{
    if (find_real())
        return real_posix_memalign(address, alignment, bytes);
    *address = early_take(alignment, bytes);
    return *address ? 0 : ENOMEM;
}

/* Whether this allocation is to be looked at. */
static inline int due(size_t bytes)
{
    own.left -= charge(bytes);
    return UNLIKELY(own.left < 0);
}

/* Where the stack of the caller begins: its return address, and below it the saved frame pointer. */
#define FRAME __builtin_frame_address(0)

/* Apart, so that the common way keeps nothing in saved registers. */
static NOINLINE void *sampled(void *address, size_t bytes, const uintptr_t *frame)
{
    if (address)
        sample_taken(address, bytes, 0, frame);
    return address;
}

static NOINLINE void *malloc_sampled(size_t bytes)
{
    return sample_due() ? sampled(real_malloc(bytes), bytes, FRAME) : real_malloc(bytes);
}

EXPORT void *malloc(size_t bytes)
{
    return due(bytes) ? malloc_sampled(bytes) : real_malloc(bytes);
}

static NOINLINE void *calloc_sampled(size_t count, size_t bytes)
{
    return sample_due() ? sampled(real_calloc(count, bytes), count * bytes, FRAME) : real_calloc(count, bytes);
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    size_t all;
    if (UNLIKELY(__builtin_mul_overflow(count, bytes, &all)))
        return real_calloc(count, bytes); /* which refuses it */
    return due(all) ? calloc_sampled(count, bytes) : real_calloc(count, bytes);
}

static NOINLINE void forget(void *address)
{
    forget_if_sampled(address);
}

EXPORT void free(void *address)
{
    if (UNLIKELY(is_early(address)))
        return;
    if (UNLIKELY(may_be_sampled(address)))
        forget(address);
    real_free(address);
}

static NOINLINE void *realloc_early(void *address, size_t bytes)
{
    void *moved = real_malloc(bytes);
    if (moved) {
        size_t most = (size_t)(early_memory + sizeof early_memory - (char *)address);
        memcpy(moved, address, bytes < most ? bytes : most);
    }
    return moved;
}

static NOINLINE void *realloc_sampled(void *address, size_t bytes)
{
    if (!bytes || !sample_due())
        return real_realloc(address, bytes);
    return sampled(real_realloc(address, bytes), bytes, FRAME);
}

/* A realloc is the end of one allocation and the beginning of another. */
EXPORT void *realloc(void *address, size_t bytes)
{
    if (UNLIKELY(is_early(address)))
        return realloc_early(address, bytes);
    /* Before the real call: right after it the address may be another thread's. A call that fails
     * leaves a live allocation that is no longer followed. */
    if (UNLIKELY(address && may_be_sampled(address)))
        forget(address);
    return due(bytes) ? realloc_sampled(address, bytes) : real_realloc(address, bytes);
}

EXPORT void *reallocarray(void *address, size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(address, all);
}

EXPORT int posix_memalign(void **address, size_t alignment, size_t bytes)
{
    int error = real_posix_memalign(address, alignment, bytes);
    if (!error && due(bytes) && sample_due())
        sampled(*address, bytes, FRAME);
    return error;
}

EXPORT void *aligned_alloc(size_t alignment, size_t bytes)
{
    void *address = real_aligned_alloc(alignment, bytes);
    return due(bytes) && sample_due() ? sampled(address, bytes, FRAME) : address;
}

EXPORT void *memalign(size_t alignment, size_t bytes)
{
    void *address = real_memalign(alignment, bytes);
    return due(bytes) && sample_due() ? sampled(address, bytes, FRAME) : address;
}

enum { PAGE_BYTES = 4096 };

EXPORT void *valloc(size_t bytes)
{
    return real_valloc ? real_valloc(bytes) : memalign(PAGE_BYTES, bytes);
}

EXPORT void *pvalloc(size_t bytes)
{
    return real_pvalloc ? real_pvalloc(bytes) : memalign(PAGE_BYTES, (bytes + PAGE_BYTES - 1) & -(size_t)PAGE_BYTES);
}

/* Constructors of other libraries may have allocated before this one runs. */
__attribute__((constructor)) static void begin(void)
{
    if (real_malloc == early_malloc && !find_real())
        return;
    sampler_arm();
}
