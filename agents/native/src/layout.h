/* The shared file: docs/formats/alloc-table.md is its specification.
 *
 * One file a process. The sampler writes it through a shared map; readers look at it at any time, also
 * after the process has ended. Nothing in it is a pointer that a reader follows. */
#ifndef PLIMSOLL_LAYOUT_H
#define PLIMSOLL_LAYOUT_H

#include <stdint.h>

#define TABLE_MAGIC "PLSMALOC"
#define TABLE_VERSION 1u

enum {
    SLOT_COUNT = 32768,    /* at a mean of 64 KiB a sample: 2 GiB live; the mean is raised before they fill */
    STACK_COUNT = 8192,
    FRAME_COUNT = 131072,
    PYTHON_FRAME_COUNT = 8192,
    MODULE_COUNT = 512,
    STRING_BYTES = 524288,
};

/* A live sampled allocation. */
struct slot {
    uint64_t address; /* 0: free */
    uint64_t bytes;
    uint32_t stack;
    uint32_t born_ms;      /* since the file was made */
    uint8_t interval_log2; /* mean interval in force when it was drawn */
    uint8_t domain;        /* 0: malloc, 1: Python's small objects */
    uint8_t reserved[6];
};

struct stack {
    uint32_t first; /* index into frames: native frames, then Python frames, innermost first */
    uint16_t native;
    uint16_t python;
    uint32_t hash;
    uint32_t cut; /* 1: deeper than what is kept */
};

/* A native frame is module << 48 | offset of the return address in the module's own address space;
 * module 0 is "none", the offset is then the bare address. A Python frame is its index. */

struct python_frame {
    uint32_t file;
    uint32_t function;
    uint32_t line;
    uint32_t reserved;
};

struct module {
    uint64_t bias; /* load address minus the file's own */
    uint64_t start;
    uint64_t end;
    uint32_t path;
    uint32_t reserved;
};

struct table {
    char magic[8];
    uint32_t version;
    uint32_t pid;
    uint64_t file_bytes;
    uint64_t started_unix_ns;
    uint64_t sampler_ns; /* time spent on samples, by all threads */
    uint64_t sampled;
    uint64_t forgotten;
    uint64_t dropped_slots;  /* no room for a live allocation */
    uint64_t dropped_stacks; /* no room for its stack: kept under stack 0 */
    uint64_t dropped_busy;   /* the table was busy or the sampler was re-entered */
    uint32_t live;
    uint32_t stacks;
    uint32_t frames;
    uint32_t python_frames;
    uint32_t modules;
    uint32_t strings;
    uint32_t interval_log2;
    uint32_t python_version; /* major << 8 | minor; 0: no CPython, or one that is not known */
    uint32_t python_hooked;  /* 1: small objects are sampled too */
    uint32_t reserved[3];

    struct slot slot[SLOT_COUNT];
    struct stack stack[STACK_COUNT];
    uint64_t frame[FRAME_COUNT];
    struct python_frame python_frame[PYTHON_FRAME_COUNT];
    struct module module[MODULE_COUNT];
    char string[STRING_BYTES];
};

#endif
