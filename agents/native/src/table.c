/* The shared table: live allocations by address, stacks and what they are made of, each kept once.
 *
 * All of it is written under the lock of sample.c. The indexes by content are private to the process. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sampler.h"

struct table *table;

/* Twice as many places as entries: probes stay short. 0 is "nobody", so entries are kept plus one. */
static uint32_t stack_index[2 * STACK_COUNT];
static uint32_t string_index[4 * 4096];
static uint32_t python_index[2 * PYTHON_FRAME_COUNT];

/* Where code was found before. A code object's address may be used again, so the entry holds what
 * else must be the same. */
struct known_place {
    const void *code;
    const void *file;
    const void *function;
    int32_t instruction;
    uint32_t frame;
};
enum { KNOWN_PLACES = 4096 };
static struct known_place known_place[KNOWN_PLACES];

/* Stacks by the key of stack.c. */
struct known_stack {
    uint64_t key;
    uint32_t stack;
};
enum { KNOWN_STACKS = 8192 };
static struct known_stack known_stack[KNOWN_STACKS];

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *to++ = digits[--count];
    return to;
}

/* Space is reserved: a full disk must show here, not as a bus error in the worker. */
static struct table *map_file(const char *path)
{
    /* Growing a file past the limit would send a signal that ends the worker. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < sizeof(struct table))
        return NULL;
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return NULL;
    void *map = MAP_FAILED;
    if (posix_fallocate(file, 0, sizeof(struct table)) == 0)
        map = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED)
        return map;
    unlink(path);
    return NULL;
}

int table_make(const char *folder, uint64_t now_ns)
{
    char path[640];
    char *end = stpcpy(stpcpy(path, folder), "/alloc-");
    end = put_number(end, (uint64_t)getpid());
    *end++ = '-';
    end = put_number(end, now_ns);
    strcpy(end, ".table");
    struct table *made = map_file(path);
    if (!made)
        return 0;
    made->version = TABLE_VERSION;
    made->pid = (uint32_t)getpid();
    made->file_bytes = sizeof(struct table);
    made->started_unix_ns = now_ns;
    made->stacks = 1;  /* 0: a stack that there was no room for */
    made->strings = 1; /* 0: the empty string */
    made->modules = 1; /* 0: no module */
    made->python_version = python_version();
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(made->magic, TABLE_MAGIC, 8); /* last: from here on it is one */
    table = made;
    return 1;
}

void table_forget_own(void)
{
    table = NULL;
    memset(stack_index, 0, sizeof stack_index);
    memset(string_index, 0, sizeof string_index);
    memset(python_index, 0, sizeof python_index);
    memset(known_place, 0, sizeof known_place);
    memset(known_stack, 0, sizeof known_stack);
}

/* A round of the 64-bit finisher of MurmurHash3 (Appleby). */
uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDull;
    return hash ^ (hash >> 33);
}

static uint32_t hash_of(const void *data, size_t bytes)
{
    uint64_t hash = bytes, word;
    size_t at = 0;
    for (; at + 8 <= bytes; at += 8) {
        memcpy(&word, (const char *)data + at, 8);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, (const char *)data + at, bytes - at);
    return (uint32_t)mix(hash, word);
}

uint32_t table_known_stack(uint64_t key)
{
    const struct known_stack *known = &known_stack[key % KNOWN_STACKS];
    return key && known->key == key ? known->stack : 0;
}

void table_know_stack(uint64_t key, uint32_t stack)
{
    struct known_stack *known = &known_stack[key % KNOWN_STACKS];
    known->key = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    known->stack = stack;
    __atomic_store_n(&known->key, key, __ATOMIC_RELEASE);
}

uint32_t table_string(const char *text, uint32_t length)
{
    enum { PLACES = sizeof string_index / sizeof *string_index };
    uint32_t at = hash_of(text, length);
    for (uint32_t probe = 0; probe < 64; probe++, at++) {
        uint32_t *entry = &string_index[at % PLACES];
        if (!*entry) {
            if (table->strings + length + 1 > STRING_BYTES)
                return 0;
            memcpy(table->string + table->strings, text, length);
            *entry = table->strings;
            table->strings += length + 1;
            return *entry;
        }
        const char *present = table->string + *entry;
        if (strncmp(present, text, length) == 0 && present[length] == 0)
            return *entry;
    }
    return 0;
}

static int note_module(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    uint64_t start = UINT64_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD)
            continue;
        uint64_t from = info->dlpi_addr + part->p_vaddr;
        start = from < start ? from : start;
        end = from + part->p_memsz > end ? from + part->p_memsz : end;
    }
    for (uint32_t i = 1; i < table->modules; i++)
        if (table->module[i].start == start && table->module[i].end == end)
            return 0;
    if (end == 0 || table->modules >= MODULE_COUNT)
        return 0;
    struct module *module = &table->module[table->modules];
    module->bias = info->dlpi_addr;
    module->start = start;
    module->end = end;
    /* The program itself has no name here. */
    char path[512];
    const char *name = info->dlpi_name;
    if (!name || !name[0]) {
        ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
        path[length > 0 ? length : 0] = 0;
        name = path;
    }
    module->path = table_string(name, (uint32_t)strnlen(name, sizeof path));
    table->modules++;
    return 0;
}

static uint32_t module_at(uintptr_t pc)
{
    /* The latest first: where a library was unloaded, another may lie now. */
    for (uint32_t i = table->modules; i-- > 1;)
        if (pc - table->module[i].start < table->module[i].end - table->module[i].start)
            return i;
    return 0;
}

