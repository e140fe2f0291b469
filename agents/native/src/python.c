/* The Python half of a stack, and Python's small objects.
 *
 * Frames are read as they lie in memory, of this thread alone: they change only while this thread runs
 * Python, so it does not matter who holds the interpreter's lock. Nothing is called that could allocate
 * or run code. Offsets are those of the headers of each version; a version that is not listed has no
 * Python half. The first stacks are read through the kernel, which refuses a bad address instead of
 * ending the worker: one refusal, and Python frames are off for good.
 *
 * Objects of at most 512 bytes come from pools that malloc never sees. They pass a hook on the
 * interpreter's own allocator domains (PyMem_SetAllocator, documented C API). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sampler.h"

/* glibc only. */
#pragma weak dladdr1

enum { NONE = 0xFFFF };
enum instruction { BYTES, UNITS, POINTER };

/* Offsets in bytes, from the headers of CPython (cpython/pystate.h, internal/pycore_frame.h, cpython/code.h). */
struct layout {
    uint16_t version;
    uint16_t thread_frame; /* PyThreadState: the frame, or what holds it */
    uint16_t holder_frame; /* there: the frame; NONE: no holder */
    uint16_t code;
    uint16_t previous;
    uint16_t instruction;
    uint16_t owner;
    uint16_t kind;
    uint16_t file;
    uint16_t function;
    uint16_t first_instruction;
    uint16_t ascii_text;
    uint16_t other_text;
};

static const struct layout layouts[] = {
    {0x309, 24, NONE, 32, 24, 104, NONE, BYTES, 104, 112, 0, 48, 72},
    {0x30A, 24, NONE, 32, 24, 96, NONE, UNITS, 104, 112, 0, 48, 72},
    {0x30B, 56, 8, 32, 48, 56, 69, POINTER, 112, 128, 184, 48, 72},
    {0x30C, 56, 0, 0, 8, 56, 70, POINTER, 112, 128, 192, 40, 56},
    {0x30D, 72, NONE, 0, 8, 56, 70, POINTER, 112, 128, 200, 40, 56},
};
/* PyUnicodeObject (cpython/unicodeobject.h), alike in all of them. */
enum { TYPE = 8, TEXT_LENGTH = 16, TEXT_STATE = 32 };
/* A frame that only marks where C called the interpreter. */
enum { OWNED_BY_C = 3 };
/* So many stacks are read through the kernel. */
enum { PROBATION = 64 };
/* Deeper recursion is cut. */
enum { MOST_STEPS = 1024, FILE_BYTES = 400, FUNCTION_BYTES = 200 };
/* Requests above it go on to malloc (SMALL_REQUEST_THRESHOLD in Objects/obmalloc.c). */
enum { SMALL_BYTES = 512 };

typedef struct {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
} allocator; /* PyMemAllocatorEx */

static const struct layout *layout;
static uint32_t version;
static void *(*this_thread)(void);
static int (*line_of)(void *, int);
static int (*is_initialized)(void);
static int (*holds_lock)(void);
static void (*get_allocator)(int, allocator *);
static void (*set_allocator)(int, allocator *);
static const void *code_type;
static uintptr_t eval_start, eval_end;
static uintptr_t interpreter_start, interpreter_end; /* code of the object that holds the loop */
static uint32_t probation = PROBATION;
static int off;
static int hooked;
static allocator below[2];

static int fetch(void *to, const void *from, size_t bytes)
{
    if (LIKELY(probation == 0)) {
        memcpy(to, from, bytes);
        return 1;
    }
    struct iovec local = {to, bytes}, remote = {(void *)from, bytes};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)bytes)
        return 1;
    if (errno == EFAULT) {
        off = 1;
        return 0;
    }
    probation = 0; /* not allowed here: the type checks have to do */
    memcpy(to, from, bytes);
    return 1;
}

static const void *pointer_at(const void *base, uint32_t offset)
{
    const void *pointer = NULL;
    return fetch(&pointer, (const char *)base + offset, sizeof pointer) ? pointer : NULL;
}

static int32_t instruction_of(const void *frame, const void *code)
{
    if (layout->kind == POINTER) {
        const char *at = pointer_at(frame, layout->instruction);
        return (int32_t)(at - ((const char *)code + layout->first_instruction));
    }
    int32_t at = 0;
    fetch(&at, (const char *)frame + layout->instruction, sizeof at);
    return layout->kind == UNITS ? at * 2 : at;
}

