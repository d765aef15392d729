/* Template: sums over examples of g_n^T x_n and of its elementwise squares.
 *
 * The contribution g_n^T x_n of an example is a small matrix product. Here it lives in
 * registers only, in tiles of a few outputs times one panel of inputs: formed, added,
 * squared and added before the next example. So the squares cost little beyond the
 * product that gives the plain gradient.
 *
 * Examples go in groups of about GROUP_TOKENS tokens. Panels of inputs are repacked so
 * that a tile reads memory in order, and stay in the cache while the outputs pass by.
 */

#ifndef TOKENS_H
#define TOKENS_H

#define GROUP_TOKENS 512
#define PACKED_BYTES (512 * 1024) /* of panels at a time, for the second-level cache */
#define LEAST_PANELS 8            /* at a time, even where examples are long */
#define MANY_PANELS 12            /* beyond these it pays to pack outputs as well */

#endif

#define WIDTH (COLUMNS * COUNT) /* numbers in a row of a panel */
#define TILE NAME(Tile)

typedef struct {
    int64_t examples, tokens;
    const REAL *panel; /* [examples, tokens, WIDTH] */
    const REAL *g;     /* the first output of the first token, ... */
    int64_t step;      /* ... and how far it is to the next token */
    REAL *sum, *square;
    int64_t stride; /* from row to row of the results */
    int64_t width;  /* columns of the results, at most WIDTH */
    int add;        /* to the results, rather than write them */
} TILE;

/* Write or add a tile's results. */
static void NAME(put)(int rows, VECTOR results[][COLUMNS], REAL *to, const TILE *tile) {
    for (int r = 0; r < rows; r++, to += tile->stride)
        for (int c = 0; c < COLUMNS; c++) {
            int64_t left = c * COUNT;
            VECTOR value = results[r][c];
            if (left + COUNT <= tile->width) {
                VECTOR *place = (VECTOR *)(to + left);
                *place = tile->add ? *place + value : value;
            } else
                for (int64_t i = left; i < tile->width; i++)
                    to[i] = tile->add ? to[i] + value[i - left] : value[i - left];
        }
}

/* `rows` is a constant at each call, so that all loops but two unroll to registers. */
INLINE void NAME(tile)(const int rows, const TILE *tile) {
#define EACH \
    for (int r = 0; r < rows; r++) \
        for (int c = 0; c < COLUMNS; c++)
    VECTOR sum[ROWS][COLUMNS], square[ROWS][COLUMNS], part[ROWS][COLUMNS];
    const REAL *x = tile->panel, *g = tile->g;
    const int64_t step = tile->step, tokens = tile->tokens;
    EACH sum[r][c] = square[r][c] = (VECTOR){0};
    for (int64_t n = 0; n < tile->examples; n++) {
        EACH part[r][c] = (VECTOR){0};
        for (int64_t t = 0; t < tokens; t++, x += WIDTH, g += step)
            EACH part[r][c] += g[r] * ((const VECTOR *)x)[c];
        EACH {
            sum[r][c] += part[r][c];
            square[r][c] += part[r][c] * part[r][c];
        }
    }
    VECTOR results[2][ROWS][COLUMNS]; /* the sums themselves must stay in registers */
    EACH {
        results[0][r][c] = sum[r][c];
        results[1][r][c] = square[r][c];
    }
    NAME(put)(rows, results[0], tile->sum, tile);
    NAME(put)(rows, results[1], tile->square, tile);
#undef EACH
}

INLINE void NAME(any_tile)(int rows, const TILE *tile) {
    switch (rows) {
    case 1: NAME(tile)(1, tile); break;
    case 2: NAME(tile)(2, tile); break;
    case 3: NAME(tile)(3, tile); break;
    case 4: NAME(tile)(4, tile); break;
#if ROWS == 8
    case 5: NAME(tile)(5, tile); break;
    case 6: NAME(tile)(6, tile); break;
    case 7: NAME(tile)(7, tile); break;
    case 8: NAME(tile)(8, tile); break;
#endif
    }
}

