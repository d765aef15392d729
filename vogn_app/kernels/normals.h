/* Standard normals: xoshiro128++ (Blackman, Vigna 2019) in lanes, and Box-Muller.
 *
 * A block's stream depends on (key, tensor, block) alone, never on who computes it.
 * Loops over lanes and over a chunk are written so that compilers vectorise them.
 */

#define LANES 32  /* parallel streams of a block */
#define CHUNK 1024 /* normals made at a time, a multiple of 2 LANES */

typedef struct {
    uint32_t word[4][LANES];
} Streams;

INLINE uint64_t splitmix64(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static Streams seeded(uint64_t key, uint64_t tensor, uint64_t block) {
    uint64_t state = key;
    state = splitmix64(&state) ^ tensor;
    state = splitmix64(&state) ^ block;
    state = splitmix64(&state);
    Streams streams;
    for (int lane = 0; lane < LANES; lane++)
        for (int word = 0; word < 4; word += 2) {
            uint64_t bits = splitmix64(&state);
            streams.word[word][lane] = (uint32_t)bits;
            streams.word[word + 1][lane] = (uint32_t)(bits >> 32);
        }
    return streams;
}

#define ROTATED(x, k) (((x) << (k)) | ((x) >> (32 - (k))))

/* Fill `count` numbers, a multiple of LANES, with uniform bits. */
static void fill_bits(Streams *streams, uint32_t *restrict bits, int count) {
    uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
    memcpy(a, streams->word[0], sizeof a);
    memcpy(b, streams->word[1], sizeof b);
    memcpy(c, streams->word[2], sizeof c);
    memcpy(d, streams->word[3], sizeof d);
    for (int i = 0; i < count; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            uint32_t sum = a[lane] + d[lane];
            bits[i + lane] = ROTATED(sum, 7) + a[lane];
            uint32_t shifted = b[lane] << 9;
            c[lane] ^= a[lane];
            d[lane] ^= b[lane];
            b[lane] ^= c[lane];
            a[lane] ^= d[lane];
            c[lane] ^= shifted;
            d[lane] = ROTATED(d[lane], 11);
        }
    memcpy(streams->word[0], a, sizeof a);
    memcpy(streams->word[1], b, sizeof b);
    memcpy(streams->word[2], c, sizeof c);
    memcpy(streams->word[3], d, sizeof d);
}

/* Square root of -2 log(u), u = (bits + 1) / 2^32 in (0, 1]: between 0 and 6.66.
 * The logarithm's relative error stays below 2e-7, also for u close to 1. */
INLINE float radius(uint32_t bits) {
    float u = ((float)bits + 1) * 0x1p-32f;
    int32_t image;
    memcpy(&image, &u, sizeof u);
    int32_t exponent = (image - 0x3f3504f3) >> 23; /* u = 2^exponent (1 + f), */
    image -= exponent * 0x800000;                  /* 1 + f in [1/sqrt 2, sqrt 2) */
    memcpy(&u, &image, sizeof u);
    float f = u - 1;
    float p = 0.08959923f; /* minimax for log(1 + f) / f, error 3e-8 */
    p = p * f - 0.14482191f;
    p = p * f + 0.14917377f;
    p = p * f - 0.16543737f;
    p = p * f + 0.19958418f;
    p = p * f - 0.25002947f;
    p = p * f + 0.3333416f;
    p = p * f - 0.4999998f;
    p = p * f + 1;
    float logarithm = (float)exponent * 0.6931472f + p * f;
    return sqrtf(-2 * logarithm);
}

/* sin and cos of pi v for v = bits / 2^32 in [-1/2, 1/2); the lowest bit gives the
 * cosine its sign, which makes the half circle a whole one. Errors below 2e-7. */
INLINE float sine(uint32_t bits) {
    float v = (float)(int32_t)bits * 0x1p-32f, z = v * v;
    float p = 0.07765941f;
    p = p * z - 0.5982922f;
    p = p * z + 2.5500777f;
    p = p * z - 5.1677103f;
    p = p * z + 3.1415927f;
    return p * v;
}

INLINE float cosine(uint32_t bits) {
    float v = (float)(int32_t)bits * 0x1p-32f, z = v * v;
    float p = 0.2196968f;
    p = p * z - 1.3318802f;
    p = p * z + 4.058412f;
    p = p * z - 4.934793f;
    p = p * z + 1;
    uint32_t image;
    memcpy(&image, &p, sizeof p);
    image ^= bits << 31;
    memcpy(&p, &image, sizeof p);
    return p;
}

/* Fill at least `count` <= CHUNK normals; cosines first, then sines. */
static void normals_float(Streams *streams, float *restrict normals, int count) {
    uint32_t bits[CHUNK];
    int pairs = (count + 2 * LANES - 1) / (2 * LANES) * LANES;
    fill_bits(streams, bits, 2 * pairs);
    for (int i = 0; i < pairs; i++) {
        float r = radius(bits[i]);
        normals[i] = r * cosine(bits[pairs + i]);
        normals[pairs + i] = r * sine(bits[pairs + i]);
    }
}

/* The same in double precision, from 53 bits: for tests, so speed is secondary. */
static void normals_double(Streams *streams, double *restrict normals, int count) {
    uint32_t bits[2 * CHUNK];
    int pairs = (count + 2 * LANES - 1) / (2 * LANES) * LANES;
    fill_bits(streams, bits, 4 * pairs);
    for (int i = 0; i < pairs; i++) {
        uint64_t first = (uint64_t)bits[i] << 32 | bits[pairs + i];
        uint64_t second = (uint64_t)bits[2 * pairs + i] << 32 | bits[3 * pairs + i];
        double r = sqrt(-2 * log(((double)(first >> 11) + 1) * 0x1p-53));
        double angle = 6.283185307179586 * ((double)(second >> 11) * 0x1p-53);
        normals[i] = r * cos(angle);
        normals[pairs + i] = r * sin(angle);
    }
}
