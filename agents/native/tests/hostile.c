/* Programs that treat an allocator badly, or know exactly what they leak. `hostile NAME` runs one; it says
 * nothing and exits with 0 unless the allocator misbehaved. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)       \
    do {                  \
        if (!(what))      \
            _exit(3);     \
    } while (0)

static void *volatile sink;
static volatile size_t half = SIZE_MAX / 2;
static char *early;

/* Before every other constructor. */
__attribute__((constructor(101))) static void allocate_early(void)
{
    early = malloc(100000);
    memset(early, 7, 100000);
}

static void *filled(size_t bytes)
{
    char *memory = malloc(bytes);
    CHECK(memory);
    memset(memory, 1, bytes);
    return memory;
}

__attribute__((noinline)) static void leak_here(size_t bytes)
{
    sink = filled(bytes);
}

static int leak(void)
{
    for (int i = 0; i < 40000; i++) {
        leak_here(1000);
        free(filled(3000));
    }
    return 0;
}

static int leak_large(void)
{
    for (int i = 0; i < 200; i++)
        leak_here(200000);
    return 0;
}

static int leak_nothing(void)
{
    static void *kept[1000];
    for (int i = 0; i < 200000; i++) {
        free(kept[i % 1000]);
        kept[i % 1000] = filled((size_t)(i % 700));
    }
    for (int i = 0; i < 1000; i++)
        free(kept[i]);
    return 0;
}

/* What one thread allocates another frees; every tenth is leaked: 8 x 2000 x 1000 bytes. */
static void *box[8];
static void *thread(void *number)
{
    for (int i = 0; i < 20000; i++) {
        void *mine = filled(1000);
        if (i % 10 == 0)
            continue;
        free(__atomic_exchange_n(&box[(i + (int)(intptr_t)number) % 8], mine, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static int threads(void)
{
    pthread_t all[8];
    for (intptr_t i = 0; i < 8; i++)
        CHECK(pthread_create(&all[i], NULL, thread, (void *)i) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(all[i], NULL);
    for (int i = 0; i < 8; i++)
        free(box[i]);
    return 0;
}

static void *busy(void *stop)
{
    while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
        for (int i = 0; i < 20; i++)
            free(filled(500));
        usleep(50); /* or it would raise the interval until nothing of the leak is sampled */
    }
    return NULL;
}

/* Children of a process whose other threads allocate, each of which allocates, frees what it inherited
 * and ends without a farewell. The parent leaks 10 MB. */
static int forks(void)
{
    int stop = 0;
    pthread_t other;
    CHECK(pthread_create(&other, NULL, busy, &stop) == 0);
    for (int i = 0; i < 100; i++) {
        void *inherited = filled(100000);
        pid_t child = fork();
        if (child == 0) {
            free(inherited);
            for (int j = 0; j < 200; j++)
                sink = filled(5000);
            _exit(0);
        }
        int status;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    pthread_join(other, NULL);
    return 0;
}

static int vforks(void)
{
    for (int i = 0; i < 50; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        int status;
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
        leak_here(100000);
    }
    return 0;
}

/* 20 buffers that end at 1,000,000 bytes each. */
static int reallocs(void)
{
    for (int i = 0; i < 20; i++) {
        char *buffer = NULL;
        for (size_t bytes = 10; bytes <= 1000000; bytes *= 10) {
            buffer = realloc(buffer, bytes);
            CHECK(buffer);
            memset(buffer, i, bytes);
        }
        sink = buffer;
    }
    char *none = realloc(malloc(10), 0);
    free(none);
    errno = 0;
    CHECK(!reallocarray(NULL, half, 3) && errno == ENOMEM);
    return 0;
}

/* 2000 x 4096 bytes leaked, as many freed. */
static int aligned(void)
{
    for (int i = 0; i < 2000; i++) {
        void *some = NULL;
        CHECK(posix_memalign(&some, 256, 4096) == 0 && (uintptr_t)some % 256 == 0);
        void *freed = i % 2 ? memalign(4096, 4096) : aligned_alloc(64, 4096);
        CHECK(freed && (uintptr_t)freed % 64 == 0);
        memset(freed, 1, 4096);
        free(freed);
        sink = some;
    }
    void *page = valloc(100), *pages = pvalloc(100);
    CHECK((uintptr_t)page % 4096 == 0 && malloc_usable_size(pages) >= 4096);
    free(page);
    free(pages);
    void *untouched = &untouched;
    CHECK(posix_memalign(&untouched, 3, 100) == EINVAL && untouched == &untouched);
    return 0;
}

static int odd_sizes(void)
{
    free(NULL);
    free(malloc(0));
    errno = 0;
    CHECK(!calloc(half, 3) && errno == ENOMEM);
    void *volatile huge = malloc(PTRDIFF_MAX);
    CHECK(!huge);
    unsigned char *zeroed = calloc(100, 100);
    for (int i = 0; i < 10000; i++)
        CHECK(zeroed[i] == 0);
    free(zeroed);
    errno = 77;
    for (int i = 0; i < 1000; i++)
        free(filled(2000));
    CHECK(errno == 77);
    return 0;
}

/* Memory that libraries allocate and programs free. */
static int foreign(void)
{
    for (int i = 0; i < 3000; i++) {
        char *text = NULL;
        CHECK(asprintf(&text, "%d%1000d", i, i) > 0);
        free(strdup(text));
        free(text);
        free(realpath("/", NULL));
    }
    CHECK(early[99999] == 7);
    free(early);
    return 0;
}

static int libraries(const char *path)
{
    for (int i = 0; i < 60; i++) {
        void *library = dlopen(path, RTLD_NOW);
        CHECK(library);
        void (*plugin_leak)(void) = (void (*)(void))dlsym(library, "plugin_leak");
        CHECK(plugin_leak);
        plugin_leak();
        dlclose(library);
    }
    return 0;
}

/* A limit on file sizes sends a signal to whoever exceeds it. */
static int small_files(void)
{
    struct rlimit limit = {1000, 1000};
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    execl("/proc/self/exe", "hostile", "leak", (char *)NULL);
    return 5;
}

int main(int count, char **words)
{
    CHECK(count >= 2);
    struct {
        const char *name;
        int (*run)(void);
    } all[] = {
        {"leak", leak},         {"leak-large", leak_large}, {"leak-nothing", leak_nothing},
        {"threads", threads},   {"forks", forks},           {"vforks", vforks},
        {"reallocs", reallocs}, {"aligned", aligned},       {"odd-sizes", odd_sizes},
        {"foreign", foreign},   {"small-files", small_files},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(words[1], all[i].name) == 0)
            return all[i].run();
    return strcmp(words[1], "libraries") == 0 && count == 3 ? libraries(words[2]) : 4;
}
