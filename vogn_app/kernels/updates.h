/* Template: one pass over lists of tensors, in place.
 *
 * `sizes` holds the numbers of elements of the tensors. The units are blocks of BLOCK
 * elements, counted through the list; a tensor's last block may be smaller, and a
 * tensor without elements has no block.
 */

#ifndef UPDATES_H
#define UPDATES_H

typedef struct {
    int64_t tensor, unit; /* `unit` is the tensor's first */
} Place;

/* Move to the tensor that holds a unit, and give its block's number in the tensor. */
static int64_t seek(Place *place, const int64_t *sizes, int64_t unit) {
    for (;; place->tensor++) {
        int64_t units = (sizes[place->tensor] + BLOCK - 1) / BLOCK;
        if (unit < place->unit + units)
            return unit - place->unit;
        place->unit += units;
    }
}

#endif

static void NAME(sample_chunk)(
    REAL *restrict sample, const REAL *restrict mean, const REAL *restrict curvature,
    const REAL *restrict normals, REAL slope, REAL offset, int64_t count
) {
    for (int64_t i = 0; i < count; i++)
        sample[i] = mean[i] + normals[i] / ROOT(slope * curvature[i] + offset);
}

/* sample = mean + normal / sqrt(slope curvature + offset). Without `means`, samples are
 * the normals themselves. */
void NAME(sample)(
    REAL *const *samples, const REAL *const *means, const REAL *const *curvatures,
    const int64_t *sizes, double slope, double offset, uint64_t key,
    int64_t begin, int64_t end
) {
    Place place = {0, 0};
    REAL normals[CHUNK];
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t block = seek(&place, sizes, unit), k = place.tensor;
        int64_t stop = SMALLER(sizes[k], (block + 1) * BLOCK);
        Streams streams = seeded(key, (uint64_t)k, (uint64_t)block);
        for (int64_t i = block * BLOCK; i < stop; i += CHUNK) {
            int64_t count = SMALLER(stop - i, CHUNK);
            NAME(normals)(&streams, normals, (int)count);
            if (means)
                NAME(sample_chunk)(
                    samples[k] + i, means[k] + i, curvatures[k] + i, normals,
                    (REAL)slope, (REAL)offset, count
                );
            else
                memcpy(samples[k] + i, normals, (size_t)count * sizeof(REAL));
        }
    }
}

/* `fresh` and `young` are 1 - beta and 1 - decay, before they were rounded; `refresh` is
 * a constant at each call. */
INLINE void NAME(update_block)(
    const int refresh,
    REAL *restrict mean, const REAL *restrict gradient, const REAL *restrict square,
    REAL *restrict momentum, REAL *restrict curvature, REAL rate, REAL beta, REAL fresh,
    REAL decay, REAL young, REAL prior, REAL floor, int64_t count
) {
    for (int64_t i = 0; i < count; i++) {
        REAL m = beta * momentum[i] + fresh * (gradient[i] + prior * mean[i]);
        REAL s = curvature[i];
        if (refresh)
            curvature[i] = s = decay * s + young * square[i];
        momentum[i] = m;
        mean[i] -= rate * m / (s + floor);
    }
}

/* m = beta m + (1 - beta) (g + prior mu); s = decay s + (1 - decay) h;
 * mu -= rate m / (s + floor), where floor = damping + prior. Without `squares`, s
 * stays as it is. */
void NAME(vogn_update)(
    REAL *const *means, const REAL *const *gradients, const REAL *const *squares,
    REAL *const *momenta, REAL *const *curvatures, const int64_t *sizes,
    const double *rates, double beta, double decay, double prior, double floor,
    int64_t begin, int64_t end
) {
    Place place = {0, 0};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t block = seek(&place, sizes, unit), k = place.tensor, i = block * BLOCK;
#define UPDATE(refresh, square) \
    NAME(update_block)( \
        refresh, means[k] + i, gradients[k] + i, square, momenta[k] + i, \
        curvatures[k] + i, (REAL)rates[k], (REAL)beta, (REAL)(1 - beta), (REAL)decay, \
        (REAL)(1 - decay), (REAL)prior, (REAL)floor, SMALLER(sizes[k] - i, BLOCK) \
    )
        if (squares)
            UPDATE(1, squares[k] + i);
        else
            UPDATE(0, 0);
#undef UPDATE
    }
}