/* Copy `width` columns of x [tokens, stride] to panels, the last padded with zeros. */
static void NAME(pack_panels)(
    const REAL *x, REAL *panels, int64_t tokens, int64_t stride, int64_t width
) {
    for (int64_t left = 0; left < width; left += WIDTH) {
        int64_t here = SMALLER(WIDTH, width - left);
        for (int64_t t = 0; t < tokens; t++, panels += WIDTH) {
            const REAL *row = x + t * stride + left;
            if (here == WIDTH)
                for (int c = 0; c < COLUMNS; c++)
                    ((VECTOR *)panels)[c] = ((const VECTOR *)row)[c];
            else
                for (int64_t i = 0; i < WIDTH; i++)
                    panels[i] = i < here ? row[i] : 0;
        }
    }
}

/* The outputs [begin, end) of one group for `width` inputs, in tiles of up to ROWS
 * outputs. `all` describes the first; `spare` has room for one tile's outputs. */
static void NAME(group_sums)(
    const TILE *all, int64_t width, int64_t begin, int64_t end, REAL *spare
) {
    int64_t count = end - begin, tiles = (count + ROWS - 1) / ROWS;
    int64_t depth = all->examples * all->tokens;
    for (int64_t k = 0; k < tiles; k++) {
        int64_t o = begin + count * k / tiles;
        int rows = (int)(begin + count * (k + 1) / tiles - o);
        TILE tile = *all;
        tile.g += o;
        if (width > MANY_PANELS * WIDTH) {
            for (int64_t t = 0; t < depth; t++)
                for (int r = 0; r < rows; r++)
                    spare[t * rows + r] = tile.g[t * tile.step + r];
            tile.g = spare;
            tile.step = rows;
        }
        for (int64_t i = 0; i < width; i += WIDTH) {
            tile.panel = all->panel + i * depth;
            tile.sum = all->sum + o * all->stride + i;
            tile.square = all->square + o * all->stride + i;
            tile.width = SMALLER(WIDTH, width - i);
            NAME(any_tile)(rows, &tile);
        }
    }
}

/* x [examples, tokens, inputs] and g [examples, tokens, outputs], neither empty, give
 * sum and square [outputs, inputs]. The units are stripes of outputs. */
int NAME(token_sums)(
    const REAL *x, const REAL *g, REAL *sum, REAL *square, int64_t examples,
    int64_t tokens, int64_t inputs, int64_t outputs, int64_t begin, int64_t end
) {
    begin *= STRIPE;
    end = SMALLER(end * STRIPE, outputs);
    int64_t groups = SMALLER(examples, 1 + examples * tokens / GROUP_TOKENS);
    int64_t group = (examples + groups - 1) / groups;
    int64_t row = WIDTH * (int64_t)sizeof(REAL), depth = group * tokens;
    int64_t spare = ROWS * (int64_t)sizeof(REAL);
    int64_t panels = PACKED_BYTES / (depth * row);
    panels = panels < LEAST_PANELS ? LEAST_PANELS : panels;
    panels = SMALLER(panels, (inputs + WIDTH - 1) / WIDTH);
    void *memory;
    if (posix_memalign(&memory, 64, (size_t)(depth * (panels * row + spare))))
        return -1;
    REAL *packed = memory;
    for (int64_t n = 0; n < examples; n += group)
        for (int64_t i = 0; i < inputs; i += panels * WIDTH) {
            int64_t here = SMALLER(group, examples - n), start = n * tokens;
            int64_t width = SMALLER(panels * WIDTH, inputs - i);
            TILE all = {here, tokens, packed, g + start * outputs, outputs,
                        sum + i, square + i, inputs, width, n > 0};
            const REAL *first = x + start * inputs + i;
            NAME(pack_panels)(first, packed, here * tokens, inputs, width);
            NAME(group_sums)(&all, width, begin, end, packed + depth * panels * WIDTH);
        }
    free(packed);
    return 0;
}

#undef WIDTH
#undef TILE
