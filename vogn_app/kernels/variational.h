/* Template: steps of optimizers at drawn weights that need no squares of examples.
 *
 * Lists of tensors and units are those of updates.h.
 */

static void NAME(product_block)(
    REAL *restrict product, const REAL *restrict sample, const REAL *restrict mean,
    const REAL *restrict gradient, int64_t count
) {
    for (int64_t i = 0; i < count; i++)
        product[i] = (sample[i] - mean[i]) * gradient[i];
}

/* product = (sample - mean) gradient */
void NAME(product)(
    REAL *const *products, const REAL *const *samples, const REAL *const *means,
    const REAL *const *gradients, const int64_t *sizes, int64_t begin, int64_t end
) {
    Place place = {0, 0};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t i = seek(&place, sizes, unit) * BLOCK, k = place.tensor;
        NAME(product_block)(
            products[k] + i, samples[k] + i, means[k] + i, gradients[k] + i,
            SMALLER(sizes[k] - i, BLOCK)
        );
    }
}

/* The settings of a step, as numbers of the tensors' type. */
typedef struct {
    REAL beta, fresh, young, slope, prior, floor, least, rate, radius;
} NAME(Settings);

/* `fresh` is 1 - beta, `young` 1 - decay; `refresh` is a constant at each call. */
INLINE void NAME(ivon_block)(
    const int refresh, REAL *restrict mean, const REAL *restrict gradient,
    const REAL *restrict product, REAL *restrict momentum, REAL *restrict curvature,
    REAL correction, NAME(Settings) by, int64_t count
) {
    for (int64_t i = 0; i < count; i++) {
        REAL m = by.beta * momentum[i] + by.fresh * gradient[i];
        REAL c = curvature[i] + by.floor;
        if (refresh) {
            REAL change = by.young * (by.slope * product[i] * c - curvature[i]);
            c += change + change * change / (2 * c);
            c = c < by.least ? by.least : c; /* no number stays none */
            curvature[i] = c - by.floor;
        }
        momentum[i] = m;
        REAL step = (correction * m + by.prior * mean[i]) / c;
        step = step > by.radius ? by.radius : step;
        step = step < -by.radius ? -by.radius : step;
        mean[i] -= by.rate * step;
    }
}

/* m = beta m + (1 - beta) g; c = s + floor; e = (1 - decay) (slope c u - s) with u the
 * products; c = max(c + e + e^2 / (2 c), least); s = c - floor;
 * mu -= rate clip((correction m + prior mu) / c). Without `products`, s stays. */
void NAME(ivon_update)(
    REAL *const *means, const REAL *const *gradients, const REAL *const *products,
    REAL *const *momenta, REAL *const *curvatures, const int64_t *sizes,
    const double *corrections, double beta, double decay, double slope, double prior,
    double floor, double least, double rate, double radius, int64_t begin, int64_t end
) {
    NAME(Settings) by = {
        (REAL)beta, (REAL)(1 - beta), (REAL)(1 - decay), (REAL)slope, (REAL)prior,
        (REAL)floor, (REAL)least, (REAL)rate, (REAL)radius
    };
    Place place = {0, 0};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t i = seek(&place, sizes, unit) * BLOCK, k = place.tensor;
#define UPDATE(refresh, product) \
    NAME(ivon_block)( \
        refresh, means[k] + i, gradients[k] + i, product, momenta[k] + i, \
        curvatures[k] + i, (REAL)corrections[k], by, SMALLER(sizes[k] - i, BLOCK) \
    )
        if (products)
            UPDATE(1, products[k] + i);
        else
            UPDATE(0, 0);
#undef UPDATE
    }
}

static void NAME(vadam_block)(
    REAL *restrict mean, const REAL *restrict gradient, REAL *restrict momentum,
    REAL *restrict curvature, REAL beta, REAL fresh, REAL decay, REAL young, REAL prior,
    REAL floor, REAL rate, REAL correction, int64_t count
) {
    for (int64_t i = 0; i < count; i++) {
        REAL g = gradient[i];
        REAL m = beta * momentum[i] + fresh * (g + prior * mean[i]);
        REAL s = decay * curvature[i] + young * g * g;
        momentum[i] = m;
        curvature[i] = s;
        mean[i] -= rate * m / (ROOT(correction * s) + floor);
    }
}

/* m = beta m + (1 - beta) (g + prior mu); s = decay s + (1 - decay) g^2;
 * mu -= rate m / (sqrt(correction s) + floor). */
void NAME(vadam_update)(
    REAL *const *means, const REAL *const *gradients, REAL *const *momenta,
    REAL *const *curvatures, const int64_t *sizes, const double *rates,
    const double *corrections, double beta, double decay, double prior, double floor,
    int64_t begin, int64_t end
) {
    Place place = {0, 0};
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t i = seek(&place, sizes, unit) * BLOCK, k = place.tensor;
        NAME(vadam_block)(
            means[k] + i, gradients[k] + i, momenta[k] + i, curvatures[k] + i,
            (REAL)beta, (REAL)(1 - beta), (REAL)decay, (REAL)(1 - decay), (REAL)prior,
            (REAL)floor, (REAL)rates[k], (REAL)corrections[k],
            SMALLER(sizes[k] - i, BLOCK)
        );
    }
}
