/* What one core can do, for the benchmarks to compare with: fused multiply-adds a second from
 * registers, and with one operand from a level-1, level-2 and memory-sized array, in billions.
 * Vectors are as wide as the machine's (-march=native). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float vector __attribute__((vector_size(4 * LANES)));
enum { CHAINS = 10 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static volatile float sink;

static void keep(const vector *sums) {
    float total = 0;
    for (int c = 0; c < CHAINS; c++)
        for (int l = 0; l < LANES; l++) total += sums[c][l];
    sink = total;
}

static double registers(void) {
    vector sums[CHAINS], a, b;
    memset(sums, 0, sizeof sums);
    for (int l = 0; l < LANES; l++) a[l] = 0.5f, b[l] = 0.25f + sink;
    const long rounds = 20000000;
    double began = now();
    for (long r = 0; r < rounds; r++) {
        for (int c = 0; c < CHAINS; c++) sums[c] = sums[c] * a + b;
        __asm__ volatile("" : "+x"(a), "+x"(b));
    }
    double rate = (double)rounds * CHAINS * LANES / (now() - began);
    keep(sums);
    return rate;
}

static double from_memory(size_t bytes) {
    size_t count = bytes / sizeof(vector) / CHAINS * CHAINS;
    vector *array = aligned_alloc(64, count * sizeof(vector));
    memset(array, 0, count * sizeof(vector));
    vector sums[CHAINS], x;
    memset(sums, 0, sizeof sums);
    for (int l = 0; l < LANES; l++) x[l] = 0.5f;
    long rounds = 2000000000 / (long)count / LANES;
    double began = now();
    for (long r = 0; r < rounds; r++)
        for (size_t i = 0; i < count; i += CHAINS) {
            for (int c = 0; c < CHAINS; c++) sums[c] += array[i + c] * x;
            __asm__ volatile("" : "+x"(x));
        }
    double rate = (double)rounds * count * LANES / (now() - began);
    keep(sums);
    free(array);
    return rate;
}

int main(void) {
    printf("%f %f %f %f\n", registers() / 1e9, from_memory(16 << 10) / 1e9, from_memory(400 << 10) / 1e9,
           from_memory((size_t)256 << 20) / 1e9);
    return 0;
}