static uint64_t native_frame(uintptr_t pc)
{
    uint32_t module = module_at(pc);
    if (!module) {
        dl_iterate_phdr(note_module, NULL);
        module = module_at(pc);
    }
    uint64_t offset = pc - (module ? table->module[module].bias : 0);
    return (uint64_t)module << 48 | (offset & 0xFFFFFFFFFFFFull);
}

static uint32_t python_frame(const struct python_frame *frame)
{
    enum { PLACES = 2 * PYTHON_FRAME_COUNT };
    uint32_t at = hash_of(frame, sizeof *frame);
    for (uint32_t probe = 0; probe < PLACES; probe++, at++) {
        uint32_t *entry = &python_index[at % PLACES];
        if (!*entry) {
            if (table->python_frames >= PYTHON_FRAME_COUNT)
                return UINT32_MAX;
            table->python_frame[table->python_frames] = *frame;
            *entry = ++table->python_frames;
        }
        if (memcmp(&table->python_frame[*entry - 1], frame, sizeof *frame) == 0)
            return *entry - 1;
    }
    return UINT32_MAX;
}

static uint32_t python_place(const struct python_place *place)
{
    struct known_place wanted = {.code = place->code, .instruction = place->instruction};
    python_names(place->code, &wanted.file, &wanted.function);
    struct known_place *known = &known_place[hash_of(place, sizeof *place) % KNOWN_PLACES];
    if (known->code == wanted.code && known->file == wanted.file && known->function == wanted.function &&
        known->instruction == wanted.instruction)
        return known->frame;
    struct python_frame frame = {0};
    if (!python_resolve(place, &frame))
        return UINT32_MAX;
    wanted.frame = python_frame(&frame);
    *known = wanted;
    return wanted.frame;
}

static int is_stack(uint32_t stack, const uint64_t *frames, const struct stack *wanted)
{
    const struct stack *present = &table->stack[stack];
    return present->hash == wanted->hash && present->native == wanted->native &&
           present->python == wanted->python &&
           memcmp(&table->frame[present->first], frames, (size_t)(wanted->native + wanted->python) * 8) == 0;
}

uint32_t table_stack(const struct trace *trace)
{
    enum { PLACES = 2 * STACK_COUNT };
    uint64_t frames[MAX_NATIVE + MAX_PYTHON];
    struct stack stack = {.cut = trace->cut};
    for (uint32_t i = 0; i < trace->native_count; i++)
        frames[stack.native++] = native_frame(trace->native[i]);
    for (uint32_t i = 0; i < trace->python_count; i++) {
        uint32_t frame = python_place(&trace->python[i]);
        if (frame != UINT32_MAX)
            frames[stack.native + stack.python++] = frame;
    }
    uint32_t count = (uint32_t)stack.native + stack.python;
    stack.hash = hash_of(frames, count * 8);
    uint32_t at = stack.hash;
    for (uint32_t probe = 0; probe < PLACES; probe++, at++) {
        uint32_t *entry = &stack_index[at % PLACES];
        if (*entry && is_stack(*entry, frames, &stack))
            return *entry;
        if (*entry)
            continue;
        if (table->stacks >= STACK_COUNT || table->frames + count > FRAME_COUNT)
            break;
        stack.first = table->frames;
        memcpy(&table->frame[stack.first], frames, count * 8);
        table->frames += count;
        table->stack[table->stacks] = stack;
        *entry = table->stacks;
        /* Readers go by the count: it comes last. */
        __atomic_store_n(&table->stacks, table->stacks + 1, __ATOMIC_RELEASE);
        return *entry;
    }
    table->dropped_stacks++;
    return 0;
}

static uint32_t home_of(const void *address)
{
    return (uint32_t)((((uintptr_t)address >> 4) * 0xD6E8FEB86659FD93ull) >> 40) % SLOT_COUNT;
}

/* 1 if it is new: an address that was there before was freed without our knowing. */
int table_insert(void *address, size_t bytes, uint32_t stack, uint32_t born_ms, uint8_t interval_log2, int domain)
{
    if (table->live >= SLOT_COUNT / 8 * 7) {
        table->dropped_slots++;
        return 0;
    }
    uint32_t at = home_of(address);
    while (table->slot[at].address && table->slot[at].address != (uintptr_t)address)
        at = (at + 1) % SLOT_COUNT;
    int is_new = table->slot[at].address == 0;
    table->slot[at] = (struct slot){
        .bytes = bytes,
        .stack = stack,
        .born_ms = born_ms,
        .interval_log2 = interval_log2,
        .domain = (uint8_t)domain,
    };
    /* Last: a reader takes what has an address. */
    __atomic_store_n(&table->slot[at].address, (uintptr_t)address, __ATOMIC_RELEASE);
    table->live += (uint32_t)is_new;
    return is_new;
}

/* Those behind a gap move up into it, as far as their own place allows (Knuth, vol. 3, 6.4, algorithm R). */
static void close_gap(uint32_t gap)
{
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) % SLOT_COUNT;
        if (!table->slot[at].address)
            break;
        uint32_t home = home_of((void *)(uintptr_t)table->slot[at].address);
        if ((at - home) % SLOT_COUNT < (at - gap) % SLOT_COUNT)
            continue;
        table->slot[gap] = table->slot[at];
        gap = at;
    }
    memset(&table->slot[gap], 0, sizeof table->slot[gap]);
}

int table_remove(void *address)
{
    uint32_t at = home_of(address);
    while (table->slot[at].address != (uintptr_t)address) {
        if (!table->slot[at].address)
            return 0;
        at = (at + 1) % SLOT_COUNT;
    }
    close_gap(at);
    table->live--;
    return 1;
}
