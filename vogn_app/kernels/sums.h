/* Template: sums over rows and within rows, one pass over memory. */

#ifndef SUMS_H
#define SUMS_H
#define UNROLL 4 /* vectors of running sums in a row, to hide latency */
#endif

/* c [rows, columns] gives sum and square [columns]. The units are strips of columns. */
void NAME(row_sums)(
    const REAL *restrict c, REAL *restrict sum, REAL *restrict square, int64_t rows,
    int64_t columns, int64_t begin, int64_t end
) {
    for (int64_t strip = begin; strip < end; strip++) {
        int64_t left = strip * STRIP;
        int64_t width = SMALLER(STRIP, columns - left), n = 0;
        REAL *restrict s = sum + left, *restrict q = square + left;
        memset(s, 0, (size_t)width * sizeof(REAL));
        memset(q, 0, (size_t)width * sizeof(REAL));
        for (; n + 4 <= rows; n += 4) { /* four at a time: fewer visits to the sums */
            const REAL *a = c + n * columns + left, *b = a + columns;
            const REAL *d = b + columns, *e = d + columns;
            for (int64_t i = 0; i < width; i++) {
                s[i] += (a[i] + b[i]) + (d[i] + e[i]);
                q[i] += (a[i] * a[i] + b[i] * b[i]) + (d[i] * d[i] + e[i] * e[i]);
            }
        }
        for (; n < rows; n++)
            for (int64_t i = 0; i < width; i++) {
                REAL a = c[n * columns + left + i];
                s[i] += a;
                q[i] += a * a;
            }
    }
}

/* The sum of a vector's numbers: as pieces of 16 bytes, which stay in registers. */
INLINE REAL NAME(total)(VECTOR vector) {
    typedef REAL Piece __attribute__((vector_size(16)));
    Piece pieces[VECTOR_BYTES / 16];
    memcpy(pieces, &vector, sizeof vector);
    for (int half = VECTOR_BYTES / 32; half; half /= 2)
        for (int i = 0; i < half; i++)
            pieces[i] += pieces[half + i];
    REAL sum = 0;
    for (size_t i = 0; i < 16 / sizeof(REAL); i++)
        sum += pieces[0][i];
    return sum;
}

/* The sums over one row of g (x - mean) and of g. */
INLINE void NAME(channel)(
    const REAL *x, const REAL *g, REAL mean, int64_t positions, REAL *product,
    REAL *plain
) {
    VECTOR products[UNROLL] = {0}, plains[UNROLL] = {0};
    REAL last_product = 0, last_plain = 0;
    int64_t p = 0;
    for (; p + UNROLL * COUNT <= positions; p += UNROLL * COUNT)
        for (int k = 0; k < UNROLL; k++) {
            VECTOR gradient = ((const VECTOR *)(g + p))[k];
            products[k] += gradient * (((const VECTOR *)(x + p))[k] - mean);
            plains[k] += gradient;
        }
    for (; p + COUNT <= positions; p += COUNT) {
        VECTOR gradient = *(const VECTOR *)(g + p);
        products[0] += gradient * (*(const VECTOR *)(x + p) - mean);
        plains[0] += gradient;
    }
    for (; p < positions; p++) {
        last_product += g[p] * (x[p] - mean);
        last_plain += g[p];
    }
    if (positions >= COUNT) {
        for (int k = 1; k < UNROLL; k++) {
            products[0] += products[k];
            plains[0] += plains[k];
        }
        last_product += NAME(total)(products[0]);
        last_plain += NAME(total)(plains[0]);
    }
    *product = last_product;
    *plain = last_plain;
}

/* x, g [examples, channels, positions]; mean, scale [channels], or [examples, channels]
 * where `own`, give scale sum_p g (x - mean) and sum_p g [examples, channels]. The
 * units are examples. */
void NAME(channel_sums)(
    const REAL *restrict x, const REAL *restrict g, const REAL *restrict mean,
    const REAL *restrict scale, REAL *restrict product, REAL *restrict plain,
    int64_t channels, int64_t positions, int own, int64_t begin, int64_t end
) {
    for (int64_t n = begin; n < end; n++) {
        const REAL *means = mean + (own ? n * channels : 0);
        const REAL *scales = scale + (own ? n * channels : 0);
        const REAL *rows = x + n * channels * positions;
        const REAL *gradients = g + n * channels * positions;
        REAL *restrict a = product + n * channels, *restrict b = plain + n * channels;
        if (positions == 1) /* a plain loop, that compilers vectorise */
            for (int64_t c = 0; c < channels; c++) {
                a[c] = gradients[c] * (rows[c] - means[c]) * scales[c];
                b[c] = gradients[c];
            }
        else
            for (int64_t c = 0; c < channels; c++) {
                const REAL *row = rows + c * positions;
                const REAL *gradient = gradients + c * positions;
                NAME(channel)(row, gradient, means[c], positions, a + c, b + c);
                a[c] *= scales[c];
            }
    }
}

/* x, g [examples, tokens, features]; mean, scale [examples, tokens] give the sums over
 * tokens of g (x - mean) scale and of g [examples, features]. The units are
 * examples. */
void NAME(token_norm_sums)(
    const REAL *restrict x, const REAL *restrict g, const REAL *restrict mean,
    const REAL *restrict scale, REAL *restrict product, REAL *restrict plain,
    int64_t tokens, int64_t features, int64_t begin, int64_t end
) {
    for (int64_t n = begin; n < end; n++)
        for (int64_t left = 0; left < features; left += STRIP) {
            int64_t width = SMALLER(STRIP, features - left);
            REAL *restrict a = product + n * features + left;
            REAL *restrict b = plain + n * features + left;
            memset(a, 0, (size_t)width * sizeof(REAL));
            memset(b, 0, (size_t)width * sizeof(REAL));
            for (int64_t t = n * tokens; t < (n + 1) * tokens; t++) {
                int64_t at = t * features + left;
                const REAL *row = x + at, *gradient = g + at;
                REAL m = mean[t], s = scale[t];
                for (int64_t i = 0; i < width; i++) {
                    a[i] += gradient[i] * ((row[i] - m) * s);
                    b[i] += gradient[i];
                }
            }
        }
}
