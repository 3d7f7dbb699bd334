/* The yardstick of `cargo bench --bench cartpole`: a plain loop of CartPole-v1 and a 4-64-64-2
 * tanh policy, one member at a time, no noise, no update, no bookkeeping. Prints steps a second.
 *
 * Weights are input-major, so that the compiler can keep all outputs of a layer in registers, and
 * tanh is a rational function that it can vectorise: libm's would be ten times slower. */
#include <math.h>
#include <stdio.h>
#include <time.h>

enum { H = 64, STEPS = 3000000 };

static float w1[4][H], b1[H], w2[H][H], b2[H], w3[H][2], b3[2];

static unsigned long long state = 88172645463325252ull;

static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static inline float squash(float x) {
    x = x > 4.97f ? 4.97f : x < -4.97f ? -4.97f : x;
    float u = x * x;
    return x * (135135.0f + u * (17325.0f + u * (378.0f + u))) /
           (135135.0f + u * (62370.0f + u * (3150.0f + u * 28.0f)));
}

static int act(const float *x) {
    float a[H], b[H], y[2];
    for (int o = 0; o < H; o++) a[o] = b1[o];
    for (int i = 0; i < 4; i++)
        for (int o = 0; o < H; o++) a[o] += w1[i][o] * x[i];
    for (int o = 0; o < H; o++) a[o] = squash(a[o]);
    for (int o = 0; o < H; o++) b[o] = b2[o];
    for (int i = 0; i < H; i++)
        for (int o = 0; o < H; o++) b[o] += w2[i][o] * a[i];
    for (int o = 0; o < H; o++) b[o] = squash(b[o]);
    y[0] = b3[0];
    y[1] = b3[1];
    for (int i = 0; i < H; i++) {
        y[0] += w3[i][0] * b[i];
        y[1] += w3[i][1] * b[i];
    }
    return y[1] > y[0];
}

static void fill(float *w, int n, double scale) {
    for (int i = 0; i < n; i++) w[i] = (float)((uniform() - 0.5) * scale);
}

int main(void) {
    fill(&w1[0][0], 4 * H, 2.0);
    fill(&w2[0][0], H * H, 0.4);
    fill(&w3[0][0], 2 * H, 0.4);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    double x = 0, v = 0, t = 0, w = 0;
    long episodes = 0;
    int in_episode = 0;
    for (long step = 0; step < STEPS; step++) {
        if (!in_episode) {
            x = (uniform() - 0.5) * 0.1;
            v = (uniform() - 0.5) * 0.1;
            t = (uniform() - 0.5) * 0.1;
            w = (uniform() - 0.5) * 0.1;
            episodes++;
        }
        float observation[4] = {(float)x, (float)v, (float)t, (float)w};
        double force = act(observation) ? 10.0 : -10.0;
        double c = cos(t), s = sin(t);
        double temp = (force + 0.05 * w * w * s) / 1.1;
        double angular = (9.8 * s - c * temp) / (0.5 * (4.0 / 3.0 - 0.1 * c * c / 1.1));
        double linear = temp - 0.05 * angular * c / 1.1;
        x += 0.02 * v;
        v += 0.02 * linear;
        t += 0.02 * w;
        w += 0.02 * angular;
        in_episode = x > -2.4 && x < 2.4 && t > -0.20943951 && t < 0.20943951;
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    printf("%.0f\n", STEPS / seconds);
    return episodes == 0;
}