static int is_marker(const void *frame)
{
    uint8_t owner = 0;
    return layout->owner != NONE && fetch(&owner, (const char *)frame + layout->owner, 1) && owner == OWNED_BY_C;
}

void python_take(struct trace *trace)
{
    if (!layout || off)
        return;
    const void *thread = this_thread();
    if (!thread)
        return;
    const void *frame = pointer_at(thread, layout->thread_frame);
    if (frame && layout->holder_frame != NONE)
        frame = pointer_at(frame, layout->holder_frame);
    for (int step = 0; frame && !off; step++) {
        if (trace->python_count >= MAX_PYTHON || step >= MOST_STEPS) {
            trace->cut = 1;
            break;
        }
        const void *code = is_marker(frame) ? NULL : pointer_at(frame, layout->code);
        if (code && pointer_at(code, TYPE) == code_type) {
            struct python_place *place = &trace->python[trace->python_count++];
            memset(place, 0, sizeof *place); /* it is hashed with its padding */
            place->code = code;
            place->instruction = instruction_of(frame, code);
        }
        frame = pointer_at(frame, layout->previous);
    }
    if (probation)
        probation--;
}

int python_is_eval(uintptr_t pc)
{
    return pc - eval_start < eval_end - eval_start;
}

int python_is_interpreter(uintptr_t pc)
{
    return pc - interpreter_start < interpreter_end - interpreter_start;
}

void python_names(const void *code, const void **file, const void **function)
{
    *file = pointer_at(code, layout->file);
    *function = pointer_at(code, layout->function);
}

static uint32_t put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (char)(0xC0 | point >> 6);
        to[1] = (char)(0x80 | (point & 63));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (char)(0xE0 | point >> 12);
        to[1] = (char)(0x80 | (point >> 6 & 63));
        to[2] = (char)(0x80 | (point & 63));
        return 3;
    }
    to[0] = (char)(0xF0 | (point >> 18 & 7));
    to[1] = (char)(0x80 | (point >> 12 & 63));
    to[2] = (char)(0x80 | (point >> 6 & 63));
    to[3] = (char)(0x80 | (point & 63));
    return 4;
}

/* A str as it lies in memory; of a long one, the end: it tells files apart. */
static uint32_t text_of(const void *object, uint32_t most)
{
    char text[FILE_BYTES + 4], raw[4 * FILE_BYTES];
    int64_t length = 0;
    uint32_t state = 0;
    if (!object || !fetch(&length, (const char *)object + TEXT_LENGTH, 8) ||
        !fetch(&state, (const char *)object + TEXT_STATE, 4))
        return 0;
    uint32_t width = state >> 2 & 7, is_compact = state >> 5 & 1, is_ascii = state >> 6 & 1;
    if (!is_compact || (width != 1 && width != 2 && width != 4) || length <= 0)
        return 0;
    int64_t from = length > most ? length - most : 0;
    uint32_t count = (uint32_t)(length - from), used = 0;
    const char *data = (const char *)object + (is_ascii ? layout->ascii_text : layout->other_text);
    if (!fetch(raw, data + from * width, (size_t)count * width))
        return 0;
    for (uint32_t i = 0; i < count && used < most; i++) {
        uint32_t point = 0;
        memcpy(&point, raw + i * width, width); /* little-endian, as every machine that this is built for */
        used += put_utf8(text + used, point ? point : '?');
    }
    return table_string(text, used);
}

int python_resolve(const struct python_place *place, struct python_frame *frame)
{
    const void *file, *function;
    python_names(place->code, &file, &function);
    frame->file = text_of(file, FILE_BYTES);
    frame->function = text_of(function, FUNCTION_BYTES);
    int line = place->instruction >= 0 ? line_of((void *)place->code, place->instruction) : 0;
    frame->line = line > 0 ? (uint32_t)line : 0;
    return frame->file || frame->function;
}

static int is_small_due(size_t bytes)
{
    own.left -= charge(bytes);
    return UNLIKELY(own.left < 0);
}

static NOINLINE void *small_sampled(void *address, size_t bytes)
{
    if (address && sample_due())
        sample_taken(address, bytes, 1, __builtin_frame_address(0));
    return address;
}

static NOINLINE void small_forget(void *address)
{
    forget_if_sampled(address);
}

static void *small_malloc(void *context, size_t bytes)
{
    allocator *real = context;
    void *address = real->malloc(real->context, bytes);
    return bytes <= SMALL_BYTES && is_small_due(bytes) ? small_sampled(address, bytes) : address;
}

