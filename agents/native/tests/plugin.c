/* A library that is loaded, leaks 100,000 bytes and is unloaded. */
#include <stdlib.h>
#include <string.h>

void plugin_leak(void)
{
    char *volatile lost = malloc(100000);
    memset(lost, 1, 100000);
}
