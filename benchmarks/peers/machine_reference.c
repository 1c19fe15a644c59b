/* The same two kernels in C, to check that the compiled ones lose nothing. */
#include <stddef.h>

void sweep_memory(float *array, size_t size, long repeats) {
    for (long repeat = 0; repeat < repeats; repeat++) {
        for (size_t place = 0; place < size; place++) array[place] = array[place] * 0.999f + 0.001f;
        __asm__ volatile("" ::: "memory");
    }
}

void multiply_add(float *array, long count) {
    typedef float vector __attribute__((vector_size(4 * WIDTH), aligned(4)));
    vector chains[CHAINS];
    for (int chain = 0; chain < CHAINS; chain++) chains[chain] = ((vector *)array)[chain];
    for (long number = 0; number < count; number++)
        for (int chain = 0; chain < CHAINS; chain++) chains[chain] = chains[chain] * 0.999f + 0.001f;
    for (int chain = 0; chain < CHAINS; chain++) ((vector *)array)[chain] = chains[chain];
}