static void *small_calloc(void *context, size_t count, size_t bytes)
{
    allocator *real = context;
    void *address = real->calloc(real->context, count, bytes);
    size_t all;
    if (UNLIKELY(__builtin_mul_overflow(count, bytes, &all)))
        return address;
    return all <= SMALL_BYTES && is_small_due(all) ? small_sampled(address, all) : address;
}

static void *small_realloc(void *context, void *address, size_t bytes)
{
    allocator *real = context;
    if (UNLIKELY(address && may_be_sampled(address)))
        small_forget(address);
    address = real->realloc(real->context, address, bytes);
    return bytes <= SMALL_BYTES && is_small_due(bytes) ? small_sampled(address, bytes) : address;
}

static void small_free(void *context, void *address)
{
    allocator *real = context;
    if (UNLIKELY(may_be_sampled(address)))
        small_forget(address);
    real->free(real->context, address);
}

/* PYMEM_DOMAIN_MEM and PYMEM_DOMAIN_OBJ. */
static void hook_domain(int domain, allocator *real)
{
    get_allocator(domain, real);
    allocator ours = {real, small_malloc, small_calloc, small_realloc, small_free};
    set_allocator(domain, &ours);
}

/* As soon as the interpreter is there and this thread has its lock. */
void python_hook(void)
{
    if (LIKELY(hooked) || !layout || !table || !set_allocator || !is_initialized() || !holds_lock())
        return;
    hooked = 1;
    const char *chosen = getenv("PYTHONMALLOC");
    if (chosen && strncmp(chosen, "malloc", 6) == 0)
        return; /* every object passes malloc already */
    hook_domain(1, &below[0]);
    hook_domain(2, &below[1]);
}

/*
 * The interpreter's table of its own allocator, which it writes only while nobody else's functions stand before
 * it. For the agent inside the worker, which calls it with the interpreter's lock held: nothing allocates between.
 */
__attribute__((visibility("default"))) int plimsoll_block_statistics(void *stream);

int plimsoll_block_statistics(void *stream)
{
    int (*write)(void *) = (int (*)(void *))dlsym(RTLD_DEFAULT, "_PyObject_DebugMallocStats");
    if (!write)
        return 0;
    if (!below[1].malloc)
        return write(stream);
    allocator ours;
    get_allocator(2, &ours);
    int is_ours = ours.context == &below[1];
    if (is_ours)
        set_allocator(2, &below[1]);
    int written = write(stream);
    if (is_ours)
        set_allocator(2, &ours);
    return written;
}

uint32_t python_version(void)
{
    return layout ? version : 0;
}

uint32_t python_is_hooked(void)
{
    return below[1].malloc != NULL;
}

static int find_functions(void)
{
    this_thread = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
    line_of = (int (*)(void *, int))dlsym(RTLD_DEFAULT, "PyCode_Addr2Line");
    is_initialized = (int (*)(void))dlsym(RTLD_DEFAULT, "Py_IsInitialized");
    holds_lock = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Check");
    get_allocator = (void (*)(int, allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    set_allocator = (void (*)(int, allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    code_type = dlsym(RTLD_DEFAULT, "PyCode_Type");
    return this_thread && line_of && is_initialized && holds_lock && get_allocator && set_allocator && code_type;
}

static int note_interpreter(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || eval_start - start >= part->p_memsz)
            continue;
        interpreter_start = start;
        interpreter_end = start + part->p_memsz;
        return 1;
    }
    return 0;
}

static void find_eval(void)
{
    void *eval = dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault");
    Dl_info info;
    void *symbol = NULL;
    if (!eval || !dladdr1 || !dladdr1(eval, &info, &symbol, RTLD_DL_SYMENT) || !symbol)
        return;
    eval_start = (uintptr_t)eval;
    eval_end = eval_start + ((const ElfW(Sym) *)symbol)->st_size;
    dl_iterate_phdr(note_interpreter, NULL);
}

void python_prepare(void)
{
    const char *(*get_version)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "Py_GetVersion");
    if (!get_version || !find_functions())
        return;
    const char *text = get_version();
    if (strncmp(text, "3.", 2) != 0 || strstr(text, "free-threading"))
        return;
    version = 0x300 | (uint32_t)(atoi(text + 2) & 0xFF);
    find_eval();
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].version == version)
            layout = &layouts[i];
}
