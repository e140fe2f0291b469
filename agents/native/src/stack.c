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
    trace->native_count = trace->python_count = trace->cut = 0;
    python_take(trace);
    if (unwind)
        unwind(take_frame, trace);
}
