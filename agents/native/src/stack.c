/* The native half of a stack, by the unwinder of the compiler's own library.
 *
 * That library is loaded at start: its first use would allocate. Most builds leave frame pointers out,
 * so unwind tables are all there is; without the library a stack is its Python half. In CPython the walk
 * ends at the interpreter's loop: what is above it is told by the Python half. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <unwind.h>

#include "sampler.h"

enum { NEAR_WORDS = 64, NEAR_CODE = 1 << 20 };

static _Unwind_Reason_Code (*unwind)(_Unwind_Trace_Fn, void *);
static uintptr_t (*frame_ip)(struct _Unwind_Context *);
static uintptr_t own_start, own_end;

static int note_own(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    uintptr_t start = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD)
            continue;
        uintptr_t from = info->dlpi_addr + part->p_vaddr;
        start = from < start ? from : start;
        end = from + part->p_memsz > end ? from + part->p_memsz : end;
    }
    if ((uintptr_t)note_own - start >= end - start)
        return 0;
    own_start = start;
    own_end = end;
    return 1;
}

static _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *to)
{
    struct trace *trace = to;
    uintptr_t pc = frame_ip(context);
    if (!pc)
        return _URC_END_OF_STACK;
    if (pc - own_start < own_end - own_start)
        return _URC_NO_REASON;
    if (trace->native_count >= MAX_NATIVE) {
        trace->cut = 1;
        return _URC_END_OF_STACK;
    }
    if (trace->python_count && python_is_eval(pc))
        return _URC_END_OF_STACK;
    trace->native[trace->native_count++] = pc;
    return _URC_NO_REASON;
}

static _Unwind_Reason_Code take_nothing(struct _Unwind_Context *context, void *unused)
{
    (void)context, (void)unused;
    return _URC_END_OF_STACK;
}

void stack_prepare(void)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    dl_iterate_phdr(note_own, NULL);
    frame_ip = (uintptr_t (*)(struct _Unwind_Context *))dlsym(library, "_Unwind_GetIP");
    unwind = (_Unwind_Reason_Code(*)(_Unwind_Trace_Fn, void *))dlsym(library, "_Unwind_Backtrace");
    if (unwind && frame_ip)
        unwind(take_nothing, NULL);
    else
        unwind = NULL;
}

void stack_take(struct trace *trace)
{
    if (unwind)
        unwind(take_frame, trace);
}

/* Two samples with the same Python frames and instructions, the same depth of the stack, the same caller
 * and the same words that look like return addresses near its top came the same way: unwinding costs
 * twenty times as much as finding that out. 0: no Python frames, so nothing to tell by. */
uint64_t stack_key(const struct trace *trace, const uintptr_t *frame)
{
    if (!trace->python_count)
        return 0;
    uintptr_t caller = frame[1];
    uint64_t key = mix(caller, (uintptr_t)frame);
    for (uint32_t i = 0; i < trace->python_count; i++)
        key = mix(mix(key, (uintptr_t)trace->python[i].code), (uint64_t)(uint32_t)trace->python[i].instruction);
    /* The stack goes on for at least the loop that runs the innermost of those frames. */
    for (int word = 2; word < NEAR_WORDS; word++) {
        uintptr_t value = frame[word];
        if (python_is_interpreter(value) || value - caller + NEAR_CODE < 2 * NEAR_CODE)
            key = mix(key, value + (uintptr_t)word);
    }
    return key ? key : 1;
}
